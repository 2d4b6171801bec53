package apiserver

import (
	"fmt"
	"reflect"
	"slices"
	"sync"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	smdschema "sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	"sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// newScheme makes a scheme of the types of Kubernetes and of the kinds.
func newScheme(all []*kinds.Kind) (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	if err := kubernetesscheme.AddToScheme(s); err != nil {
		return nil, err
	}
	if err := apidiscoveryv2.AddToScheme(s); err != nil {
		return nil, err
	}
	metav1.AddToGroupVersion(s, schema.GroupVersion{Version: "v1"})
	metav1.AddToGroupVersion(s, metav1.SchemeGroupVersion)
	add := func(gvk schema.GroupVersionKind, obj, list runtime.Object) error {
		if _, ok := obj.(*unstructured.Unstructured); ok {
			return nil
		}
		if s.Recognizes(gvk) {
			have, err := s.New(gvk)
			if err != nil {
				return err
			}
			if reflect.TypeOf(have) != reflect.TypeOf(obj) {
				return fmt.Errorf("%s is a %T, not a %T", gvk, have, obj)
			}
			return nil
		}
		s.AddKnownTypeWithName(gvk, obj)
		s.AddKnownTypeWithName(gvk.GroupVersion().WithKind(gvk.Kind+"List"), list)
		metav1.AddToGroupVersion(s, gvk.GroupVersion())
		return nil
	}
	for _, k := range all {
		if err := add(k.GroupVersionKind, k.New(), k.NewList()); err != nil {
			return nil, err
		}
		for i := range k.Views {
			v := &k.Views[i]
			if err := add(v.GroupVersionKind, v.New(), v.NewList()); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// typeConverter knows the schema of Kubernetes' own kinds, and deduces that of
// others from their objects.
type typeConverter struct {
	// known reads the schema when first called, which takes its time.
	known func() managedfields.TypeConverter
	types sync.Map // from schema.GroupVersionKind to typeOf
}

// typeOf is a kind's type in the schema; without one it is to be deduced.
type typeOf struct {
	schema *smdschema.Schema
	ref    smdschema.TypeRef
}

// ObjectToTyped implements managedfields.TypeConverter. Values of Go types need
// no validation where duplicates are allowed: they fit the schema made of them.
func (c *typeConverter) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	t := c.typeOf(obj.GetObjectKind().GroupVersionKind())
	if t.schema == nil {
		return managedfields.NewDeducedTypeConverter().ObjectToTyped(obj, opts...)
	}
	if _, ok := obj.(*unstructured.Unstructured); ok || !slices.Contains(opts, typed.AllowDuplicates) {
		return c.known().ObjectToTyped(obj, opts...)
	}
	v, err := value.NewValueReflect(obj)
	if err != nil {
		return nil, err
	}
	//lint:ignore SA1019 validation is still a third of what tracking costs
	return typed.AsTypedUnvalidated(v, t.schema, t.ref), nil
}

func (c *typeConverter) typeOf(gvk schema.GroupVersionKind) typeOf {
	if t, ok := c.types.Load(gvk); ok {
		return t.(typeOf)
	}
	var t typeOf
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(gvk)
	if v, err := c.known().ObjectToTyped(u); err == nil {
		t = typeOf{v.Schema(), v.TypeRef()}
	}
	c.types.Store(gvk, t)
	return t
}

// TypedToObject implements managedfields.TypeConverter.
func (c *typeConverter) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	return c.known().TypedToObject(v)
}
