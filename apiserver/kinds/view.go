package kinds

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ViewDefinition describes a [View] of objects of type S by functions over the
// view's own Go type V. The fields mean what those of View do.
type ViewDefinition[S, V Object] struct {
	GVK schema.GroupVersionKind
	Names
	New     func() V
	NewList func() runtime.Object
	Default func(obj V)
	Rules   func(ctx context.Context, op operation.Operation, path *field.Path, obj, old V) field.ErrorList

	ToStored   func(obj V) (S, error)
	FromStored func(obj S) (V, error)
}

// View erases the types.
func (d ViewDefinition[S, V]) View() View {
	return View{
		GroupVersionKind: d.GVK, Names: d.Names,
		New: func() Object { return d.New() }, NewList: d.NewList, Default: one(d.Default), Rules: RulesOf(d.Rules),
		ToStored: convert(d.ToStored), FromStored: convert(d.FromStored),
	}
}

// convert erases the types of a conversion. An error leaves no object.
func convert[A, B Object](f func(A) (B, error)) func(Object) (Object, error) {
	return func(obj Object) (Object, error) {
		a, ok := obj.(A)
		if !ok {
			return nil, fmt.Errorf("%T cannot be converted: it is no %T", obj, a)
		}
		b, err := f(a)
		if err != nil {
			return nil, err
		}
		return b, nil
	}
}
