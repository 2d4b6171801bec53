package resourcequota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/controller/reconcile"
)

var (
	// errUnknown: a quota counts objects of a kind that is not served, for now.
	errUnknown = errors.New("the resource is not served")
	// errFilling: the objects are being listed; the quotas are looked at again then.
	errFilling = fmt.Errorf("its objects are being listed: %w", reconcile.ErrTryAgain)
)

// tallies count the objects of those resources that some quota names, by namespace.
type tallies struct {
	client    metadata.Interface
	discovery discovery.DiscoveryInterface
	recount   func(namespace string, gr schema.GroupResource)

	mu      sync.Mutex
	ctx     context.Context // nil before start
	running sync.WaitGroup
	of      map[schema.GroupResource]*tally
}

func newTallies(client metadata.Interface, d discovery.DiscoveryInterface, recount func(string, schema.GroupResource)) *tallies {
	return &tallies{client: client, discovery: d, recount: recount, of: map[schema.GroupResource]*tally{}}
}

func (t *tallies) start(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx = ctx
}

func (t *tallies) wait() { t.running.Wait() }

// count is the number of objects of a resource in a namespace.
func (t *tallies) count(gr schema.GroupResource, namespace string) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.of[gr]
	if one == nil {
		version, err := t.version(gr)
		if err != nil {
			return 0, err
		}
		one = &tally{recount: func(namespace string) { t.recount(namespace, gr) }, keys: map[string]bool{}, counts: map[string]int{}}
		t.of[gr] = one
		ctx := t.ctx
		t.running.Go(func() { reconcile.Follow(ctx, t.client, gr.WithVersion(version), one) })
	}
	return one.count(namespace)
}

// version finds one that serves the resource.
func (t *tallies) version(gr schema.GroupResource) (string, error) {
	groups, err := t.discovery.ServerGroups()
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", gr, err)
	}
	for _, g := range groups.Groups {
		if g.Name != gr.Group {
			continue
		}
		for _, v := range g.Versions {
			list, err := t.discovery.ServerResourcesForGroupVersion(v.GroupVersion)
			if err != nil {
				return "", fmt.Errorf("finding %s: %w", gr, err)
			}
			for _, r := range list.APIResources {
				if r.Name == gr.Resource && r.Namespaced && slices.Contains([]string(r.Verbs), "list") && slices.Contains([]string(r.Verbs), "watch") {
					return v.Version, nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s: %w", gr, errUnknown)
}

// tally counts the objects of one resource.
type tally struct {
	recount func(namespace string)

	mu     sync.Mutex
	filled bool
	keys   map[string]bool // namespace/name
	counts map[string]int  // by namespace
}

var _ cache.ReflectorStore = (*tally)(nil)

func (t *tally) count(namespace string) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.filled {
		return 0, errFilling
	}
	return t.counts[namespace], nil
}

// put notes whether an object is there, and reports whether that is news.
func (t *tally) put(namespace, name string, there bool) bool {
	key := namespace + "/" + name
	if t.keys[key] == there {
		return false
	}
	if there {
		t.keys[key] = true
		t.counts[namespace]++
		return true
	}
	delete(t.keys, key)
	if t.counts[namespace]--; t.counts[namespace] == 0 {
		delete(t.counts, namespace)
	}
	return true
}

// Add implements [cache.ReflectorStore]. Admission has counted the object already.
func (t *tally) Add(obj any) error {
	if o, ok := obj.(metav1.Object); ok {
		t.mu.Lock()
		t.put(o.GetNamespace(), o.GetName(), true)
		t.mu.Unlock()
	}
	return nil
}

// Update implements [cache.ReflectorStore].
func (t *tally) Update(obj any) error { return t.Add(obj) }

// Delete implements [cache.ReflectorStore].
func (t *tally) Delete(obj any) error {
	if o, ok := obj.(metav1.Object); ok {
		t.mu.Lock()
		news := t.put(o.GetNamespace(), o.GetName(), false)
		t.mu.Unlock()
		if news {
			t.recount(o.GetNamespace())
		}
	}
	return nil
}

// Replace implements [cache.ReflectorStore].
func (t *tally) Replace(list []any, _ string) error {
	t.mu.Lock()
	t.filled = true
	clear(t.keys)
	clear(t.counts)
	for _, obj := range list {
		if o, ok := obj.(metav1.Object); ok {
			t.put(o.GetNamespace(), o.GetName(), true)
		}
	}
	t.mu.Unlock()
	t.recount(metav1.NamespaceAll)
	return nil
}

// Resync implements [cache.ReflectorStore]; there is nothing to do.
func (t *tally) Resync() error { return nil }
