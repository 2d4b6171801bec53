package crd

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/openapi"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/apiserver/webhook"
)

// How long the controller waits after a failure before it tries again.
const (
	minRetry = 50 * time.Millisecond
	maxRetry = 5 * time.Second
)

// manager is who the conditions of definitions are written by.
const manager = "kube-apiserver"

// Config is what New needs. Registry is required.
type Config struct {
	// Registry has the definitions, and gets the kinds that they define.
	Registry *registry.Registry
	// Resolve finds the services that conversion webhooks are behind; nil
	// reaches only those that are named by URL.
	Resolve webhook.Resolver
	// Logger gets what needs attention; nil discards it.
	Logger *slog.Logger
}

// Controller serves what the definitions in the store define, while it runs.
type Controller struct {
	registry *registry.Registry
	log      *slog.Logger
	hooks    webhooks
	metadata func() map[string]*spec.Schema
	settled  chan struct{}
	calls    context.Context // of webhooks; ends with Run
	endCalls context.CancelFunc

	mu      sync.RWMutex // guards the maps
	served  map[string]*definition
	byKind  map[schema.GroupKind]*definition
	cleaned map[types.UID]bool // definitions whose objects are being deleted
	// done are the definitions that need nothing more, as they are; Run's own.
	done   map[string]*v1.CustomResourceDefinition
	cleans sync.WaitGroup
}

// New makes a controller. It does nothing before Run.
func New(cfg Config) (*Controller, error) {
	if cfg.Registry == nil {
		return nil, errors.New("crd: Config.Registry is nil")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Controller{
		registry: cfg.Registry, log: log, metadata: sync.OnceValue(metadataModels), settled: make(chan struct{}),
		served: map[string]*definition{}, byKind: map[schema.GroupKind]*definition{}, cleaned: map[types.UID]bool{},
		done: map[string]*v1.CustomResourceDefinition{},
	}
	c.calls, c.endCalls = context.WithCancel(context.Background())
	c.hooks = webhooks{ctx: c.calls, resolve: cfg.Resolve}
	return c, nil
}

// Settled is closed when the definitions that were there at the start of Run
// are served.
func (c *Controller) Settled() <-chan struct{} { return c.settled }

// Custom describes a kind that is served, or that of its lists, in OpenAPI
// documents; nil for others.
func (c *Controller) Custom(gvk schema.GroupVersionKind) *openapi.Custom {
	c.mu.RLock()
	d := c.byKind[gvk.GroupKind()]
	c.mu.RUnlock()
	if d == nil || d.versions[gvk.Version] == nil {
		return nil
	}
	return d.versions[gvk.Version].custom(gvk)
}

// Run serves until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	defer c.endCalls()
	res := c.registry.Resource(v1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	if res == nil {
		close(c.settled)
		<-ctx.Done()
		return nil
	}
	ctx = genericrequest.WithUser(ctx, &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}})
	defer c.stop()
	f := res.Cached().Follow(cache.Interest{})
	defer f.Close()
	wait, first := minRetry, true
	for {
		ok := c.pass(ctx, res)
		if first {
			close(c.settled)
			first = false
		}
		var retry <-chan time.Time
		if ok {
			wait = minRetry
		} else {
			retry = time.After(wait)
			wait = min(2*wait, maxRetry)
		}
		select {
		case <-f.Woken():
		case <-retry:
		case <-ctx.Done():
			return nil
		}
		if _, err := f.CatchUp(nil); err != nil {
			return err
		}
	}
}

// stop waits for what Run has begun.
func (c *Controller) stop() {
	c.cleans.Wait()
	c.endCalls()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.served {
		d.close()
	}
}

// pass brings everything in line with the definitions as they are now. It
// returns false if something failed and is to be tried again.
func (c *Controller) pass(ctx context.Context, res *registry.Resource) (ok bool) {
	all := map[string]*v1.CustomResourceDefinition{}
	var names []string
	snap, _ := res.Cached().Snapshot()
	snap.Ascend("", "", func(it *cache.Item) bool {
		if crd, is := it.Object.(*v1.CustomResourceDefinition); is {
			all[crd.Name] = crd
			names = append(names, crd.Name)
		}
		return true
	})
	for name := range c.done {
		if all[name] == nil {
			delete(c.done, name)
		}
	}
	ok = c.withdraw(ctx, all)
	for changed := true; changed; { // names that are given up may be what others wait for
		changed = false
		for _, name := range names {
			if c.done[name] == all[name] {
				continue
			}
			next, err := c.settle(ctx, res, all[name], all)
			if ctx.Err() != nil {
				return true
			}
			if err != nil {
				c.log.Warn("definition is not served, trying again", "definition", name, "err", err)
				ok = false
				continue
			}
			changed = changed || freed(all[name], next)
			if next == nil {
				delete(all, name)
				continue
			}
			all[name] = next
			if apihelpers.IsCRDConditionTrue(next, v1.NamesAccepted) {
				c.done[name] = next
			}
		}
		names = remaining(names, all)
	}
	return ok
}

