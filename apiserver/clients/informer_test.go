package clients

import (
	"context"
	"fmt"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// events counts what an informer tells of configuration maps, and says when a
// number of one kind is reached.
type events struct {
	mu      sync.Mutex
	seen    map[string]int
	waiting map[string]func(n int) bool
	reached map[string]chan struct{}
}

func (e *events) note(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen[what]++
	if done := e.reached[what]; done != nil && e.waiting[what](e.seen[what]) {
		close(done)
		delete(e.reached, what)
	}
}

// await blocks until what has been seen n times.
func (e *events) await(t *testing.T, what string, n int) {
	t.Helper()
	e.mu.Lock()
	if e.seen[what] >= n {
		e.mu.Unlock()
		return
	}
	done := make(chan struct{})
	e.reached[what], e.waiting[what] = done, func(is int) bool { return is >= n }
	e.mu.Unlock()
	select {
	case <-done:
	case <-t.Context().Done():
		t.Fatalf("the test ends before %d are %s", n, what)
	}
}

func newEvents() *events {
	return &events{seen: map[string]int{}, waiting: map[string]func(int) bool{}, reached: map[string]chan struct{}{}}
}

// source is a way to list and watch.
type source struct {
	name string
	lw   cache.ListerWatcher
	of   runtime.Object
}

// sources are all the ways in which client-go's reflectors can ask.
func sources(t *testing.T, c *rest.Config) []source {
	t.Helper()
	protobuf := rest.CopyConfig(c)
	protobuf.ContentType, protobuf.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf+","+runtime.ContentTypeJSON
	var out []source
	for name, config := range map[string]*rest.Config{"JSON": c, "protobuf": protobuf} {
		client, err := kubernetes.NewForConfig(config)
		if err != nil {
			t.Fatal(err)
		}
		maps := client.CoreV1().ConfigMaps("informed")
		lw := func(change func(o *metav1.ListOptions)) *cache.ListWatch {
			return &cache.ListWatch{
				ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
					change(&o)
					return maps.List(ctx, o)
				},
				WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
					return maps.Watch(ctx, o)
				},
			}
		}
		plain := lw(func(*metav1.ListOptions) {})
		out = append(out,
			source{name + " streamed", plain, &corev1.ConfigMap{}},
			source{name + " listed from the cache", cache.ToListWatcherWithWatchListSemantics(plain, unable{}), &corev1.ConfigMap{}},
			source{name + " listed newest", cache.ToListWatcherWithWatchListSemantics(lw(func(o *metav1.ListOptions) { o.ResourceVersion = "" }), unable{}), &corev1.ConfigMap{}},
			source{name + " in pages", cache.ToListWatcherWithWatchListSemantics(lw(func(o *metav1.ListOptions) { o.ResourceVersion, o.Limit = "", 3 }), unable{}), &corev1.ConfigMap{}},
		)
	}
	meta, err := metadata.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	partial := meta.Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace("informed")
	return append(out, source{"metadata", &cache.ListWatch{
		ListWithContextFunc:  func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return partial.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return partial.Watch(ctx, o) },
	}, &metav1.PartialObjectMetadata{}})
}

// unable says of a client that it cannot stream lists.
type unable struct{}

// IsWatchListSemanticsUnSupported is what client-go asks.
func (unable) IsWatchListSemanticsUnSupported() bool { return true }

// An informer sees the same by every way of asking.
func TestInformers(t *testing.T) {
	c := config(t, serve(t))
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if _, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "informed"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	maps := client.CoreV1().ConfigMaps("informed")
	create := func(name string) {
		t.Helper()
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	const before, after = 10, 5
	for i := range before {
		create(fmt.Sprintf("before-%d", i))
	}
	for _, s := range sources(t, c) {
		t.Run(s.name, func(t *testing.T) {
			seen := newEvents()
			informer := cache.NewSharedIndexInformer(s.lw, s.of, 0, nil)
			if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
				AddFunc:    func(any) { seen.note("added") },
				UpdateFunc: func(any, any) { seen.note("changed") },
				DeleteFunc: func(any) { seen.note("deleted") },
			}); err != nil {
				t.Fatal(err)
			}
			run, stop := context.WithCancel(t.Context())
			var ended sync.WaitGroup
			ended.Go(func() { informer.RunWithContext(run) })
			defer func() {
				stop()
				ended.Wait()
			}()
			seen.await(t, "added", before)
			for i := range after {
				create(fmt.Sprintf("after-%d", i))
			}
			seen.await(t, "added", before+after)
			if _, err := maps.Patch(ctx, "after-0", "application/merge-patch+json", []byte(`{"metadata":{"labels":{"a":"b"}}}`), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			seen.await(t, "changed", 1)
			for i := range after {
				if err := maps.Delete(ctx, fmt.Sprintf("after-%d", i), metav1.DeleteOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			seen.await(t, "deleted", after)
			if n := len(informer.GetStore().ListKeys()); n != before {
				t.Errorf("%d objects are left, want %d", n, before)
			}
		})
	}
}
