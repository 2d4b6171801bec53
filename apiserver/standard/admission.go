package standard

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/defaulttoleration"
	"github.com/keelson-project/keelson/apiserver/admission/namespacelifecycle"
	"github.com/keelson-project/keelson/apiserver/admission/nodetaint"
	"github.com/keelson-project/keelson/apiserver/admission/priority"
	"github.com/keelson-project/keelson/apiserver/admission/serviceaccount"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// admissionChain are the plugins in kube-apiserver's order.
func admissionChain(r *registry.Registry) admission.Chain {
	core := func(resource string) schema.GroupVersionResource {
		return corev1.SchemeGroupVersion.WithResource(resource)
	}
	namespace, account := getter[*corev1.Namespace](r, core("namespaces")), getter[*corev1.ServiceAccount](r, core("serviceaccounts"))
	classes := schedulingv1.SchemeGroupVersion.WithResource("priorityclasses")
	class := getter[*schedulingv1.PriorityClass](r, classes)
	return admission.Chain{
		namespacelifecycle.Plugin{Namespace: func(ctx context.Context, name string) (*corev1.Namespace, error) { return namespace(ctx, "", name) }},
		serviceaccount.Plugin{Account: account},
		nodetaint.Plugin{},
		priority.Plugin{
			Class: func(ctx context.Context, name string) (*schedulingv1.PriorityClass, error) {
				return class(ctx, "", name)
			},
			Classes: lister[*schedulingv1.PriorityClass](r, classes),
		},
		defaulttoleration.Plugin{},
	}
}

// getter returns a function that reads objects of a kind as they are now. They
// are shared: callers do not change them.
func getter[T kinds.Object](r *registry.Registry, gvr schema.GroupVersionResource) func(ctx context.Context, namespace, name string) (T, error) {
	return func(ctx context.Context, namespace, name string) (found T, err error) {
		resource := r.Resource(gvr)
		if resource == nil {
			return found, apierrors.NewNotFound(gvr.GroupResource(), name)
		}
		item, err := resource.Get(ctx, namespace, name, &metav1.GetOptions{})
		if err != nil {
			return found, err
		}
		return item.Object.(T), nil
	}
}

// lister is getter for all objects of a kind that belongs to the cluster.
func lister[T kinds.Object](r *registry.Registry, gvr schema.GroupVersionResource) func(ctx context.Context) ([]T, error) {
	return func(ctx context.Context) ([]T, error) {
		resource := r.Resource(gvr)
		if resource == nil {
			return nil, nil
		}
		list, err := resource.List(ctx, "", &internalversion.ListOptions{})
		if err != nil {
			return nil, err
		}
		out := make([]T, len(list.Items))
		for i, item := range list.Items {
			out[i] = item.Object.(T)
		}
		return out, nil
	}
}

// ensureClasses makes the priority classes of the system's own pods.
func ensureClasses(ctx context.Context, client kubernetes.Interface) error {
	policy := corev1.PreemptLowerPriority
	for _, c := range []struct {
		name, what string
		value      int32
	}{
		{"system-node-critical", "Used for system critical pods that must not be moved from their current node.", 2000001000},
		{"system-cluster-critical", "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.", 2000000000},
	} {
		_, err := client.SchedulingV1().PriorityClasses().Create(ctx, &schedulingv1.PriorityClass{
			ObjectMeta: metav1.ObjectMeta{Name: c.name}, Value: c.value, Description: c.what, PreemptionPolicy: &policy,
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("standard: making priority class %s: %w", c.name, err)
		}
	}
	return nil
}
