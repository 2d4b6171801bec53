// Package volumebinding keeps pods to nodes that can reach their persistent volumes.
// Claims whose class waits for the first consumer are bound to the chosen node's
// volumes, or handed to their provisioner with the node's name, before the pod is bound.
package volumebinding

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const (
	name           = "VolumeBinding"
	noProvisioner  = "kubernetes.io/no-provisioner"
	selectedNode   = "volume.kubernetes.io/selected-node"
	bindCompleted  = "pv.kubernetes.io/bind-completed"
	boundByUs      = "pv.kubernetes.io/bound-by-controller"
	legacyClassKey = "volume.beta.kubernetes.io/storage-class"
)

var (
	wrongNode = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) didn't match PersistentVolume's node affinity")
	noVolume  = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) didn't find available persistent volumes to bind")
	lostPV    = framework.NewStatus(framework.UnschedulableAndUnresolvable, "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)")
	immediate = framework.NewStatus(framework.UnschedulableAndUnresolvable, "pod has unbound immediate PersistentVolumeClaims")
)

// Plugin is the filter and binder of volumes.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return name }

type state struct {
	bound   []*corev1.PersistentVolume
	lost    bool
	waiting []waiting // smallest first
}

// waiting is a claim to be bound once the node is known.
type waiting struct {
	claim *corev1.PersistentVolumeClaim
	class *storagev1.StorageClass
	// volumes are those the claim could be bound to, smallest first.
	volumes []*corev1.PersistentVolume
}

// Clone implements framework.StateData.
func (s *state) Clone() framework.StateData { return s }

// PreFilter implements framework.PreFilterPlugin.
func (Plugin) PreFilter(_ context.Context, cs *framework.CycleState) (*framework.PreFilterResult, *framework.Status) {
	pod := cs.Pod.Pod
	s := &state{}
	any := false
	for i := range pod.Spec.Volumes {
		claimName, ephemeral := claimOf(pod, &pod.Spec.Volumes[i])
		if claimName == "" {
			continue
		}
		any = true
		claim, err := usable(cs.Cluster, pod, claimName, ephemeral)
		if err != nil {
			return nil, framework.NewStatus(framework.UnschedulableAndUnresolvable, err.Error())
		}
		if st := s.sort(cs.Cluster, claim); st != nil {
			return nil, st
		}
	}
	if !any {
		return nil, framework.NewStatus(framework.Skip)
	}
	if len(s.waiting) > 0 {
		s.findVolumes(cs.Cluster)
	}
	cs.Write(name, s)
	return nil, nil
}

// claimOf names the claim behind a volume, if there is one.
func claimOf(pod *corev1.Pod, v *corev1.Volume) (claim string, ephemeral bool) {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName, false
	case v.Ephemeral != nil:
		return pod.Name + "-" + v.Name, true
	}
	return "", false
}

func usable(c *framework.Cluster, pod *corev1.Pod, claimName string, ephemeral bool) (*corev1.PersistentVolumeClaim, error) {
	if c.Claims == nil {
		return nil, fmt.Errorf("persistentvolumeclaim %q not found", claimName)
	}
	claim, err := c.Claims.PersistentVolumeClaims(pod.Namespace).Get(claimName)
	switch {
	case apierrors.IsNotFound(err) && ephemeral:
		return nil, fmt.Errorf("waiting for ephemeral volume controller to create the persistentvolumeclaim %q", claimName)
	case err != nil:
		return nil, err
	case claim.Status.Phase == corev1.ClaimLost:
		return nil, fmt.Errorf("persistentvolumeclaim %q bound to non-existent persistentvolume %q", claimName, claim.Spec.VolumeName)
	case claim.DeletionTimestamp != nil:
		return nil, fmt.Errorf("persistentvolumeclaim %q is being deleted", claimName)
	}
	if ephemeral && !slices.ContainsFunc(claim.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == pod.UID }) {
		return nil, fmt.Errorf("PVC %s/%s was not created for pod %s/%s (pod is not owner)", claim.Namespace, claim.Name, pod.Namespace, pod.Name)
	}
	return claim, nil
}

// sort files a claim as bound or waiting; one that is neither refuses the pod.
func (s *state) sort(c *framework.Cluster, claim *corev1.PersistentVolumeClaim) *framework.Status {
	if isBound(claim) {
		if c.Volumes == nil {
			s.lost = true
			return nil
		}
		pv, err := c.Volumes.Get(claim.Spec.VolumeName)
		if err != nil {
			s.lost = true
			return nil
		}
		s.bound = append(s.bound, pv)
		return nil
	}
	className := classOf(claim)
	if className == "" || c.StorageClasses == nil || claim.Spec.VolumeName != "" {
		return immediate
	}
	class, err := c.StorageClasses.Get(className)
	if err != nil || class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer {
		return immediate
	}
	s.waiting = append(s.waiting, waiting{claim: claim, class: class})
	return nil
}

func isBound(claim *corev1.PersistentVolumeClaim) bool {
	_, done := claim.Annotations[bindCompleted]
	return claim.Spec.VolumeName != "" && done
}

func classOf(claim *corev1.PersistentVolumeClaim) string {
	if class, ok := claim.Annotations[legacyClassKey]; ok {
		return class
	}
	if claim.Spec.StorageClassName != nil {
		return *claim.Spec.StorageClassName
	}
	return ""
}

