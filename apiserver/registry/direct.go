package registry

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Direct is the way of the server's own parts to objects of one Go type: with
// the methods of client-go's clients, but without a request for each. It acts
// as system:apiserver, and what it writes is tracked under Manager.
//
// Objects that are returned are shared: nobody changes them. Those handed in
// are copied.
type Direct[T kinds.Object] struct {
	Registry *Registry
	// Resource is the version shown whose objects are of type T.
	Resource schema.GroupVersionResource
	// Namespace is empty for cluster-wide resources.
	Namespace string
	Manager   string
}

// at finds the resource and puts the user into ctx.
func (d Direct[T]) at(ctx context.Context, name string) (context.Context, *Resource, error) {
	r := d.Registry.Resource(d.Resource)
	if r == nil {
		return nil, nil, apierrors.NewNotFound(d.Resource.GroupResource(), name)
	}
	return genericrequest.WithUser(ctx, &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}}), r, nil
}

func (d Direct[T]) write(name string) Write {
	return Write{Namespace: d.Namespace, Name: name, Manager: d.Manager}
}

// Get returns an object. With resourceVersion "0" it asks nobody else for it.
func (d Direct[T]) Get(ctx context.Context, name string, opts metav1.GetOptions) (obj T, err error) {
	ctx, r, err := d.at(ctx, name)
	if err != nil {
		return obj, err
	}
	it, err := r.Get(ctx, d.Namespace, name, &opts)
	if err != nil {
		return obj, err
	}
	return it.Object.(T), nil
}

// Create stores a new object.
func (d Direct[T]) Create(ctx context.Context, obj T, opts metav1.CreateOptions) (out T, err error) {
	ctx, r, err := d.at(ctx, obj.GetName())
	if err != nil {
		return out, err
	}
	next, err := d.received(r, obj)
	if err != nil {
		return out, err
	}
	w := d.write(obj.GetName())
	w.Options = &opts
	it, err := r.Create(ctx, next, w)
	if err != nil {
		return out, err
	}
	return it.Object.(T), nil
}

// Update replaces an object.
func (d Direct[T]) Update(ctx context.Context, obj T, opts metav1.UpdateOptions) (out T, err error) {
	ctx, r, err := d.at(ctx, obj.GetName())
	if err != nil {
		return out, err
	}
	next, err := d.received(r, obj)
	if err != nil {
		return out, err
	}
	w := d.write(obj.GetName())
	w.Options = &opts
	it, _, err := r.Update(ctx, next, w)
	if err != nil {
		return out, err
	}
	return it.Object.(T), nil
}

// Delete removes an object.
func (d Direct[T]) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	ctx, r, err := d.at(ctx, name)
	if err != nil {
		return err
	}
	w := d.write(name)
	w.Options = &opts
	_, err = r.Delete(ctx, w, &opts)
	return err
}

// received is a copy of an object as it would have come in a request.
func (d Direct[T]) received(r *Resource, obj T) (kinds.Object, error) {
	next := obj.DeepCopyObject().(kinds.Object)
	r.Default(next)
	return r.Settle(next)
}
