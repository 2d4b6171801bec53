package registry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

func tagging(obj kinds.Object) codec.Tagging {
	if _, ok := obj.(*unstructured.Unstructured); ok {
		return codec.SelfTagged
	}
	return codec.Untagged
}

// guarded makes an error of a panic in reading a stored object, which happens
// outside of any request.
func guarded(decode func(value []byte) (kinds.Object, error)) func(value []byte) (kinds.Object, error) {
	return func(value []byte) (obj kinds.Object, err error) {
		defer func() {
			if p := recover(); p != nil {
				obj, err = nil, fmt.Errorf("reading it panics: %v", p)
			}
		}()
		return decode(value)
	}
}

// source says how the cache reads and writes the objects of a kind.
func (r *Resource) source(k *kinds.Kind) *cache.Source {
	decode := k.Decode
	if decode == nil {
		decode = func(value []byte) (kinds.Object, error) {
			obj, err := decodeStored(k, value)
			if err == nil {
				r.registry.owners.Share(obj)
			}
			return obj, err
		}
	}
	s := &cache.Source{
		StorageKey: k.StorageKey,
		Decode:     guarded(decode),
		Encode:     encoder(k.Carriers),
		Fields:     func(obj kinds.Object) fields.Set { return selectable(k, obj) },
	}
	for _, name := range k.FieldNames {
		if name == nodeField {
			s.Index = name
		}
	}
	if s.Index != "" || k.Terms != nil {
		s.Terms = func(it *cache.Item) []string { return terms(k, s.Index, it) }
	}
	for i := range k.Views {
		v := &k.Views[i]
		s.Views = append(s.Views, &cache.Source{
			StorageKey: k.StorageKey, Encode: encoder(k.Carriers), From: v.FromStored,
			Fields: func(obj kinds.Object) fields.Set {
				if v.Own != nil {
					return selectable(v.Own, obj)
				}
				stored, err := v.ToStored(obj)
				if err != nil {
					return fields.Set{}
				}
				return selectable(k, stored)
			},
		})
	}
	return s
}

// nodeField is the field that objects are found by if they have it.
const nodeField = "spec.nodeName"

// fieldTerm is what an object is found by that has a value in a field.
func fieldTerm(field, value string) string { return field + "=" + value }

// terms are what an item of a kind is found by, the indexed field among it.
func terms(k *kinds.Kind, index string, it *cache.Item) []string {
	var out []string
	if k.Terms != nil {
		out = k.Terms(it.Object)
	}
	if index != "" {
		if value := it.Fields()[index]; value != "" {
			out = append(out, fieldTerm(index, value))
		}
	}
	return out
}

// selectable are the fields a selector may name, with their values.
func selectable(k *kinds.Kind, obj kinds.Object) fields.Set {
	var set fields.Set
	if k.Fields != nil {
		set = k.Fields(obj)
	}
	if set == nil {
		set = make(fields.Set, 2)
	}
	set["metadata.name"] = obj.GetName()
	if k.Namespaced {
		set["metadata.namespace"] = obj.GetNamespace()
	}
	return set
}

// unmarshaler is what types with a protobuf form implement.
type unmarshaler interface{ Unmarshal([]byte) error }

// decodeStored reads what the store holds: protobuf in an envelope, or JSON.
func decodeStored(k *kinds.Kind, value []byte) (kinds.Object, error) {
	gvk, body, isProto := codec.Unwrap(value)
	if !isProto {
		var t metav1.TypeMeta
		if err := json.Unmarshal(value, &t); err != nil {
			return nil, fmt.Errorf("neither protobuf nor JSON: %w", err)
		}
		gvk = schema.FromAPIVersionAndKind(t.APIVersion, t.Kind)
	}
	obj, convert := k.New(), func(obj kinds.Object) (kinds.Object, error) { return obj, nil }
	if u, ok := obj.(*unstructured.Unstructured); ok {
		if err := utiljson.Unmarshal(value, &u.Object); err != nil {
			return nil, err
		}
		u.SetGroupVersionKind(k.GroupVersionKind)
	} else {
		if gvk != k.GroupVersionKind {
			v := viewOf(k, gvk)
			if v == nil {
				return nil, fmt.Errorf("stored as %s, which is not served beside %s", gvk, k.GroupVersionKind)
			}
			obj, convert = v.New(), v.ToStored
		}
		if err := unmarshal(obj, value, body, isProto); err != nil {
			return nil, err
		}
	}
	obj, err := convert(obj)
	if err != nil {
		return nil, err
	}
	if k.Default != nil {
		k.Default(obj)
	}
	return obj, nil
}

