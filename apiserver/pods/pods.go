package pods

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// New returns the resources: pods/binding, bindings and pods/eviction. The
// registry serves pods, and pod disruption budgets if they are to count.
func New(r *registry.Registry) ([]registry.Virtual, error) {
	if r == nil {
		return nil, errors.New("pods: the registry is nil")
	}
	binding, eviction := &binder{r}, &evictor{r}
	v1 := corev1.SchemeGroupVersion
	return []registry.Virtual{
		{
			Parent: v1, Names: kinds.Names{Resource: "pods"}, Subresource: "binding", Namespaced: true,
			Kind: v1.WithKind("Binding"), Handler: binding,
		}, {
			Parent: v1, Names: kinds.Names{Resource: "bindings", Singular: "binding"}, Namespaced: true,
			Kind: v1.WithKind("Binding"), Handler: binding,
		}, {
			Parent: v1, Names: kinds.Names{Resource: "pods"}, Subresource: "eviction", Namespaced: true,
			Kind: policyv1.SchemeGroupVersion.WithKind("Eviction"), Handler: eviction,
		},
	}, nil
}

func podsOf(r *registry.Registry) *registry.Resource {
	return r.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"})
}

// success is the answer to what has no object to show.
func success() *metav1.Status { return &metav1.Status{Status: metav1.StatusSuccess} }

// setCondition sets a condition of a pod and its times.
func setCondition(status *corev1.PodStatus, want corev1.PodCondition) {
	now := metav1.Now()
	want.LastTransitionTime = now
	for i := range status.Conditions {
		if c := &status.Conditions[i]; c.Type == want.Type {
			if c.Status == want.Status {
				want.LastTransitionTime = c.LastTransitionTime
			}
			want.LastProbeTime = c.LastProbeTime
			*c = want
			return
		}
	}
	status.Conditions = append(status.Conditions, want)
}