func remaining(names []string, all map[string]*v1.CustomResourceDefinition) []string {
	out := names[:0]
	for _, n := range names {
		if all[n] != nil {
			out = append(out, n)
		}
	}
	return out
}

// freed reports whether a definition holds names no longer that it held.
func freed(was, now *v1.CustomResourceDefinition) bool {
	if now == nil {
		return true
	}
	old, next := claimed(was), claimed(now)
	for name := range old {
		if !next[name] {
			return true
		}
	}
	return false
}

// withdraw ends serving what is defined no longer.
func (c *Controller) withdraw(ctx context.Context, all map[string]*v1.CustomResourceDefinition) (ok bool) {
	c.mu.RLock()
	var gone []*definition
	for name, d := range c.served {
		if now := all[name]; now == nil || now.UID != d.crd.UID {
			gone = append(gone, d)
		}
	}
	c.mu.RUnlock()
	ok = true
	for _, d := range gone {
		if err := c.registry.Remove(ctx, d.kind); err != nil && ctx.Err() == nil {
			c.log.Warn("kind cannot be withdrawn, trying again", "definition", d.crd.Name, "err", err)
			ok = false
			continue
		}
		c.forget(d)
	}
	return ok
}

func (c *Controller) forget(d *definition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.served, d.crd.Name)
	for gk, other := range c.byKind {
		if other == d {
			delete(c.byKind, gk)
		}
	}
	d.close()
}

func (c *Controller) definition(name string) *definition {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.served[name]
}

// serve makes the registry serve what a definition defines.
func (c *Controller) serve(ctx context.Context, crd *v1.CustomResourceDefinition) error {
	old := c.definition(crd.Name)
	if old != nil && old.isOf(crd) {
		return nil
	}
	d, err := define(crd, c.metadata, c.hooks)
	if err != nil {
		return err
	}
	d.terminating.Store(terminating(crd))
	if old != nil {
		err = c.registry.Replace(ctx, old.kind, d.kind)
	} else if c.overlaps(d) {
		return nil // what the server has of itself comes first
	} else {
		err = c.registry.Add(ctx, d.kind)
	}
	if err != nil {
		d.close()
		return err
	}
	if old != nil {
		c.forget(old)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.served[crd.Name] = d
	c.byKind[d.gk] = d
	c.byKind[schema.GroupKind{Group: d.gk.Group, Kind: crd.Status.AcceptedNames.ListKind}] = d
	return nil
}

// overlaps reports whether the server has a resource of that name by itself.
func (c *Controller) overlaps(d *definition) bool {
	for _, r := range c.registry.Resources() {
		if r.GVR.GroupResource() == (schema.GroupResource{Group: d.gk.Group, Resource: d.kind.Resource}) {
			return true
		}
	}
	return false
}

// terminating reports whether a definition is going.
func terminating(crd *v1.CustomResourceDefinition) bool {
	return crd.DeletionTimestamp != nil || apihelpers.IsCRDConditionTrue(crd, v1.Terminating)
}

// update changes a definition's status, finalizers included, and returns the
// result: nil if the definition is gone, or another one has its name. The
// function reports whether there is something to change.
func (c *Controller) update(ctx context.Context, res *registry.Resource, crd *v1.CustomResourceDefinition, change func(*v1.CustomResourceDefinition) bool) (*v1.CustomResourceDefinition, error) {
	w := registry.Write{Name: crd.Name, Subresource: "status", Manager: manager}
	var kept *v1.CustomResourceDefinition
	it, _, err := res.Change(ctx, w, false, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		was, ok := old.(*v1.CustomResourceDefinition)
		if !ok || was.UID != crd.UID {
			return nil, false, apierrors.NewNotFound(res.GroupResource(), crd.Name)
		}
		next := was.DeepCopy()
		if kept = nil; !change(next) {
			kept = was
			return nil, false, errUnchanged
		}
		return next, false, nil
	})
	switch {
	case kept != nil:
		return kept, nil
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return it.Object.(*v1.CustomResourceDefinition), nil
}

// errUnchanged ends an update that would change nothing.
var errUnchanged = errors.New("nothing to change")
