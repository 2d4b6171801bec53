package garbage

import (
	"context"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// monitor feeds the objects of one kind into the graph. It keeps their UIDs only.
type monitor struct {
	kind    resource
	graph   *graph
	look    func(...types.UID)
	changed func() // called after each change, if set

	synced   chan struct{}
	syncOnce sync.Once
	stop     context.CancelFunc
	ended    chan struct{}

	mu   sync.Mutex
	uids map[string]types.UID // by namespace/name
}

var _ cache.ReflectorStore = (*monitor)(nil)

func newMonitor(kind resource, g *graph, look func(...types.UID)) *monitor {
	return &monitor{
		kind:   kind,
		graph:  g,
		look:   look,
		synced: make(chan struct{}),
		ended:  make(chan struct{}),
		uids:   make(map[string]types.UID),
	}
}

// start begins to list and watch; it goes on until end or the end of ctx.
func (m *monitor) start(ctx context.Context, client metadata.Interface) {
	ctx, m.stop = context.WithCancel(ctx)
	go func() {
		defer close(m.ended)
		reconcile.Follow(ctx, client, m.kind.GroupVersionResource, m)
	}()
}

// end stops the monitor, waits until it is gone, and takes its objects out of the
// graph.
func (m *monitor) end() {
	m.stop()
	<-m.ended
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, uid := range m.uids {
		m.graph.forget(uid)
	}
}

// Add implements [cache.ReflectorStore].
func (m *monitor) Add(obj any) error { return m.Update(obj) }

// Update implements [cache.ReflectorStore].
func (m *monitor) Update(obj any) error {
	if o, ok := obj.(metav1.Object); ok {
		m.mu.Lock()
		m.put(o)
		m.mu.Unlock()
		m.tell()
	}
	return nil
}

func (m *monitor) put(o metav1.Object) {
	key := o.GetNamespace() + "/" + o.GetName()
	if before, ok := m.uids[key]; ok && before != o.GetUID() {
		m.look(m.graph.remove(before)...)
	}
	m.uids[key] = o.GetUID()
	m.look(m.graph.put(newObject(m.kind, o))...)
}

// Delete implements [cache.ReflectorStore].
func (m *monitor) Delete(obj any) error {
	if o, ok := obj.(metav1.Object); ok {
		m.mu.Lock()
		delete(m.uids, o.GetNamespace()+"/"+o.GetName())
		m.look(m.graph.remove(o.GetUID())...)
		m.mu.Unlock()
		m.tell()
	}
	return nil
}

// Replace implements [cache.ReflectorStore].
func (m *monitor) Replace(list []any, _ string) error {
	m.mu.Lock()
	there := make(map[string]bool, len(list))
	for _, obj := range list {
		if o, ok := obj.(metav1.Object); ok {
			there[o.GetNamespace()+"/"+o.GetName()] = true
			m.put(o)
		}
	}
	for key, uid := range m.uids {
		if !there[key] {
			delete(m.uids, key)
			m.look(m.graph.remove(uid)...)
		}
	}
	m.mu.Unlock()
	m.syncOnce.Do(func() { close(m.synced) })
	m.tell()
	return nil
}

// Resync implements [cache.ReflectorStore]; there is nothing to do.
func (m *monitor) Resync() error { return nil }

func (m *monitor) tell() {
	if m.changed != nil {
		m.changed()
	}
}
