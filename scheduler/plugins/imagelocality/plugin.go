// Package imagelocality favours nodes that already have the pod's images.
package imagelocality

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const (
	name = "ImageLocality"
	// Below lower bytes of present images a node gains nothing, above upper
	// bytes for each image of the pod it gains no more.
	lower int64 = 23 << 20
	upper int64 = 1000 << 20
)

// Plugin is the score.
type Plugin struct{}

type state struct {
	images []image
	count  int
}

type image struct {
	name   string
	spread float64 // share of all nodes that have it
}

func (s *state) Clone() framework.StateData { return s }

// Name implements framework.Plugin.
func (Plugin) Name() string { return name }

// PreScore implements framework.PreScorePlugin. Images that no node has need no score.
func (Plugin) PreScore(_ context.Context, cs *framework.CycleState, _ []*framework.NodeInfo) *framework.Status {
	s := &state{}
	add := func(ref string) {
		s.count++
		ref = framework.NormalizeImage(ref)
		if n := cs.Snapshot.ImageNodes(ref); n > 0 {
			s.images = append(s.images, image{ref, float64(n) / float64(cs.Snapshot.Len())})
		}
	}
	spec := &cs.Pod.Pod.Spec
	for _, list := range [...][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			add(list[i].Image)
		}
	}
	for i := range spec.Volumes {
		if v := spec.Volumes[i].Image; v != nil {
			add(v.Reference)
		}
	}
	if len(s.images) == 0 {
		return framework.NewStatus(framework.Skip)
	}
	cs.Write(name, s)
	return nil
}

// Score implements framework.ScorePlugin. An image counts by its size and by how
// many nodes have it, so that a single node with an image does not draw every pod.
func (Plugin) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	s := framework.Read[*state](cs, name)
	if s == nil {
		return nil
	}
	most := upper * int64(s.count)
	for i, n := range nodes {
		var sum int64
		for _, img := range s.images {
			if size, ok := n.ImageSize(img.name); ok {
				sum += int64(float64(size) * img.spread)
			}
		}
		sum = min(max(sum, lower), most)
		scores[i] = framework.MaxScore * (sum - lower) / (most - lower)
	}
	return nil
}
