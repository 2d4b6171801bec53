package registry

import (
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
)

// scaleManager tracks the fields of scales.
func (r *Resource) scaleManager() (*managedfields.FieldManager, error) {
	v, _ := r.managers.LoadOrStore("scale", &lazyManager{})
	l := v.(*lazyManager)
	l.once.Do(func() {
		c := single{gvk: scaleKind, empty: &autoscalingv1.Scale{}}
		l.manager, l.err = managedfields.NewDefaultFieldManager(r.registry.converter, c, c, c, scaleKind, scaleKind.GroupVersion(), "scale", nil)
	})
	return l.manager, l.err
}

// TrackScale writes down in a new scale what a manager owns of it now.
func TrackScale(r *Resource, old, scale *autoscalingv1.Scale, manager string) *autoscalingv1.Scale {
	m, err := r.scaleManager()
	if err != nil {
		r.registry.log.Error("managed fields are not tracked", "kind", scaleKind, "err", err)
		return scale
	}
	out, err := m.Update(old, scale, manager)
	if err != nil {
		r.registry.log.Debug("managed fields are not tracked", "kind", scaleKind, "name", scale.Name, "err", err)
		scale.ManagedFields = old.ManagedFields
		return scale
	}
	return out.(*autoscalingv1.Scale)
}

// ApplyScale merges an applied configuration into a scale.
func (r *Resource) ApplyScale(old *autoscalingv1.Scale, config *unstructured.Unstructured, manager string, force Force) (*autoscalingv1.Scale, error) {
	m, err := r.scaleManager()
	if err != nil {
		return nil, err
	}
	out, err := m.Apply(old, config, manager, bool(force))
	if err != nil {
		return nil, err
	}
	obj, err := single{gvk: scaleKind, empty: &autoscalingv1.Scale{}}.ConvertToVersion(out, scaleKind.GroupVersion())
	if err != nil {
		return nil, err
	}
	return obj.(*autoscalingv1.Scale), nil
}

// single converts between the one version that a kind has.
type single struct {
	gvk   schema.GroupVersionKind
	empty runtime.Object
}

// ConvertToVersion implements runtime.ObjectConvertor.
func (s single) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	u, ok := in.(*unstructured.Unstructured)
	if !ok {
		return in, nil
	}
	if gvk := u.GroupVersionKind(); gvk != s.gvk {
		return nil, runtime.NewNotRegisteredErrForKind("keelson", gvk)
	}
	out := s.empty.DeepCopyObject()
	return out, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, out)
}

// Convert implements runtime.ObjectConvertor; nothing calls it.
func (single) Convert(in, out, _ any) error { return fmt.Errorf("cannot convert %T into %T", in, out) }

// ConvertFieldLabel implements runtime.ObjectConvertor.
func (single) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// Default implements runtime.ObjectDefaulter.
func (single) Default(runtime.Object) {}

// New implements runtime.ObjectCreater.
func (s single) New(schema.GroupVersionKind) (runtime.Object, error) {
	out := s.empty.DeepCopyObject()
	out.GetObjectKind().SetGroupVersionKind(s.gvk)
	return out, nil
}
