package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

const scaleName = "scale"

// scaleKind is the kind of /scale.
var scaleKind = autoscalingv1.SchemeGroupVersion.WithKind("Scale")

// Scale returns the scale of an object.
func (r *Resource) Scale(ctx context.Context, namespace, name string, opts *metav1.GetOptions) (*autoscalingv1.Scale, error) {
	it, err := r.get(ctx, namespace, name, opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	obj, err := r.Judged(it)
	if err != nil {
		return nil, r.apiError(err, name)
	}
	s, err := r.scaleOf(obj)
	if errors.Is(err, kinds.ErrNoReplicas) {
		return nil, apierrors.NewInternalError(err)
	}
	return s, err
}

// scaleOf returns an object's scale, and with [kinds.ErrNoReplicas] one that
// says so.
func (r *Resource) scaleOf(obj kinds.Object) (*autoscalingv1.Scale, error) {
	s := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{
		Name: obj.GetName(), Namespace: obj.GetNamespace(), UID: obj.GetUID(),
		ResourceVersion: obj.GetResourceVersion(), CreationTimestamp: obj.GetCreationTimestamp(),
	}}
	s.SetGroupVersionKind(scaleKind)
	return s, r.Kind.Scale.Get(obj, s)
}

// scaleEntries maps managed fields between an object and its scale.
func (r *Resource) scaleEntries(obj kinds.Object) *managedfields.ScaleHandler {
	paths := managedfields.ResourcePathMappings{}
	note := func(k *kinds.Kind) {
		if k.Scale == nil {
			paths[k.GroupVersion().String()] = nil
			return
		}
		var path fieldpath.Path
		for _, name := range replicasPath(k.Scale) {
			path = append(path, fieldpath.PathElement{FieldName: &name})
		}
		paths[k.GroupVersion().String()] = path
	}
	note(r.base)
	for i := range r.base.Views {
		if own := r.base.Views[i].Own; own != nil {
			note(own)
		}
	}
	return managedfields.NewScaleHandler(obj.GetManagedFields(), r.Kind.GroupVersion(), paths)
}

func replicasPath(s *kinds.Scale) []string {
	if len(s.Path) > 0 {
		return s.Path
	}
	return []string{"spec", "replicas"}
}

// A Scaler makes the new scale of an object from the present one. Managed
// fields are its work.
type Scaler func(ctx context.Context, old *autoscalingv1.Scale) (*autoscalingv1.Scale, error)

// UpdateScale changes the number of replicas of an object, which must have the
// uid given if that is not empty.
func (r *Resource) UpdateScale(ctx context.Context, w Write, uid types.UID, f Scaler) (*autoscalingv1.Scale, error) {
	w.Subresource = scaleName
	it, _, err := r.change(ctx, w, uid, false, func(ctx context.Context, shown kinds.Object) (kinds.Object, Tracked, error) {
		obj, err := r.rescale(ctx, shown, w, f)
		return obj, true, err
	})
	if err != nil {
		return nil, err
	}
	obj, err := r.ToJudged(it.Object)
	if err != nil {
		return nil, r.apiError(err, w.Name)
	}
	scale, err := r.scaleOf(obj)
	return scale, r.apiError(err, w.Name)
}

// noReplicas stands for the number of replicas of an object that has none.
const noReplicas = math.MinInt32

func (r *Resource) rescale(ctx context.Context, shown kinds.Object, w Write, f Scaler) (kinds.Object, error) {
	old, err := r.scaleOf(shown)
	if errors.Is(err, kinds.ErrNoReplicas) {
		old.Spec.Replicas = noReplicas
	} else if err != nil {
		return nil, err
	}
	if old.ManagedFields, err = r.scaleEntries(shown).ToSubresource(); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	scale, err := f(ctx, old.DeepCopy())
	if err != nil {
		return nil, err
	}
	if err := r.mutate(ctx, r.attributes(ctx, &w, admission.Update, scale, old), scale); err != nil {
		return nil, err
	}
	if scale.ResourceVersion != "" && scale.ResourceVersion != shown.GetResourceVersion() {
		return nil, apierrors.NewConflict(r.GroupResource(), w.Name, fmt.Errorf("%s", modified))
	}
	if scale.UID != "" && scale.UID != shown.GetUID() {
		gr := schema.GroupResource{Group: r.GVR.Group, Resource: r.GVR.Resource + "/" + scaleName}
		return nil, apierrors.NewConflict(gr, w.Name, failed("UID", scale.UID, shown.GetUID()))
	}
	if err := r.checkScale(scale, w.Name); err != nil {
		return nil, err
	}
	entries, err := r.scaleEntries(shown).ToParent(scale.ManagedFields)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	obj := shown.DeepCopyObject().(kinds.Object)
	if err := r.Kind.Scale.Set(obj, scale.Spec.Replicas); err != nil {
		return nil, err
	}
	obj.SetManagedFields(entries)
	return obj, nil
}

// scales are the scales of two states of an object, which admission judges
// instead of them.
func (r *Resource) scales(obj, old kinds.Object) (now, was kinds.Object, err error) {
	if now, err = r.scaleOf(obj); err != nil {
		return nil, nil, err
	}
	was, err = r.scaleOf(old)
	if errors.Is(err, kinds.ErrNoReplicas) {
		err = nil
	}
	return now, was, err
}

// checkScale refuses a scale that makes no sense. What a kind of its own takes
// is found out when the object itself is checked.
func (r *Resource) checkScale(s *autoscalingv1.Scale, name string) error {
	if r.IsUnstructured() {
		if s.Spec.Replicas == noReplicas {
			return apierrors.NewBadRequest(fmt.Sprintf("the spec replicas field %q cannot be empty", "."+strings.Join(replicasPath(r.Kind.Scale), ".")))
		}
		return nil
	}
	// All other metadata is ignored.
	errs := metavalidation.ValidateManagedFields(s.ManagedFields, field.NewPath("metadata", "managedFields"))
	if s.Spec.Replicas < 0 {
		errs = append(errs, field.Invalid(field.NewPath("spec", "replicas"), s.Spec.Replicas, "must be greater than or equal to 0"))
	}
	if len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: scaleKind.Group, Kind: scaleKind.Kind}, name, errs)
	}
	return nil
}
