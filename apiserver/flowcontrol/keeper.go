package flowcontrol

import (
	"context"
	"errors"
	"log/slog"
	"time"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/ownership"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	producer = "api-priority-and-fairness-config-producer-v1"
	consumer = "api-priority-and-fairness-config-consumer-v1"

	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// Config is what New needs. Registry is required.
type Config struct {
	// Registry has the objects.
	Registry *registry.Registry
	// Logger gets what goes wrong; nil discards it.
	Logger *slog.Logger
}

// Keeper keeps the objects. Make one with [New].
type Keeper struct {
	registry *registry.Registry
	owners   *ownership.Tracker
	log      *slog.Logger
	ready    chan struct{}
}

// New makes a Keeper that has nothing done yet.
func New(cfg Config) (*Keeper, error) {
	if cfg.Registry == nil {
		return nil, errors.New("flowcontrol: Config.Registry is nil")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Keeper{registry: cfg.Registry, owners: ownership.New(), log: log, ready: make(chan struct{})}, nil
}

// Ready is closed once all objects have been there.
func (k *Keeper) Ready() <-chan struct{} { return k.ready }

// Run repairs the objects whenever one of them changes, until ctx ends. It
// returns an error only if the kinds are no longer served. Without these kinds
// it has nothing to do.
func (k *Keeper) Run(ctx context.Context) error {
	schemas, levels := k.resource("flowschemas"), k.resource("prioritylevelconfigurations")
	if schemas == nil || levels == nil {
		close(k.ready)
		<-ctx.Done()
		return nil
	}
	s, l := schemas.Follow(cache.Interest{}), levels.Follow(cache.Interest{})
	defer s.Close()
	defer l.Close()
	wait := firstRetry
	for {
		for _, f := range []*cache.Follower{s, l} {
			if _, err := f.CatchUp(nil); err != nil {
				return err
			}
		}
		var retry <-chan time.Time
		if err := k.ensure(ctx, state{objects[*flowcontrolv1.FlowSchema](schemas), objects[*flowcontrolv1.PriorityLevelConfiguration](levels)}); err != nil && ctx.Err() == nil {
			k.log.Warn("flow control objects cannot be kept, trying again", "err", err)
			retry = time.After(wait)
			wait = min(2*wait, lastRetry)
		} else {
			wait = firstRetry
			k.settled()
		}
		select {
		case <-s.Woken():
		case <-l.Woken():
		case <-retry:
		case <-ctx.Done():
			return nil
		}
	}
}

func (k *Keeper) settled() {
	select {
	case <-k.ready:
	default:
		close(k.ready)
	}
}

func (k *Keeper) resource(name string) *cache.Resource {
	res := k.registry.Resource(schema.GroupVersionResource{Group: flowcontrolv1.GroupName, Version: "v1", Resource: name})
	if res == nil {
		return nil
	}
	return res.Cached()
}

// objects are those of a resource by name.
func objects[T any](r *cache.Resource) map[string]T {
	snap, _ := r.Snapshot()
	all := make(map[string]T, snap.Len())
	snap.Ascend("", "", func(it *cache.Item) bool {
		all[it.Object.GetName()] = it.Object.(T)
		return true
	})
	return all
}
