package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"google.golang.org/protobuf/types/known/structpb"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/cel/mutation"
	"k8s.io/apiserver/pkg/cel/mutation/dynamic"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
	smdvalue "sigs.k8s.io/structured-merge-diff/v6/value"

	"github.com/keelson-project/keelson/apiserver/admission/view"
)

// mutate returns what a mutation makes of an object, which is kept.
func (p *Mutating) mutate(seen *view.View, m *v1.Mutation, result ref.Val) (runtime.Object, error) {
	if m.PatchType == v1.PatchTypeApplyConfiguration {
		return p.apply(seen, result)
	}
	return patch(seen, result)
}

// apply merges the fields that an expression gives into an object.
func (p *Mutating) apply(seen *view.View, result ref.Val) (runtime.Object, error) {
	obj, ok := result.(*dynamic.ObjectVal)
	if !ok {
		return nil, fmt.Errorf("unsupported return type from ApplyConfiguration expression: %v", result.Type())
	}
	if err := obj.CheckTypeNamesMatchFieldPathNames(); err != nil {
		return nil, fmt.Errorf("type mismatch: %w", err)
	}
	content, ok := obj.Value().(map[string]any)
	if !ok {
		return nil, fmt.Errorf("invalid return type: %T", result)
	}
	config := &unstructured.Unstructured{Object: content}
	config.SetGroupVersionKind(seen.Kind)
	merged, err := merge(p.Types(seen.Version), seen.Object, config)
	if err != nil {
		return nil, fmt.Errorf("error applying patch: %w", err)
	}
	return merged, nil
}

func merge(schemas managedfields.TypeConverter, live runtime.Object, config *unstructured.Unstructured) (runtime.Object, error) {
	fields, err := schemas.ObjectToTyped(config)
	if err != nil {
		return nil, fmt.Errorf("failed to convert patch object to typed object: %w", err)
	}
	if whole := atomics(nil, fields.Schema(), fields.TypeRef(), fields.AsValue()); len(whole) > 0 {
		return nil, fmt.Errorf("invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: %v", strings.Join(whole, ", "))
	}
	have, err := schemas.ObjectToTyped(live, typed.AllowDuplicates)
	if err != nil {
		return nil, fmt.Errorf("failed to convert original object to typed object: %w", err)
	}
	merged, err := have.Merge(fields)
	if err != nil {
		return nil, fmt.Errorf("failed to merge patch: %w", err)
	}
	out, err := schemas.TypedToObject(merged)
	if err != nil {
		return nil, fmt.Errorf("failed to convert typed object to object: %w", err)
	}
	u, ok := out.(*unstructured.Unstructured)
	if _, plain := live.(*unstructured.Unstructured); plain || !ok {
		return out, nil
	}
	next := empty(live)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, next); err != nil {
		return nil, fmt.Errorf("failed to convert typed object to object: %w", err)
	}
	return next, nil
}

// atomics are the paths of the lists, maps and structs in a value that can only
// be replaced as a whole, by which fields would get lost unnoticed.
func atomics(path fieldpath.Path, s *schema.Schema, ref schema.TypeRef, v smdvalue.Value) (found []string) {
	a, ok := s.Resolve(ref)
	if !ok {
		return nil
	}
	switch {
	case v.IsMap() && a.Map != nil:
		if a.Map.ElementRelationship == schema.Atomic {
			found = append(found, path.String())
		}
		v.AsMap().Iterate(func(key string, child smdvalue.Value) bool {
			if f, ok := a.Map.FindField(key); ok {
				found = append(found, atomics(append(path[:len(path):len(path)], fieldpath.PathElement{FieldName: &key}), s, f.Type, child)...)
			}
			return true
		})
	case v.IsList() && a.List != nil:
		if a.List.ElementRelationship == schema.Atomic {
			found = append(found, path.String())
		}
		list := v.AsList()
		for i := range list.Length() {
			found = append(found, atomics(append(path[:len(path):len(path)], fieldpath.PathElement{Index: &i}), s, a.List.ElementType, list.At(i))...)
		}
	}
	return found
}

// patch applies the JSON patch that an expression gives. One whose test fails
// changes nothing.
func patch(seen *view.View, result ref.Val) (runtime.Object, error) {
	list, ok := result.(traits.Lister)
	if !ok {
		return nil, errors.New("type mismatch: JSONPatchType.expression should evaluate to array")
	}
	var ops jsonpatch.Patch
	for it := list.Iterator(); it.HasNext() == types.True; {
		op, err := operation(it.Next())
		if err != nil {
			return nil, err
		}
		ops = append(ops, op)
	}
	before, err := json.Marshal(seen.Object)
	if err != nil {
		return nil, fmt.Errorf("failed to create JSON patch: %w", err)
	}
	after, err := ops.Apply(before)
	if errors.Is(err, jsonpatch.ErrTestFailed) {
		return seen.Object, nil
	}
	if err != nil {
		return nil, fmt.Errorf("JSON Patch: %w", err)
	}
	next := empty(seen.Object)
	if u, ok := next.(*unstructured.Unstructured); ok {
		if err := u.UnmarshalJSON(after); err != nil {
			return nil, fmt.Errorf("JSON Patch: %w", err)
		}
		return u, nil
	}
	strict, err := kjson.UnmarshalStrict(after, next)
	if err = errors.Join(append(strict, err)...); err != nil {
		return nil, fmt.Errorf("JSON Patch: %w", err)
	}
	return next, nil
}

// operation is one operation of a JSON patch.
func operation(v ref.Val) (jsonpatch.Operation, error) {
	native, err := v.ConvertToNative(reflect.TypeFor[*mutation.JSONPatchVal]())
	if err != nil {
		return nil, fmt.Errorf("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch: %w", err)
	}
	op, ok := native.(*mutation.JSONPatchVal)
	if !ok {
		return nil, fmt.Errorf("type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch, got element of %T", native)
	}
	out := jsonpatch.Operation{}
	set := func(key string, value any) error {
		data, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("JSONPath valueExpression evaluated to a type that could not marshal to JSON: %w", err)
		}
		raw := json.RawMessage(data)
		out[key] = &raw
		return nil
	}
	err = errors.Join(set("op", op.Op), set("path", op.Path))
	if op.From != "" {
		err = errors.Join(err, set("from", op.From))
	}
	if err != nil || op.Val == nil {
		return out, err
	}
	if obj, ok := op.Val.(*dynamic.ObjectVal); ok {
		if err := obj.CheckTypeNamesMatchFieldPathNames(); err != nil {
			return nil, fmt.Errorf("type mismatch: %w", err)
		}
	}
	plain, err := op.Val.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, fmt.Errorf("JSONPath valueExpression evaluated to a type that could not marshal to JSON: %w", err)
	}
	return out, set("value", plain)
}

// empty makes an object of the same type.
func empty(like runtime.Object) runtime.Object {
	return reflect.New(reflect.TypeOf(like).Elem()).Interface().(runtime.Object)
}
