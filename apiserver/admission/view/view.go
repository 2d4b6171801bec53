// Package view shows a write to those who judge it in the versions they ask for:
// to admission policies and webhooks.
package view

import (
	"context"
	"fmt"
	"reflect"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	admissionv1 "k8s.io/api/admission/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/library"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/expression"
	"github.com/keelson-project/keelson/apiserver/admission/match"
)

// World is what is to be known of the server besides the write; all fields are
// required.
type World struct {
	match.World
	// Authorizer answers what expressions ask of it.
	Authorizer authorizer.UnconditionalAuthorizer
	// Settle fills in what an object leaves out that is served in a version,
	// and drops what the version does not know.
	Settle func(obj runtime.Object, as match.Version) error
	// Convert returns an object that is served in one version as it is served
	// in another, for a resource or a subresource.
	Convert func(obj runtime.Object, from, to match.Version, subresource string) (runtime.Object, error)
}

// Request is a write as others see it. It belongs to one goroutine.
type Request struct {
	*admission.Attributes
	world     *World
	namespace *corev1.Namespace // nil outside namespaces
	// seen are the objects in the versions that have been asked for.
	seen map[schema.GroupVersionResource]*View
}

// View is a write in one version.
type View struct {
	match.Version
	// Object and Old are the object as it is to be and as it is, nil if there
	// is none. They say what kind they are and are not to be changed.
	Object, Old runtime.Object

	values *expression.Values // without parameters; made when first needed
}

// Of returns a write without its namespace, which expressions see as null.
func (w *World) Of(a *admission.Attributes) *Request {
	return &Request{Attributes: a, world: w, seen: map[schema.GroupVersionResource]*View{}}
}

// NewRequest is Of with the namespace that is written in.
func (w *World) NewRequest(ctx context.Context, a *admission.Attributes) (*Request, error) {
	r := w.Of(a)
	// A namespace is not in one, though it carries its own name.
	if a.Namespace == "" || a.Kind == corev1.SchemeGroupVersion.WithKind("Namespace") {
		return r, nil
	}
	var err error
	r.namespace, err = w.Namespace(ctx, a.Namespace)
	return r, err
}

// As returns the write in a version.
func (r *Request) As(v match.Version) (*View, error) {
	if s := r.seen[v.Resource]; s != nil {
		return s, nil
	}
	s := &View{Version: v}
	var err error
	if s.Object, err = r.convert(r.Object, v); err != nil {
		return nil, err
	}
	if s.Old, err = r.convert(r.OldObject, v); err != nil {
		return nil, err
	}
	r.seen[v.Resource] = s
	return s, nil
}

// convert returns an object in a version, which it says itself; the result
// shares memory with obj.
func (r *Request) convert(obj runtime.Object, v match.Version) (runtime.Object, error) {
	if obj == nil {
		return nil, nil
	}
	if v.Resource != r.Resource {
		var err error
		if obj, err = r.world.Convert(obj, match.Version{Resource: r.Resource, Kind: r.Kind}, v, r.Subresource); err != nil {
			return nil, fmt.Errorf("failed to convert object version: %w", err)
		}
	}
	return Tagged(obj, v.Kind), nil
}

// Tagged returns an object that says what it is, by a shallow copy if need be.
func Tagged(obj runtime.Object, gvk schema.GroupVersionKind) runtime.Object {
	if obj == nil || obj.GetObjectKind().GroupVersionKind() == gvk {
		return obj
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		u = &unstructured.Unstructured{Object: shallow(u.Object)}
		u.SetGroupVersionKind(gvk)
		return u
	}
	v := reflect.New(reflect.TypeOf(obj).Elem())
	v.Elem().Set(reflect.ValueOf(obj).Elem())
	out := v.Interface().(runtime.Object)
	out.GetObjectKind().SetGroupVersionKind(gvk)
	return out
}

func shallow(m map[string]any) map[string]any {
	out := make(map[string]any, len(m)+2)
	for k, v := range m {
		out[k] = v
	}
	return out
}

