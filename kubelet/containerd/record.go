//go:build linux

package containerd

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/typeurl/v2"

	"github.com/keelson-project/keelson/kubelet"
)

// recordKey is the extension of containerd's records that holds ours.
const recordKey = "keelson.record"

// sandboxRecord is what is remembered of a sandbox beyond this process.
type sandboxRecord struct {
	Spec    kubelet.SandboxSpec
	Created time.Time
	Exited  bool
	// ShimPID and ShimBorn tell the shim from a later process of that number.
	ShimPID  int
	ShimBorn uint64
	// PausePID and PauseBorn tell the init of a shared process namespace.
	PausePID  int    `json:",omitempty"`
	PauseBorn uint64 `json:",omitempty"`
}

// containerRecord is what is remembered of a container beyond this process.
type containerRecord struct {
	SandboxID                  string
	Spec                       kubelet.ContainerSpec
	ImageID                    string
	StopSignal                 string
	Cgroup                     string
	State                      kubelet.State
	Created, Started, Finished time.Time
	ExitCode                   int
	Reason, Message            string
}

// blob is JSON in the shape that containerd's stores want.
type blob struct {
	kind  string
	value []byte
}

func (b blob) GetTypeUrl() string { return b.kind }
func (b blob) GetValue() []byte   { return b.value }

func extension(v any) (map[string]typeurl.Any, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return map[string]typeurl.Any{recordKey: blob{recordKey, data}}, nil
}

func fromExtension(ext map[string]typeurl.Any, v any) error {
	b, ok := ext[recordKey]
	if !ok {
		return fmt.Errorf("not made by this program: extension %q is missing", recordKey)
	}
	return json.Unmarshal(b.GetValue(), v)
}

// A sandbox is recorded among containerd's containers, as its CRI plugin does:
// one without root file system, told by this label.
const (
	kindLabel   = "keelson.kind"
	kindSandbox = "sandbox"
)

func (s *stores) createSandbox(ctx context.Context, id string, rec sandboxRecord) error {
	ext, err := extension(rec)
	if err != nil {
		return err
	}
	_, err = s.containers.Create(ctx, containers.Container{
		ID:         id,
		Labels:     map[string]string{kindLabel: kindSandbox, podUIDLabel: rec.Spec.PodUID},
		Runtime:    containers.RuntimeInfo{Name: runtimeName},
		Spec:       blob{recordKey, []byte("{}")}, // it asks for one
		Extensions: ext,
	})
	return err
}

func (s *stores) updateSandbox(ctx context.Context, id string, rec sandboxRecord) error {
	return s.updateRecord(ctx, id, rec)
}

func (s *stores) updateContainer(ctx context.Context, id string, rec containerRecord) error {
	return s.updateRecord(ctx, id, rec)
}

func (s *stores) updateRecord(ctx context.Context, id string, rec any) error {
	ext, err := extension(rec)
	if err != nil {
		return err
	}
	_, err = s.containers.Update(ctx, containers.Container{ID: id, Extensions: ext}, "extensions")
	return err
}

func (s *stores) createContainer(ctx context.Context, id string, rec containerRecord, spec typeurl.Any) error {
	ext, err := extension(rec)
	if err != nil {
		return err
	}
	_, err = s.containers.Create(ctx, containers.Container{
		ID:          id,
		Labels:      map[string]string{nameLabel: rec.Spec.Name},
		Image:       rec.Spec.Image,
		Runtime:     containers.RuntimeInfo{Name: runtimeName},
		Spec:        spec,
		SnapshotKey: id,
		Snapshotter: s.driver,
		Extensions:  ext,
	})
	return err
}
