package apiserver

import (
	"fmt"
	"reflect"
	"sync"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

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
	known   managedfields.TypeConverter
	unknown sync.Map // of schema.GroupVersionKind
}

// ObjectToTyped implements managedfields.TypeConverter.
func (c *typeConverter) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	gvk := obj.GetObjectKind().GroupVersionKind()
	if _, ok := c.unknown.Load(gvk); !ok {
		if c.knows(gvk) {
			return c.known.ObjectToTyped(obj, opts...)
		}
		c.unknown.Store(gvk, true)
	}
	return managedfields.NewDeducedTypeConverter().ObjectToTyped(obj, opts...)
}

// knows reports whether there is a schema for a kind.
func (c *typeConverter) knows(gvk schema.GroupVersionKind) bool {
	if _, ok := c.unknown.Load(gvk); ok {
		return false
	}
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(gvk)
	_, err := c.known.ObjectToTyped(u)
	return err == nil
}

// TypedToObject implements managedfields.TypeConverter.
func (c *typeConverter) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	return c.known.TypedToObject(v)
}
