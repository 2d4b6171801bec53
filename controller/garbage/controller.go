package garbage

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/record"

	"github.com/keelson-project/keelson/controller/reconcile"
)

const (
	// syncPatience is how long the first lists may take before collecting begins
	// without those that are missing.
	syncPatience = 30 * time.Second
	// discoveryRetry is the pause after a discovery that failed, in whole or in part.
	discoveryRetry = 30 * time.Second
	// A new kind is announced before it is served, and rarely alone: how long to wait
	// before asking, and before asking once more.
	settleTime = 100 * time.Millisecond
	secondLook = 5 * time.Second
)

// Controller collects garbage.
type Controller struct {
	// Ignore are kinds that are not looked at, besides events.
	Ignore []schema.GroupResource
	// Workers is how many objects are worked on at the same time. Zero means 20.
	Workers int
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "garbagecollector" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if s.Metadata == nil {
		return nil, errors.New("garbage: no metadata client: set Config.Metadata")
	}
	if c.Workers == 0 {
		c.Workers = 20
	}
	r := &collector{
		metadata:  s.Metadata,
		discovery: s.Discovery,
		recorder:  s.Recorder("garbage-collector-controller"),
		logger:    s.Logger.With("controller", c.Name()),
		ignore:    make(map[schema.GroupResource]bool),
		graph:     newGraph(),
		monitors:  make(map[schema.GroupVersionResource]*monitor),
		parked:    make(map[types.UID]struct{}),
		rescan:    make(chan struct{}, 1),
	}
	for _, gr := range c.Ignore {
		r.ignore[gr] = true
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.process, reconcile.WithWorkers(c.Workers))
	return r, nil
}

// collector is a wired garbage collector.
type collector struct {
	metadata  metadata.Interface
	discovery discovery.DiscoveryInterface
	recorder  record.EventRecorder
	logger    *slog.Logger
	ignore    map[schema.GroupResource]bool
	graph     *graph
	loop      *reconcile.Loop[types.UID]

	monitors map[schema.GroupVersionResource]*monitor // of the goroutine of Run
	rescan   chan struct{}                            // holds a token when discovery is due

	mu     sync.Mutex
	known  catalog
	parked map[types.UID]struct{} // objects with owners of kinds not served
}

func (r *collector) look(uids ...types.UID) {
	for _, uid := range uids {
		r.loop.Add(uid)
	}
}

func (r *collector) kinds() catalog {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known
}

func (r *collector) park(uid types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parked[uid] = struct{}{}
}

// Run implements [reconcile.Runner].
func (r *collector) Run(ctx context.Context) error {
	defer func() {
		for _, m := range r.monitors {
			m.end()
		}
	}()
	retry := r.scan(ctx)
	r.awaitSync(ctx)

	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		if err := r.loop.Run(ctx); err != nil {
			r.logger.Error("work queue ended", "err", err)
		}
	})
	for {
		var again <-chan time.Time
		var timer *time.Timer
		if retry > 0 {
			timer = time.NewTimer(retry)
			again = timer.C
		}
		told := false
		select {
		case <-ctx.Done():
		case <-r.rescan:
			told = true
			pause(ctx, settleTime)
		case <-again:
		}
		if timer != nil {
			timer.Stop()
		}
		if ctx.Err() != nil {
			return nil
		}
		retry = r.scan(ctx)
		if told && retry == 0 {
			retry = secondLook
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// scan asks which kinds there are and starts and stops monitors accordingly. It
// returns when to ask again: zero for when a kind is announced.
func (r *collector) scan(ctx context.Context) time.Duration {
	lists, err := r.discovery.ServerPreferredResources()
	if ctx.Err() != nil {
		return 0
	}
	failed := make(map[string]bool)
	if err != nil {
		var some *discovery.ErrGroupDiscoveryFailed
		if !errors.As(err, &some) {
			r.logger.Warn("discovery failed", "err", err)
			return discoveryRetry
		}
		r.logger.Warn("discovery failed for some groups", "err", err)
		for gv := range some.Groups {
			failed[gv.Group] = true
		}
	}
	found := catalogOf(lists)
	wanted := make(map[schema.GroupVersionResource]bool)
	announced := false
	for _, kind := range found.watched {
		if r.ignore[kind.GroupResource()] {
			continue
		}
		wanted[kind.GroupVersionResource] = true
		announced = announced || announces(kind.GroupResource())
		if r.monitors[kind.GroupVersionResource] == nil {
			m := newMonitor(kind, r.graph, r.look)
			if announces(kind.GroupResource()) {
				m.changed = r.askRescan
			}
			m.start(ctx, r.metadata)
			r.monitors[kind.GroupVersionResource] = m
		}
	}
	for gvr, m := range r.monitors {
		if !wanted[gvr] && !failed[gvr.Group] {
			m.end()
			delete(r.monitors, gvr)
		}
	}
	r.adopt(found, failed)
	if err != nil || !announced {
		return discoveryRetry
	}
	return 0
}

// adopt makes found the known kinds, keeping those of groups that could not be asked,
// and looks again at objects that waited for a kind.
func (r *collector) adopt(found catalog, failed map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for gk, kind := range r.known.byKind {
		if _, have := found.byKind[gk]; !have && failed[gk.Group] {
			found.byKind[gk] = kind
		}
	}
	grown := false
	for gk := range found.byKind {
		if _, had := r.known.byKind[gk]; !had {
			grown = true
		}
	}
	r.known = found
	if !grown {
		return
	}
	for uid := range r.parked {
		r.loop.Add(uid)
	}
	clear(r.parked)
}

func (r *collector) askRescan() {
	select {
	case r.rescan <- struct{}{}:
	default:
	}
}

// awaitSync waits for the first list of every kind, though not for ever.
func (r *collector) awaitSync(ctx context.Context) {
	timer := time.NewTimer(syncPatience)
	defer timer.Stop()
	for gvr, m := range r.monitors {
		select {
		case <-m.synced:
		case <-ctx.Done():
			return
		case <-timer.C:
			r.logger.Warn("collecting without some kinds: they could not be listed", "first", gvr.String())
			return
		}
	}
}
