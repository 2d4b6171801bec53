package crd

import (
	"fmt"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeschema "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// source says where an object comes from, and so what becomes of metadata that
// make no sense.
type source int

const (
	fromClient source = iota // refused
	fromStore                // dropped: an older server let them pass
)

// receive brings what a client has sent into shape.
func (s *served) receive(obj kinds.Object) (unknown []string, err error) {
	return s.coerce(obj.(*unstructured.Unstructured), fromClient)
}

// coerce drops fields that the schema does not know, and nulls where there may
// be none, as decoding does to objects of Go types. It returns the paths of
// fields that were not known.
func (s *served) coerce(u *unstructured.Unstructured, from source) (unknown []string, err error) {
	kind, hasKind, err := unstructured.NestedString(u.Object, "kind")
	if err != nil {
		return nil, err
	}
	apiVersion, hasVersion, err := unstructured.NestedString(u.Object, "apiVersion")
	if err != nil {
		return nil, err
	}
	meta, hasMeta, unknown, err := objectmeta.GetObjectMetaWithOptions(u.Object, objectmeta.ObjectMetaOptions{
		DropMalformedFields: from == fromStore, ReturnUnknownFieldPaths: from == fromClient,
	})
	if err != nil {
		return nil, err
	}
	gv, err := runtimeschema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	if gv.WithKind(kind).GroupKind() == s.of.gk { // another one is refused later
		shape, err := s.of.shape(gv.Version)
		if err != nil {
			return nil, err
		}
		dropped, err := s.trim(u, shape, from)
		if err != nil {
			return nil, err
		}
		unknown = append(unknown, dropped...)
		if from == fromStore && meta.Generation == 0 {
			meta.Generation = 1
		}
	}
	if hasKind {
		u.SetKind(kind)
	}
	if hasVersion {
		u.SetAPIVersion(apiVersion)
	}
	if hasMeta {
		err = objectmeta.SetObjectMeta(u.Object, meta)
	}
	return unknown, err
}

// trim is coerce for all but the metadata of the whole.
func (s *served) trim(u *unstructured.Unstructured, shape *schema.Structural, from source) (unknown []string, err error) {
	if !s.of.crd.Spec.PreserveUnknownFields {
		unknown = pruning.PruneWithOptions(u.Object, shape, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: from == fromClient})
		defaulting.PruneNonNullableNullsWithoutDefaults(u.Object, shape)
	}
	fieldErr, embedded := objectmeta.CoerceWithOptions(nil, u.Object, shape, false, objectmeta.CoerceOptions{
		DropInvalidFields: from == fromStore, ReturnUnknownFieldPaths: from == fromClient,
	})
	if fieldErr != nil {
		return nil, fieldErr
	}
	return append(unknown, embedded...), nil
}

// tidy brings into shape what is to be stored: an applied configuration comes
// so far with fields that the schema does not know, and with nulls.
func (s *served) tidy(u *unstructured.Unstructured) error {
	meta, _ := u.Object["metadata"].(map[string]any)
	for _, v := range meta {
		if !hasNull(v) {
			continue
		}
		_, err := s.coerce(u, fromClient)
		return err
	}
	shape, err := s.shape()
	if err != nil {
		return err
	}
	_, err = s.trim(u, shape, fromClient)
	return err
}

// hasNull reports whether there is a null in v or, if it is a map, in that.
func hasNull(v any) bool {
	m, _ := v.(map[string]any)
	for _, v := range m {
		if v == nil {
			return true
		}
	}
	return v == nil
}

// shape is the schema of a version; nil of one that there is not.
func (d *definition) shape(version string) (*schema.Structural, error) {
	v := d.versions[version]
	if v == nil {
		return nil, nil
	}
	shape, err := v.shape()
	if err != nil {
		return nil, fmt.Errorf("schema of %s cannot be used: %w", v.gvk, err)
	}
	return shape, nil
}

// setDefaults fills in what the schema has defaults for.
func (s *served) setDefaults(obj kinds.Object) {
	gvk := obj.GetObjectKind().GroupVersionKind()
	shape, err := s.of.shape(gvk.Version)
	if err != nil || gvk.GroupKind() != s.of.gk {
		return // refused elsewhere
	}
	defaulting.Default(obj.(*unstructured.Unstructured).Object, shape)
}