// findVolumes lists for each waiting claim the free volumes that would do.
func (s *state) findVolumes(c *framework.Cluster) {
	if c.Volumes == nil {
		return
	}
	// An error cannot come from a cache.
	all, _ := c.Volumes.List(labels.Everything())
	for i := range s.waiting {
		w := &s.waiting[i]
		for _, pv := range all {
			if suits(pv, w.claim) {
				w.volumes = append(w.volumes, pv)
			}
		}
		slices.SortFunc(w.volumes, func(a, b *corev1.PersistentVolume) int {
			if d := a.Spec.Capacity.Storage().Cmp(*b.Spec.Capacity.Storage()); d != 0 {
				return d
			}
			return strings.Compare(a.Name, b.Name)
		})
	}
	slices.SortStableFunc(s.waiting, func(a, b waiting) int {
		return a.claim.Spec.Resources.Requests.Storage().Cmp(*b.claim.Spec.Resources.Requests.Storage())
	})
}

// suits reports whether a free volume meets a claim.
func suits(pv *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	if ref := pv.Spec.ClaimRef; ref != nil {
		if ref.Namespace != claim.Namespace || ref.Name != claim.Name || ref.UID != "" && ref.UID != claim.UID {
			return false
		}
	} else if pv.Status.Phase != corev1.VolumeAvailable {
		return false
	}
	class := pv.Spec.StorageClassName
	if legacy, ok := pv.Annotations[legacyClassKey]; ok {
		class = legacy
	}
	if pv.DeletionTimestamp != nil || class != classOf(claim) || modeOf(pv.Spec.VolumeMode) != modeOf(claim.Spec.VolumeMode) {
		return false
	}
	if pv.Spec.Capacity.Storage().Cmp(*claim.Spec.Resources.Requests.Storage()) < 0 {
		return false
	}
	for _, m := range claim.Spec.AccessModes {
		if !slices.Contains(pv.Spec.AccessModes, m) {
			return false
		}
	}
	if claim.Spec.Selector != nil {
		selector, err := metav1.LabelSelectorAsSelector(claim.Spec.Selector)
		return err == nil && selector.Matches(labels.Set(pv.Labels))
	}
	return true
}

func modeOf(m *corev1.PersistentVolumeMode) corev1.PersistentVolumeMode {
	if m == nil {
		return corev1.PersistentVolumeFilesystem
	}
	return *m
}

// Filter implements framework.FilterPlugin.
func (Plugin) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	s := framework.Read[*state](cs, name)
	if s == nil {
		return nil
	}
	if s.lost {
		return lostPV
	}
	for _, pv := range s.bound {
		if !reaches(pv, n.Node) {
			return wrongNode
		}
	}
	if _, ok := s.choose(n.Node); !ok {
		return noVolume
	}
	return nil
}

// choice is what becomes of a waiting claim on a node: a volume, or provisioning if nil.
type choice struct {
	waiting
	volume *corev1.PersistentVolume
}

// choose gives each waiting claim the smallest volume left that the node reaches, or leaves
// it to the provisioner if there is none.
func (s *state) choose(node *corev1.Node) ([]choice, bool) {
	var out []choice
	for _, w := range s.waiting {
		c := choice{waiting: w}
		for _, pv := range w.volumes {
			taken := slices.ContainsFunc(out, func(o choice) bool { return o.volume == pv })
			if !taken && reaches(pv, node) {
				c.volume = pv
				break
			}
		}
		if c.volume == nil && (w.class.Provisioner == noProvisioner || !allowed(w.class, node)) {
			return nil, false
		}
		out = append(out, c)
	}
	return out, true
}

// reaches reports whether a volume can be used on a node.
func reaches(pv *corev1.PersistentVolume, node *corev1.Node) bool {
	if pv.Spec.NodeAffinity == nil || pv.Spec.NodeAffinity.Required == nil {
		return true
	}
	selector, err := nodeaffinity.NewNodeSelector(pv.Spec.NodeAffinity.Required)
	return err == nil && selector.Match(node)
}

// allowed reports whether the class provisions for the node.
func allowed(class *storagev1.StorageClass, node *corev1.Node) bool {
	if len(class.AllowedTopologies) == 0 {
		return true
	}
	return slices.ContainsFunc(class.AllowedTopologies, func(t corev1.TopologySelectorTerm) bool {
		for _, e := range t.MatchLabelExpressions {
			if !slices.Contains(e.Values, node.Labels[e.Key]) {
				return false
			}
		}
		return true
	})
}

// Events implements framework.EventPlugin.
func (Plugin) Events() []framework.EventInterest {
	any := framework.Added | framework.Updated
	return []framework.EventInterest{
		{Kind: framework.PersistentVolumeClaim, Actions: any, Hint: claimMatters},
		{Kind: framework.PersistentVolume, Actions: any},
		{Kind: framework.StorageClass, Actions: any},
		{Kind: framework.Node, Actions: any},
	}
}

func claimMatters(pod *corev1.Pod, e framework.Event) framework.Hint {
	claim, ok := e.New.(*corev1.PersistentVolumeClaim)
	if !ok {
		return framework.Retry
	}
	for i := range pod.Spec.Volumes {
		if c, _ := claimOf(pod, &pod.Spec.Volumes[i]); c == claim.Name && claim.Namespace == pod.Namespace {
			return framework.Retry
		}
	}
	return framework.Ignore
}
