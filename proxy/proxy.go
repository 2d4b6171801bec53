package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Config is what a Proxy is made of.
type Config struct {
	// Client reads Services, EndpointSlices and the Node; required.
	Client kubernetes.Interface
	// NodeName is the Node this proxy runs on. Endpoints with this node name
	// are the local ones.
	NodeName string
	// Backend gets the rules; required. The Proxy does not close it.
	Backend Backend
	// MinInterval is the least time between two changes of the backend; what
	// happens in between goes into one. The first change after a quiet time
	// is made at once. 10 ms if zero.
	MinInterval time.Duration
	// RetryInterval is how long to wait after the backend failed, doubled
	// with every further failure up to 30 s. 100 ms if zero.
	RetryInterval time.Duration
	// ListenHealth opens the port of a service's health check: the
	// healthCheckNodePort that a load balancer asks whether the node has
	// endpoints. Nil answers none, as befits a simulated node.
	ListenHealth func(ctx context.Context, port uint16) (net.Listener, error)
	// Logger gets changes and failures; nil discards them.
	Logger *slog.Logger
}

const maxRetryInterval = 30 * time.Second

// Proxy keeps a node's rules in accord with the services of the cluster.
type Proxy struct {
	config Config
	ready  chan struct{}
	health healthServers

	mu    sync.Mutex // for the two below, written by informers
	dirty map[types.NamespacedName]struct{}
	node  Node
	wake  chan struct{} // holds a token while something is dirty
}

// New checks the configuration and builds a Proxy that Run starts.
func New(config Config) (*Proxy, error) {
	switch {
	case config.Client == nil:
		return nil, errors.New("proxy: Config.Client is nil")
	case config.Backend == nil:
		return nil, errors.New("proxy: Config.Backend is nil")
	case config.NodeName == "":
		return nil, errors.New("proxy: Config.NodeName is empty; it says which endpoints are local")
	}
	if config.MinInterval == 0 {
		config.MinInterval = 10 * time.Millisecond
	}
	if config.RetryInterval == 0 {
		config.RetryInterval = 100 * time.Millisecond
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Proxy{
		config: config, ready: make(chan struct{}), node: Node{Name: config.NodeName},
		health: healthServers{listen: config.ListenHealth, logger: config.Logger, running: make(map[types.NamespacedName]*healthServer)},
		dirty:  make(map[types.NamespacedName]struct{}), wake: make(chan struct{}, 1),
	}, nil
}

// Ready is closed when the rules of all services first stood in the backend.
func (p *Proxy) Ready() <-chan struct{} { return p.ready }

// Run works until ctx ends and then returns nil; the rules stay in place. It
// can be called once.
func (p *Proxy) Run(ctx context.Context) error {
	w := p.newWatch()
	defer w.stop()
	if err := w.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("proxy: %w", err)
	}
	p.mu.Lock()
	clear(p.dirty)
	t := newTable(w)
	p.mu.Unlock()
	// Everything that came before this point is seen by the first pass.
	defer p.health.stop()
	p.loop(ctx, t, w)
	return nil
}

// loop applies what is dirty until ctx ends.
func (p *Proxy) loop(ctx context.Context, t *table, w *watch) {
	for _, key := range w.serviceKeys() {
		t.update(key, p.currentNode())
	}
	if !p.sync(ctx, t) {
		return
	}
	close(p.ready)
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		if !p.apply(ctx, t) {
			return
		}
		if !sleep(ctx, p.config.MinInterval) {
			return
		}
	}
}

// apply brings the dirty services to the backend, by a full Sync if the
// backend refuses the change. It reports false when ctx has ended.
func (p *Proxy) apply(ctx context.Context, t *table) bool {
	dirty, node := p.takeDirty()
	var change Change
	for key := range dirty {
		set, removed := t.update(key, node)
		change.Set = append(change.Set, set...)
		change.Removed = append(change.Removed, removed...)
	}
	if len(change.Set) == 0 && len(change.Removed) == 0 {
		p.health.reconcile(ctx, t.checks)
		return ctx.Err() == nil
	}
	start := time.Now()
	err := p.config.Backend.Apply(ctx, change)
	if err == nil {
		p.config.Logger.Debug("applied service changes", "services", len(dirty), "set", len(change.Set), "removed", len(change.Removed), "took", time.Since(start))
		p.health.reconcile(ctx, t.checks)
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	p.config.Logger.Warn("backend refused a change; writing all rules again", "error", err)
	return p.sync(ctx, t)
}

// sync writes everything, again and again until it works.
func (p *Proxy) sync(ctx context.Context, t *table) bool {
	for wait := p.config.RetryInterval; ; wait = min(2*wait, maxRetryInterval) {
		dirty, node := p.takeDirty()
		for key := range dirty {
			t.update(key, node)
		}
		start := time.Now()
		err := p.config.Backend.Sync(ctx, t.all())
		if err == nil {
			p.config.Logger.Info("wrote all service rules", "ports", len(t.all()), "took", time.Since(start))
			p.health.reconcile(ctx, t.checks)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		p.config.Logger.Error("cannot write service rules; trying again", "error", err, "in", wait)
		if !sleep(ctx, wait) {
			return false
		}
	}
}

// touch marks a service for another look.
func (p *Proxy) touch(key types.NamespacedName) {
	p.mu.Lock()
	p.dirty[key] = struct{}{}
	p.mu.Unlock()
	p.signal()
}

func (p *Proxy) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// setNode notes where the node is and reports whether that is news.
func (p *Proxy) setNode(node *corev1.Node) bool {
	zone := node.Labels[corev1.LabelTopologyZone]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.node.Zone == zone {
		return false
	}
	p.node.Zone = zone
	return true
}

func (p *Proxy) currentNode() Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.node
}

func (p *Proxy) takeDirty() (map[types.NamespacedName]struct{}, Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	dirty := p.dirty
	p.dirty = make(map[types.NamespacedName]struct{})
	return dirty, p.node
}

// sleep waits and reports whether ctx is still alive.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// source is where a table reads the objects.
type source interface {
	service(types.NamespacedName) *corev1.Service
	endpointSlices(types.NamespacedName) []*discoveryv1.EndpointSlice
}
