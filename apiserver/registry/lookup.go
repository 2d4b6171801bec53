package registry

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// ResourceOf returns the resource whose objects are of a kind, as the kind's
// group and version shows them; nil if there is none.
func (r *Registry) ResourceOf(gvk schema.GroupVersionKind) *Resource {
	for _, res := range *r.resources.Load() {
		if res.GVK == gvk {
			return res
		}
	}
	return nil
}

// TypeConverter knows the schema of all kinds that have a Go type.
func (r *Registry) TypeConverter() managedfields.TypeConverter { return r.converter }

// Types knows the schema of the objects.
func (r *Resource) Types() managedfields.TypeConverter {
	if c := r.Kind.TypeConverter; c != nil {
		return c
	}
	return r.registry.converter
}

// Others are the other groups and versions that show the same objects, in no
// order.
func (r *Resource) Others() (others []*Resource) {
	for _, res := range *r.registry.resources.Load() {
		if res.base == r.base && res != r {
			others = append(others, res)
		}
	}
	return others
}

// Convert returns an object that other shows as r shows it. The two may share
// memory.
func (r *Resource) Convert(obj kinds.Object, other *Resource) (kinds.Object, error) {
	if r == other {
		return obj, nil
	}
	stored, err := other.ToStored(obj)
	if err != nil {
		return nil, err
	}
	return r.FromStored(stored)
}

// Find returns an object as r shows it, from memory; before it says that there
// is none it asks the store. The object is shared: nobody changes it.
func (r *Resource) Find(ctx context.Context, namespace, name string) (kinds.Object, error) {
	snap, err := r.cached.Current(ctx, namespace)
	if err != nil {
		return nil, r.apiError(err, name)
	}
	it := snap.Get(r.key(namespace, name))
	if it == nil {
		if it, err = r.get(ctx, namespace, name, ""); err != nil {
			return nil, err
		}
	}
	if it, err = r.show(it); err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	return it.Object, nil
}

// FindAll returns the objects of a namespace, of all if it is empty, that a
// selector picks, in order of their keys and as Find does.
func (r *Resource) FindAll(ctx context.Context, namespace string, selector labels.Selector) (found []kinds.Object, err error) {
	snap, err := r.cached.Current(ctx, namespace)
	if err != nil {
		return nil, r.apiError(err, "")
	}
	snap.Ascend(namespace, "", func(it *cache.Item) bool {
		if !selector.Matches(labels.Set(it.Object.GetLabels())) {
			return true
		}
		if it, err = r.show(it); err != nil {
			err = apierrors.NewInternalError(err)
			return false
		}
		found = append(found, it.Object)
		return true
	})
	return found, err
}