func unmarshal(obj kinds.Object, value, body []byte, isProto bool) error {
	if isProto {
		p, ok := obj.(unmarshaler)
		if !ok {
			return fmt.Errorf("%T has no protobuf form", obj)
		}
		return p.Unmarshal(body)
	}
	if err := utiljson.Unmarshal(value, obj); err != nil {
		return err
	}
	obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return nil
}

func viewOf(k *kinds.Kind, gvk schema.GroupVersionKind) *kinds.View {
	for i := range k.Views {
		if k.Views[i].GroupVersionKind == gvk {
			return &k.Views[i]
		}
	}
	return nil
}

// encodeStored writes an object, whose resourceVersion must be empty, as the
// store keeps it.
func (r *Resource) encodeStored(obj kinds.Object) ([]byte, error) {
	if r.base.Encode != nil {
		return r.base.Encode(obj)
	}
	if codec.HasProtobuf(obj) {
		body, err := codec.Body(obj, codec.Protobuf)
		if err != nil {
			return nil, err
		}
		return r.stored.Object(codec.Protobuf, body).Bytes(), nil
	}
	body, err := codec.Body(obj, codec.JSON)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(r.stored.Object(codec.JSON, body).Bytes()), '\n'), nil
}

// shape makes of an object that is not stored what storing makes of it.
func (r *Resource) shape(obj kinds.Object) error {
	if r.base.Encode == nil {
		return nil
	}
	if _, err := r.base.Encode(obj); err != nil {
		return apierrors.NewInternalError(err)
	}
	return nil
}

// encoder makes the forms of items; carriers are annotations that are not
// metadata.
func encoder(carriers []string) func(kinds.Object, cache.Form) ([]byte, error) {
	meta := func(obj kinds.Object) *metav1.PartialObjectMetadata {
		p := partial(obj)
		for _, key := range carriers {
			if _, ok := p.Annotations[key]; ok {
				p.Annotations = maps.Clone(p.Annotations)
				if delete(p.Annotations, key); len(p.Annotations) == 0 {
					p.Annotations = nil
				}
			}
		}
		return p
	}
	return func(obj kinds.Object, form cache.Form) ([]byte, error) {
		switch form {
		case cache.Protobuf:
			return codec.Body(obj, codec.Protobuf)
		case cache.MetaJSON:
			return codec.Body(meta(obj), codec.JSON)
		case cache.MetaProtobuf:
			return codec.Body(meta(obj), codec.Protobuf)
		}
		return codec.Body(obj, codec.JSON)
	}
}

// partial is an object's metadata alone.
func partial(obj kinds.Object) *metav1.PartialObjectMetadata {
	p := &metav1.PartialObjectMetadata{}
	if m, ok := obj.(metav1.ObjectMetaAccessor); ok {
		if om, ok := m.GetObjectMeta().(*metav1.ObjectMeta); ok {
			p.ObjectMeta = *om
			return p
		}
	}
	p.ObjectMeta = metav1.ObjectMeta{
		Name: obj.GetName(), GenerateName: obj.GetGenerateName(), Namespace: obj.GetNamespace(), UID: obj.GetUID(),
		ResourceVersion: obj.GetResourceVersion(), Generation: obj.GetGeneration(), CreationTimestamp: obj.GetCreationTimestamp(),
		DeletionTimestamp: obj.GetDeletionTimestamp(), DeletionGracePeriodSeconds: obj.GetDeletionGracePeriodSeconds(),
		Labels: obj.GetLabels(), Annotations: obj.GetAnnotations(), OwnerReferences: obj.GetOwnerReferences(),
		Finalizers: obj.GetFinalizers(), ManagedFields: obj.GetManagedFields(),
	}
	return p
}