// Take makes the object of the write what a view of it has become, and forgets
// the other views.
func (r *Request) Take(changed *View, next runtime.Object) error {
	next = Tagged(next, changed.Kind)
	changed.Object, changed.values = next, nil
	obj := next
	if changed.Resource != r.Resource {
		var err error
		if obj, err = r.world.Convert(obj, changed.Version, match.Version{Resource: r.Resource, Kind: r.Kind}, r.Subresource); err != nil {
			return fmt.Errorf("failed to convert object: %w", err)
		}
	}
	kind := r.Object.GetObjectKind().GroupVersionKind()
	if u, ok := r.Object.(*unstructured.Unstructured); ok {
		u.Object = obj.(*unstructured.Unstructured).Object
	} else {
		reflect.ValueOf(r.Object).Elem().Set(reflect.ValueOf(obj).Elem())
		r.Object.GetObjectKind().SetGroupVersionKind(kind)
	}
	clear(r.seen)
	r.seen[changed.Resource] = changed
	return nil
}

// value is an object as expressions see it.
func value(obj runtime.Object) ref.Val {
	switch o := obj.(type) {
	case nil:
		return nil
	case *unstructured.Unstructured:
		return types.DefaultTypeAdapter.NativeToValue(o.Object)
	}
	return common.SchemalessTypedToVal(obj)
}

// Values are what expressions see of a write in a version, with parameters.
func (r *Request) Values(v *View, params runtime.Object) expression.Values {
	if v.values == nil {
		who := r.who()
		v.values = &expression.Values{
			Object: value(v.Object), OldObject: value(v.Old),
			Request: common.SchemalessTypedToVal(r.Review(v)), Namespace: namespaceValue(r.namespace),
			Authorizer:      library.NewAuthorizerVal(who, r.world.Authorizer),
			RequestResource: library.NewResourceAuthorizerVal(who, r.world.Authorizer, target{r}),
		}
	}
	vals := *v.values
	vals.Params = value(params)
	return vals
}

func (r *Request) who() user.Info {
	if r.User == nil {
		return &user.DefaultInfo{}
	}
	return r.User
}

// Review is what webhooks are sent, without the objects and a UID.
func (r *Request) Review(v *View) *admissionv1.AdmissionRequest {
	who := r.who()
	info := authenticationv1.UserInfo{Username: who.GetName(), UID: who.GetUID(), Groups: who.GetGroups(), Extra: map[string]authenticationv1.ExtraValue{}}
	for k, v := range who.GetExtra() {
		info.Extra[k] = v
	}
	kind, resource := metav1.GroupVersionKind(r.Kind), metav1.GroupVersionResource(r.Resource)
	return &admissionv1.AdmissionRequest{
		Kind: metav1.GroupVersionKind(v.Kind), Resource: metav1.GroupVersionResource(v.Resource), SubResource: r.Subresource,
		RequestKind: &kind, RequestResource: &resource, RequestSubResource: r.Subresource,
		Name: r.Name, Namespace: r.Attributes.Namespace, Operation: admissionv1.Operation(r.Operation),
		UserInfo: info, DryRun: &r.DryRun, Options: runtime.RawExtension{Object: r.Options},
	}
}

// namespaceValue shows of a namespace what expressions may see.
func namespaceValue(n *corev1.Namespace) ref.Val {
	if n == nil {
		return nil
	}
	m := &n.ObjectMeta
	return common.SchemalessTypedToVal(&corev1.Namespace{
		ObjectMeta: metav1.ObjectMeta{
			Name: m.Name, GenerateName: m.GenerateName, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, Generation: m.Generation,
			CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp, DeletionGracePeriodSeconds: m.DeletionGracePeriodSeconds,
			Labels: m.Labels, Annotations: m.Annotations, Finalizers: m.Finalizers,
		},
		Spec: n.Spec, Status: n.Status,
	})
}

// target is what a write is to, for authorizer.requestResource.
type target struct{ r *Request }

// GetName implements library.Resource.
func (t target) GetName() string { return t.r.Name }

// GetNamespace implements library.Resource.
func (t target) GetNamespace() string { return t.r.Attributes.Namespace }

// GetResource implements library.Resource.
func (t target) GetResource() schema.GroupVersionResource { return t.r.Resource }

// GetSubresource implements library.Resource.
func (t target) GetSubresource() string { return t.r.Subresource }
