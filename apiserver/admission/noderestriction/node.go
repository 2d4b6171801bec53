package noderestriction

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/diff"
	kubelet "k8s.io/kubelet/pkg/apis"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// ownNode allows the kubelet's node, with what it may say of itself.
func (w write) ownNode() error {
	if w.Name != w.node {
		return w.no("node %q is not allowed to modify node %q", w.node, w.Name)
	}
	node, ok := w.Object.(*corev1.Node)
	if !ok {
		return nil // a delete
	}
	if w.Operation == admission.Create {
		if node.Spec.ConfigSource != nil {
			return w.no("node %q is not allowed to create pods with a non-nil configSource", w.node)
		}
		if labels := forbidden(node.Labels, nil); len(labels) > 0 {
			return w.no("node %q is not allowed to set the following labels: %s", w.node, strings.Join(labels, ", "))
		}
		return nil
	}
	old, ok := w.OldObject.(*corev1.Node)
	switch {
	case !ok:
		return w.no("unexpected type %T", w.OldObject)
	case node.Spec.ConfigSource != nil && !apiequality.Semantic.DeepEqual(node.Spec.ConfigSource, old.Spec.ConfigSource):
		return w.no("node %q is not allowed to update configSource to a new non-nil configSource", w.node)
	case !apiequality.Semantic.DeepEqual(node.Spec.Taints, old.Spec.Taints):
		return w.no("node %q is not allowed to modify taints", w.node)
	case !apiequality.Semantic.DeepEqual(node.OwnerReferences, old.OwnerReferences):
		return w.no("node %q is not allowed to modify ownerReferences", w.node)
	}
	if labels := forbidden(node.Labels, old.Labels); len(labels) > 0 {
		return w.no("is not allowed to modify labels: %s", strings.Join(labels, ", "))
	}
	return nil
}

// forbidden are the labels that have changed and are not a kubelet's to change,
// for pods that are not for every node could be drawn by them.
func forbidden(now, before map[string]string) []string {
	changed := map[string]bool{}
	for key, value := range now {
		if was, ok := before[key]; !ok || was != value {
			changed[key] = true
		}
	}
	for key := range before {
		if _, ok := now[key]; !ok {
			changed[key] = true
		}
	}
	maps.DeleteFunc(changed, func(key string, _ bool) bool { return !reserved(key) })
	return slices.Sorted(maps.Keys(changed))
}

func reserved(label string) bool {
	domain, _, ok := strings.Cut(label, "/")
	if !ok {
		return false
	}
	in := func(parent string) bool { return domain == parent || strings.HasSuffix(domain, "."+parent) }
	if in(corev1.LabelNamespaceNodeRestriction) {
		return true
	}
	return (in("kubernetes.io") || in("k8s.io")) && !kubelet.IsKubeletLabel(label)
}

// named allows what has the name of the node.
func (w write) named(what string) error {
	name := w.Name
	if w.Operation == admission.Create {
		m, err := meta.Accessor(w.Object)
		if err != nil {
			return w.no("unable to access the object name")
		}
		name = m.GetName()
	}
	if name != w.node {
		return w.no("can only access %s with the same name as the requesting node", what)
	}
	return nil
}

// slice allows ResourceSlices that say that they are of the node.
func (w write) slice() error {
	of := func(obj any) bool {
		s, ok := obj.(*resourcev1.ResourceSlice)
		return ok && s.Spec.NodeName != nil && *s.Spec.NodeName == w.node
	}
	switch {
	case w.Operation == admission.Create && !of(w.Object):
		return w.no("can only create ResourceSlice with the same NodeName as the requesting node")
	case w.Operation == admission.Delete && !of(w.OldObject):
		return w.no("can only delete ResourceSlice with the same NodeName as the requesting node")
	}
	return nil
}

// claimStatus allows to report how a claim's volume has grown.
func (w write) claimStatus() error {
	if w.Operation != admission.Update {
		return w.no("unexpected operation %q", w.Operation)
	}
	old, wasOne := w.OldObject.(*corev1.PersistentVolumeClaim)
	claim, ok := w.Object.(*corev1.PersistentVolumeClaim)
	if !ok || !wasOne {
		return w.no("unexpected type %T", w.Object)
	}
	rest := func(c *corev1.PersistentVolumeClaim) *corev1.PersistentVolumeClaim {
		c = c.DeepCopy()
		c.ResourceVersion, c.ManagedFields = "", nil
		c.Status.Capacity, c.Status.Conditions = nil, nil
		c.Status.AllocatedResourceStatuses, c.Status.AllocatedResources = nil, nil
		return c
	}
	if a, b := rest(old), rest(claim); !apiequality.Semantic.DeepEqual(a, b) {
		return w.no("node %q is not allowed to update fields other than status.quantity and status.conditions: %v", w.node, diff.Diff(a, b))
	}
	return nil
}
