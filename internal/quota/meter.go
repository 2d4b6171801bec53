package quota

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Lookup is what measuring device claims needs to know; all of it may be nil,
// and then extended resources are not recognised.
type Lookup struct {
	// ExtendedResource returns the name that pods ask for devices of a class
	// by, or nothing; HasClass whether a resource name stands for a class.
	ExtendedResource func(class string) string
	HasClass         func(name corev1.ResourceName) bool
	// Pod returns a pod, or nil; Owned the claims that a pod owns for its
	// extended resources.
	Pod   func(namespace, name string) *corev1.Pod
	Owned func(namespace string, pod types.UID) []*resourcev1.ResourceClaim
}

// Meter finds evaluators. Make one with New.
type Meter struct {
	lookup func(ctx context.Context) Lookup
	counts map[schema.GroupResource]count
}

// New makes a Meter; lookup may be nil.
func New(lookup func(ctx context.Context) Lookup) *Meter {
	if lookup == nil {
		lookup = func(context.Context) Lookup { return Lookup{} }
	}
	m := &Meter{lookup: lookup, counts: map[schema.GroupResource]count{}}
	for resource, alias := range map[string]corev1.ResourceName{
		"configmaps": corev1.ResourceConfigMaps, "resourcequotas": corev1.ResourceQuotas,
		"replicationcontrollers": corev1.ResourceReplicationControllers, "secrets": corev1.ResourceSecrets,
	} {
		r := schema.GroupResource{Resource: resource}
		m.counts[r] = count{CountName(r), alias}
	}
	return m
}

// Of returns the evaluator of a resource for as long as ctx lasts, or nil if
// the resource is not measured.
func (m *Meter) Of(ctx context.Context, r schema.GroupResource) Evaluator {
	if c, ok := m.counts[r]; ok {
		return c
	}
	switch r.Group {
	case resourcev1.GroupName:
		if r.Resource == "resourceclaims" {
			return deviceClaimEvaluator{m.lookup(ctx)}
		}
	case "authentication.k8s.io", "authorization.k8s.io":
		return nil // nothing of these is kept
	case "events.k8s.io":
		if r.Resource == "events" {
			return nil
		}
	case "":
		switch r.Resource {
		case "events", "bindings", "componentstatuses":
			return nil
		case "pods":
			return podEvaluator{}
		case "services":
			return serviceEvaluator{}
		case "persistentvolumeclaims":
			return volumeClaimEvaluator{}
		}
	}
	return count{name: CountName(r)}
}
