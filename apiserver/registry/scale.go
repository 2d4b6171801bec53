package registry

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// ScaleKind is the kind of /scale.
var scaleKind = autoscalingv1.SchemeGroupVersion.WithKind("Scale")

// Scale returns the scale of an object.
func (r *Resource) Scale(ctx context.Context, namespace, name string, opts *metav1.GetOptions) (*autoscalingv1.Scale, error) {
	it, err := r.get(ctx, namespace, name, opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	return r.scaleOf(it), nil
}

func (r *Resource) scaleOf(it *cache.Item) *autoscalingv1.Scale {
	obj := it.Object
	s := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{
		Name: obj.GetName(), Namespace: obj.GetNamespace(), UID: obj.GetUID(),
		ResourceVersion: obj.GetResourceVersion(), CreationTimestamp: obj.GetCreationTimestamp(),
	}}
	s.SetGroupVersionKind(scaleKind)
	r.Kind.Scale.Get(obj, s)
	return s
}

// scaleEntries maps managed fields between an object and its scale.
func (r *Resource) scaleEntries(obj kinds.Object) *managedfields.ScaleHandler {
	gv := r.Kind.GroupVersion()
	return managedfields.NewScaleHandler(obj.GetManagedFields(), gv, managedfields.ResourcePathMappings{
		gv.String(): fieldpath.MakePathOrDie("spec", "replicas"),
	})
}

// A Scaler makes the new scale of an object from the present one. Managed
// fields are its work.
type Scaler func(ctx context.Context, old *autoscalingv1.Scale) (*autoscalingv1.Scale, error)

// UpdateScale changes the number of replicas of an object.
func (r *Resource) UpdateScale(ctx context.Context, w Write, f Scaler) (*autoscalingv1.Scale, error) {
	w.Subresource = "scale"
	it, _, err := r.change(ctx, w, "", false, func(ctx context.Context, shown kinds.Object) (kinds.Object, Tracked, error) {
		obj, err := r.rescale(ctx, shown, w, f)
		return obj, true, err
	})
	if err != nil {
		return nil, err
	}
	return r.scaleOf(it), nil
}

func (r *Resource) rescale(ctx context.Context, shown kinds.Object, w Write, f Scaler) (kinds.Object, error) {
	old := r.scaleOf(cache.NewItem(r.hub, "", nil, shown.DeepCopyObject().(kinds.Object), 0))
	var err error
	if old.ManagedFields, err = r.scaleEntries(shown).ToSubresource(); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	scale, err := f(ctx, old.DeepCopy())
	if err != nil {
		return nil, err
	}
	if scale.ResourceVersion != "" && scale.ResourceVersion != shown.GetResourceVersion() {
		return nil, apierrors.NewConflict(r.GroupResource(), w.Name, fmt.Errorf("%s", modified))
	}
	if scale.UID != "" && scale.UID != shown.GetUID() {
		gr := schema.GroupResource{Group: r.GVR.Group, Resource: r.GVR.Resource + "/scale"}
		return nil, apierrors.NewConflict(gr, w.Name, failed("UID", scale.UID, shown.GetUID()))
	}
	errs := validation.ValidateObjectMeta(&scale.ObjectMeta, true, r.Kind.ValidName, field.NewPath("metadata"))
	if scale.Spec.Replicas < 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "replicas"), scale.Spec.Replicas, "must be greater than or equal to 0"))
	}
	if len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: scaleKind.Group, Kind: scaleKind.Kind}, w.Name, errs)
	}
	entries, err := r.scaleEntries(shown).ToParent(scale.ManagedFields)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	obj := shown.DeepCopyObject().(kinds.Object)
	r.Kind.Scale.Set(obj, scale.Spec.Replicas)
	obj.SetManagedFields(entries)
	return obj, nil
}
