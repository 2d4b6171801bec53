package reconcile

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// Follow keeps store up to date with the metadata of all objects of a resource,
// which come as *metav1.PartialObjectMetadata, until ctx ends. Failures to list
// and watch are tried again.
func Follow(ctx context.Context, client metadata.Interface, resource schema.GroupVersionResource, store cache.ReflectorStore) {
	objects := client.Resource(resource)
	lw := cache.ToListWatcherWithWatchListSemantics(&cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return persist(ctx, func() (runtime.Object, error) { return objects.List(ctx, options) })
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return persist(ctx, func() (watch.Interface, error) { return objects.Watch(ctx, options) })
		},
	}, client)
	silent := klog.Logger{}
	reflector := cache.NewReflectorWithOptions(lw, &metav1.PartialObjectMetadata{}, store, cache.ReflectorOptions{
		Logger:          &silent,
		Name:            "keelson",
		TypeDescription: resource.GroupResource().String(),
	})
	reflector.RunWithContext(klog.NewContext(ctx, silent))
}

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// persist tries until do succeeds or ctx ends. Errors that the reflector knows what to
// do about are passed on; all others it would give to a process-wide handler.
func persist[T any](ctx context.Context, do func() (T, error)) (T, error) {
	for wait := firstRetry; ; wait = min(lastRetry, 2*wait) {
		result, err := do()
		if err == nil || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.IsTimeout(err) || apierrors.IsInvalid(err) {
			return result, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return result, ctx.Err()
		}
	}
}
