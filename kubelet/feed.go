package kubelet

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// object is a pointer to an API type.
type object interface {
	metav1.Object
	runtime.Object
}

// feed keeps the objects of one list and watch, and tells of each change. It
// costs one watch and the goroutines of client-go's reflector, no more.
type feed[T object] struct {
	listWatch *cache.ListWatch
	// changed is called for each change, with the object as it now is, or as
	// it last was and deleted set. Calls do not overlap.
	changed func(obj T, deleted bool)

	mu      sync.RWMutex
	objects map[types.NamespacedName]T
	synced  chan struct{} // closed after the first list
}

func newFeed[T object](
	list func(context.Context, metav1.ListOptions) (runtime.Object, error),
	watchFunc func(context.Context, metav1.ListOptions) (watch.Interface, error),
	selector string,
	changed func(obj T, deleted bool),
) *feed[T] {
	return &feed[T]{
		listWatch: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				o.FieldSelector = selector
				return list(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				o.FieldSelector = selector
				return watchFunc(ctx, o)
			},
		},
		changed: changed,
		objects: make(map[types.NamespacedName]T),
		synced:  make(chan struct{}),
	}
}

// run follows the API until ctx ends.
func (f *feed[T]) run(ctx context.Context, client any) {
	var expected T
	logger := klog.FromContext(ctx)
	r := cache.NewReflectorWithOptions(
		cache.ToListWatcherWithWatchListSemantics(f.listWatch, client), expected, f,
		cache.ReflectorOptions{Name: "kubelet", Logger: &logger})
	r.RunWithContext(ctx)
}

// get returns an object by name.
func (f *feed[T]) get(namespace, name string) (T, bool) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	obj, ok := f.objects[types.NamespacedName{Namespace: namespace, Name: name}]
	return obj, ok
}

// list returns all objects, in no order.
func (f *feed[T]) list() []T {
	f.mu.RLock()
	defer f.mu.RUnlock()
	all := make([]T, 0, len(f.objects))
	for _, obj := range f.objects {
		all = append(all, obj)
	}
	return all
}

func nameOf(obj metav1.Object) types.NamespacedName {
	return types.NamespacedName{Namespace: obj.GetNamespace(), Name: obj.GetName()}
}

// Add implements cache.ReflectorStore.
func (f *feed[T]) Add(x any) error { return f.Update(x) }

// Update implements cache.ReflectorStore.
func (f *feed[T]) Update(x any) error {
	obj, ok := x.(T)
	if !ok {
		return nil
	}
	f.mu.Lock()
	old, had := f.objects[nameOf(obj)]
	f.objects[nameOf(obj)] = obj
	f.mu.Unlock()
	if had && old.GetUID() != obj.GetUID() {
		f.changed(old, true)
	}
	f.changed(obj, false)
	return nil
}

// Delete implements cache.ReflectorStore.
func (f *feed[T]) Delete(x any) error {
	obj, ok := x.(T)
	if !ok {
		return nil
	}
	f.mu.Lock()
	delete(f.objects, nameOf(obj))
	f.mu.Unlock()
	f.changed(obj, true)
	return nil
}

// Replace implements cache.ReflectorStore.
func (f *feed[T]) Replace(list []any, _ string) error {
	fresh := make(map[types.NamespacedName]T, len(list))
	for _, x := range list {
		if obj, ok := x.(T); ok {
			fresh[nameOf(obj)] = obj
		}
	}
	f.mu.Lock()
	before := f.objects
	f.objects = fresh
	f.mu.Unlock()
	for name, old := range before {
		if obj, ok := fresh[name]; !ok || obj.GetUID() != old.GetUID() {
			f.changed(old, true)
		}
	}
	for name, obj := range fresh {
		if old, ok := before[name]; !ok || old.GetResourceVersion() != obj.GetResourceVersion() {
			f.changed(obj, false)
		}
	}
	select {
	case <-f.synced:
	default:
		close(f.synced)
	}
	return nil
}

// Resync implements cache.ReflectorStore.
func (f *feed[T]) Resync() error { return nil }
