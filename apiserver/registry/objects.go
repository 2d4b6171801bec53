package registry

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Objects reads the objects of one kind from memory, by their Go type, for
// those parts of a server that look something up during a request. What this
// server has written they see at once, what others write to the same store a
// moment later. The objects are shared: nobody changes them. Where the kind is
// not served there are none.
type Objects[T kinds.Object] struct {
	registry *Registry
	gvr      schema.GroupVersionResource
}

// ObjectsOf returns the objects of a kind, which T is the stored type of.
func ObjectsOf[T kinds.Object](r *Registry, gvr schema.GroupVersionResource) *Objects[T] {
	return &Objects[T]{registry: r, gvr: gvr}
}

// Get returns an object, or an API status error, NotFound for one. Namespace is
// empty for objects of the whole cluster.
func (o *Objects[T]) Get(ctx context.Context, namespace, name string) (found T, err error) {
	r := o.registry.Resource(o.gvr)
	if r == nil {
		return found, apierrors.NewNotFound(o.gvr.GroupResource(), name)
	}
	snap, err := r.cached.Current(ctx, namespace)
	if err != nil {
		return found, r.apiError(err, name)
	}
	it := snap.Get(r.key(namespace, name))
	if it == nil {
		return found, apierrors.NewNotFound(o.gvr.GroupResource(), name)
	}
	return it.Object.(T), nil
}

// GetLive is Get, but asks the store again before it says that there is no
// such object.
func (o *Objects[T]) GetLive(ctx context.Context, namespace, name string) (T, error) {
	found, err := o.Get(ctx, namespace, name)
	if !apierrors.IsNotFound(err) {
		return found, err
	}
	return o.GetNewest(ctx, namespace, name)
}

// GetNewest is Get, but asks the store first whether others have written.
func (o *Objects[T]) GetNewest(ctx context.Context, namespace, name string) (found T, err error) {
	r := o.registry.Resource(o.gvr)
	if r == nil {
		return found, apierrors.NewNotFound(o.gvr.GroupResource(), name)
	}
	it, err := r.get(ctx, namespace, name, "")
	if err != nil {
		return found, err
	}
	return it.Object.(T), nil
}

// Await is GetLive, but gives an object that is not there yet some time to
// appear.
func (o *Objects[T]) Await(ctx context.Context, namespace, name string, wait time.Duration) (T, error) {
	found, err := o.GetLive(ctx, namespace, name)
	r := o.registry.Resource(o.gvr)
	if !apierrors.IsNotFound(err) || r == nil {
		return found, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	snap, _ := r.cached.Snapshot()
	watcher := r.cached.WatchFrom(snap, cache.Interest{Namespace: namespace, Name: name})
	defer watcher.Close()
	for {
		if found, err = o.Get(ctx, namespace, name); !apierrors.IsNotFound(err) {
			return found, err
		}
		select {
		case <-watcher.Woken():
		case <-timer.C:
			return found, err
		case <-ctx.Done():
			return found, err
		}
	}
}

// All returns the objects of a namespace, of all if it is empty, in order of
// their keys.
func (o *Objects[T]) All(ctx context.Context, namespace string) (iter.Seq[T], error) {
	_, snap, err := o.snapshot(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return each[T](snap, namespace), nil
}

// With returns the objects with a term, as their kind gives them. Those of one
// namespace are enough to be sure of if it is not empty.
func (o *Objects[T]) With(ctx context.Context, namespace, term string) (iter.Seq[T], error) {
	_, snap, err := o.snapshot(ctx, namespace)
	if err != nil {
		return nil, err
	}
	return func(yield func(T) bool) {
		if snap != nil {
			snap.AscendTerm(term, "", func(it *cache.Item) bool { return yield(it.Object.(T)) })
		}
	}, nil
}

// OnNode returns the objects whose field spec.nodeName has a value.
func (o *Objects[T]) OnNode(ctx context.Context, node string) (iter.Seq[T], error) {
	return o.With(ctx, "", fieldTerm(nodeField, node))
}

// snapshot is nil where the kind is not served.
func (o *Objects[T]) snapshot(ctx context.Context, namespace string) (*Resource, *cache.Snapshot, error) {
	r := o.registry.Resource(o.gvr)
	if r == nil {
		return nil, nil, nil
	}
	snap, err := r.cached.Current(ctx, namespace)
	if err != nil {
		return nil, nil, r.apiError(err, "")
	}
	return r, snap, nil
}

func each[T kinds.Object](snap *cache.Snapshot, namespace string) iter.Seq[T] {
	return func(yield func(T) bool) {
		if snap != nil {
			snap.Ascend(namespace, "", func(it *cache.Item) bool { return yield(it.Object.(T)) })
		}
	}
}

// Derive returns a function that answers with what compute makes of all
// objects of a kind. It is made once for each state of them, when first asked
// for, and shared.
func Derive[T kinds.Object, V any](o *Objects[T], compute func(all iter.Seq[T]) V) func(context.Context) (V, error) {
	// The state is remembered by its revision, for a snapshot would keep all
	// events after it in memory.
	type derived struct {
		resource *Resource
		revision int64
		value    V
	}
	var last atomic.Pointer[derived]
	return func(ctx context.Context) (V, error) {
		r, snap, err := o.snapshot(ctx, "")
		if err != nil {
			var none V
			return none, err
		}
		if snap == nil {
			return compute(each[T](nil, "")), nil
		}
		d := last.Load()
		if d == nil || d.resource != r || d.revision != snap.Revision() {
			d = &derived{r, snap.Revision(), compute(each[T](snap, ""))}
			last.Store(d)
		}
		return d.value, nil
	}
}
