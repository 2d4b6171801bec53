package policy

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission/view"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Params are the objects of a kind that policies take their parameters from.
type Params interface {
	// Namespaced reports whether the objects live in namespaces.
	Namespaced() bool
	// Find returns an object or an API status error, FindAll those of a
	// namespace, of all if it is empty, that a selector picks. The objects are
	// shared: nobody changes them.
	Find(ctx context.Context, namespace, name string) (kinds.Object, error)
	FindAll(ctx context.Context, namespace string, selector labels.Selector) ([]kinds.Object, error)
}

// World is what the policies of a server have to be told of it; all fields
// are required.
type World struct {
	view.World
	// Params returns the objects of a kind; nil if they are not served.
	Params func(gvk schema.GroupVersionKind) Params
}

// paramsOf finds the objects of the kind that a policy names.
func (w *World) paramsOf(k *v1.ParamKind) (Params, schema.GroupVersionKind, error) {
	gv, err := schema.ParseGroupVersion(k.APIVersion)
	if err != nil {
		return nil, schema.GroupVersionKind{}, fmt.Errorf("failed to parse paramKind APIVersion: %w", err)
	}
	gvk := gv.WithKind(k.Kind)
	p := w.Params(gvk)
	if p == nil {
		return nil, gvk, fmt.Errorf("failed to find resource referenced by paramKind: '%v'", gvk)
	}
	return p, gvk, nil
}

// collect returns the parameters that a binding names, each of which a policy
// is to be asked with; a single nil if it takes none.
func collect(ctx context.Context, p Params, ref *v1.ParamRef, namespace string) ([]kinds.Object, error) {
	if p == nil || ref == nil {
		return []kinds.Object{nil}, nil
	}
	where := ""
	if p.Namespaced() {
		if where = ref.Namespace; where == "" {
			where = namespace
		}
		if where == "" {
			return nil, errors.New("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
		}
	} else if ref.Namespace != "" {
		return nil, errors.New("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
	}
	found, err := find(ctx, p, ref, where)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && ref.ParameterNotFoundAction != nil && *ref.ParameterNotFoundAction == v1.DenyAction {
		return nil, errors.New("no params found for policy binding with `Deny` parameterNotFoundAction")
	}
	return found, nil
}

func find(ctx context.Context, p Params, ref *v1.ParamRef, namespace string) ([]kinds.Object, error) {
	if ref.Name != "" {
		obj, err := p.Find(ctx, namespace, ref.Name)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return []kinds.Object{obj}, nil
	}
	if ref.Selector == nil {
		return nil, errors.New("one of name or selector must be provided")
	}
	selector, err := metav1.LabelSelectorAsSelector(ref.Selector)
	if err != nil {
		return nil, err
	}
	return p.FindAll(ctx, namespace, selector)
}
