package pods

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// binder serves pods/binding and bindings.
type binder struct{ registry *registry.Registry }

// New implements registry.Creater.
func (*binder) New() runtime.Object { return &corev1.Binding{} }

// Create implements registry.Creater.
func (b *binder) Create(ctx context.Context, namespace, name string, obj runtime.Object, opts *metav1.CreateOptions, admit func(context.Context, runtime.Object) error) (runtime.Object, error) {
	binding := obj.(*corev1.Binding)
	if name == "" {
		name = binding.Name
	}
	if binding.Name != name {
		return nil, apierrors.NewBadRequest("name in URL does not match name in Binding object")
	}
	if errs := validateBinding(binding); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Kind: "Binding"}, binding.Name, errs)
	}
	if err := admit(ctx, binding); err != nil {
		return nil, err
	}
	if name == "" {
		return nil, apierrors.NewBadRequest("Name parameter required.")
	}
	write := registry.Write{
		Namespace: namespace, Name: name, Subresource: "binding", Manager: opts.FieldManager,
		DryRun: kinds.DryRun(len(opts.DryRun) > 0), Options: opts,
	}
	_, err := podsOf(b.registry).Amend(ctx, write, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		pod := old.DeepCopyObject().(*corev1.Pod)
		if err := assign(pod, binding); err != nil {
			return nil, false, err
		}
		// What a binding writes has no manager.
		return pod, true, nil
	})
	if err != nil {
		return nil, err
	}
	return success(), nil
}

func validateBinding(b *corev1.Binding) field.ErrorList {
	var errs field.ErrorList
	target := field.NewPath("target")
	if b.Target.Kind != "" && b.Target.Kind != "Node" {
		errs = append(errs, field.NotSupported(target.Child("kind"), b.Target.Kind, []string{"Node", "<empty>"}))
	}
	if b.Target.Name == "" {
		errs = append(errs, field.Required(target.Child("name"), ""))
	} else if len(errs) == 0 {
		for _, msg := range validation.NameIsDNSSubdomain(b.Target.Name, false) {
			errs = append(errs, field.Invalid(target.Child("name"), b.Target.Name, msg))
		}
	}
	return errs
}

// assign gives the pod its node.
func assign(pod *corev1.Pod, b *corev1.Binding) error {
	resource := schema.GroupResource{Resource: "pods"}
	conflict := func(format string, args ...any) error {
		return apierrors.NewConflict(schema.GroupResource{Resource: "pods/binding"}, pod.Name, fmt.Errorf(format, args...))
	}
	if b.UID != "" && b.UID != pod.UID {
		return apierrors.NewConflict(resource, pod.Name, fmt.Errorf("Precondition failed: UID in precondition: %v, UID in object meta: %v", b.UID, pod.UID)) //nolint:staticcheck // the API's wording
	}
	if b.ResourceVersion != "" && b.ResourceVersion != pod.ResourceVersion {
		return apierrors.NewConflict(resource, pod.Name, fmt.Errorf("Precondition failed: ResourceVersion in precondition: %v, ResourceVersion in object meta: %v", b.ResourceVersion, pod.ResourceVersion)) //nolint:staticcheck // the API's wording
	}
	switch {
	case pod.DeletionTimestamp != nil:
		return conflict("pod %s is being deleted, cannot be assigned to a host", pod.Name)
	case pod.Spec.NodeName != "":
		return conflict("pod %v is already assigned to node %q", pod.Name, pod.Spec.NodeName)
	case len(pod.Spec.SchedulingGates) != 0:
		return conflict("pod %v has non-empty .spec.schedulingGates", pod.Name)
	}
	pod.Spec.NodeName = b.Target.Name
	pod.Status.NominatedNodeName = ""
	if pod.Annotations == nil && len(b.Annotations) > 0 {
		pod.Annotations = map[string]string{}
	}
	for k, v := range b.Annotations {
		pod.Annotations[k] = v
	}
	for k, v := range b.Labels {
		if pod.Labels == nil {
			pod.Labels = map[string]string{}
		}
		pod.Labels[k] = v
	}
	setCondition(&pod.Status, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue})
	return nil
}
