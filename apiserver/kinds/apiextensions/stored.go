package apiextensions

import (
	"encoding/json"
	"fmt"
	"sync"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apiextensions-apiserver/pkg/client/applyconfiguration"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/typed"

	"github.com/keelson-project/keelson/apiserver/codec"
)

// toInternal and fromInternal convert between the served form and the one that
// definitions are judged in. Results may share memory with arguments.
func toInternal(crd *v1.CustomResourceDefinition) (*internal.CustomResourceDefinition, error) {
	out := &internal.CustomResourceDefinition{}
	return out, v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, out, nil)
}

func fromInternal(crd *internal.CustomResourceDefinition) (*v1.CustomResourceDefinition, error) {
	out := &v1.CustomResourceDefinition{}
	return out, v1.Convert_apiextensions_CustomResourceDefinition_To_v1_CustomResourceDefinition(crd, out, nil)
}

// setDefaults completes what a client has sent, and gives it the shape that it
// has when it comes back from the store.
func setDefaults(crd *v1.CustomResourceDefinition) {
	v1.SetObjectDefaults_CustomResourceDefinition(crd)
	in, err := toInternal(crd)
	if err != nil {
		return // validation converts again, and tells
	}
	if out, err := fromInternal(in); err == nil {
		out.TypeMeta = crd.TypeMeta
		*crd = *out
	}
}

// encode writes a definition as Kubernetes stores it: as v1beta1, which says
// what all versions have in common but once.
func encode(crd *v1.CustomResourceDefinition) ([]byte, error) {
	in, err := toInternal(crd)
	if err != nil {
		return nil, err
	}
	out := &v1beta1.CustomResourceDefinition{}
	if err := v1beta1.Convert_apiextensions_CustomResourceDefinition_To_v1beta1_CustomResourceDefinition(in, out, nil); err != nil {
		return nil, err
	}
	out.SetGroupVersionKind(v1beta1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	data, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return append(data, '\n'), nil
}

// decode reads what encode writes, and v1 as well, both also in protobuf.
func decode(value []byte) (*v1.CustomResourceDefinition, error) {
	gvk, body, isProto := codec.Unwrap(value)
	read := func(into interface{ Unmarshal([]byte) error }) error { return into.Unmarshal(body) }
	if !isProto {
		var t metav1.TypeMeta
		if err := json.Unmarshal(value, &t); err != nil {
			return nil, fmt.Errorf("neither protobuf nor JSON: %w", err)
		}
		gvk = t.GroupVersionKind()
		read = func(into interface{ Unmarshal([]byte) error }) error { return utiljson.Unmarshal(value, into) }
	}
	in := &internal.CustomResourceDefinition{}
	switch gvk {
	case v1beta1.SchemeGroupVersion.WithKind("CustomResourceDefinition"):
		crd := &v1beta1.CustomResourceDefinition{}
		if err := read(crd); err != nil {
			return nil, err
		}
		v1beta1.SetObjectDefaults_CustomResourceDefinition(crd)
		if err := v1beta1.Convert_v1beta1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, in, nil); err != nil {
			return nil, err
		}
	case v1.SchemeGroupVersion.WithKind("CustomResourceDefinition"):
		crd := &v1.CustomResourceDefinition{}
		if err := read(crd); err != nil {
			return nil, err
		}
		v1.SetObjectDefaults_CustomResourceDefinition(crd)
		if err := v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(crd, in, nil); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%s is no definition of custom resources", gvk)
	}
	crd, err := fromInternal(in)
	if err != nil {
		return nil, err
	}
	v1.SetObjectDefaults_CustomResourceDefinition(crd)
	return crd, nil
}

// typeConverter knows the schema of definitions; it reads it when first asked.
type typeConverter struct {
	once  sync.Once
	known managedfields.TypeConverter
}

func (c *typeConverter) get() managedfields.TypeConverter {
	c.once.Do(func() {
		s := runtime.NewScheme()
		s.AddKnownTypes(schema.GroupVersion{Group: v1.GroupName, Version: "v1"}, &v1.CustomResourceDefinition{})
		c.known = applyconfiguration.NewTypeConverter(s)
	})
	return c.known
}

// ObjectToTyped implements managedfields.TypeConverter.
func (c *typeConverter) ObjectToTyped(obj runtime.Object, opts ...typed.ValidationOptions) (*typed.TypedValue, error) {
	return c.get().ObjectToTyped(obj, opts...)
}

// TypedToObject implements managedfields.TypeConverter.
func (c *typeConverter) TypedToObject(v *typed.TypedValue) (runtime.Object, error) {
	return c.get().TypedToObject(v)
}
