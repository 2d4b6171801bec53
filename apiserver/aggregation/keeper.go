package aggregation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/discovery"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	// manager is who the keeper's fields are tracked under.
	manager = "kube-apiserver"

	leastRetry = 50 * time.Millisecond
	mostRetry  = 5 * time.Second
)

// Config is what New needs. Registry is required.
type Config struct {
	Registry *registry.Registry
	// Computed are the versions that the server serves besides the registry's.
	Computed []schema.GroupVersion
	// Complete is closed when the kinds that are themselves kept in the store
	// are in the registry; nil means from the start. Before, nobody can tell
	// which APIServices are of no use any more.
	Complete <-chan struct{}
	// Logger gets what needs attention; nil discards it.
	Logger *slog.Logger
}

// Keeper keeps the register.
type Keeper struct {
	cfg      Config
	log      *slog.Logger
	defined  map[schema.GroupVersion]discovery.Priority
	register atomic.Pointer[register]
	settled  chan struct{}

	// These are Run's own. atStart are the objects that it found, synced the
	// names it has brought in order once.
	atStart, synced map[string]bool
}

// New makes a keeper; nothing happens before Run.
func New(cfg Config) (*Keeper, error) {
	if cfg.Registry == nil {
		return nil, errors.New("aggregation: Config.Registry is nil")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{cfg: cfg, log: log, defined: discovery.Priorities(), settled: make(chan struct{}), synced: map[string]bool{}}
	k.register.Store(&register{})
	return k, nil
}

// Settled is closed once every version served has its APIService.
func (k *Keeper) Settled() <-chan struct{} { return k.settled }

// services is where APIServices are kept; nil if they are not served.
func (k *Keeper) services() *registry.Resource {
	return k.cfg.Registry.Resource(apiregistrationv1.SchemeGroupVersion.WithResource("apiservices"))
}

// Run keeps the register until ctx ends. It is called once.
func (k *Keeper) Run(ctx context.Context) error {
	if k.cfg.Complete != nil {
		select {
		case <-k.cfg.Complete:
		case <-ctx.Done():
			return nil
		}
	}
	services := k.services()
	if services == nil {
		close(k.settled)
		<-ctx.Done()
		return nil
	}
	ctx = request.WithUser(ctx, &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}})
	feed := services.Cached().Follow(cache.Interest{})
	defer feed.Close()
	backends := &backends{registry: k.cfg.Registry}
	defer backends.close()
	var retry <-chan time.Time
	wait := leastRetry
	for {
		kinds := k.cfg.Registry.Changed()
		if err := k.pass(ctx, services, backends); err == nil {
			retry, wait = nil, leastRetry
		} else if ctx.Err() == nil {
			k.log.Warn("APIServices cannot be kept, trying again", "err", err)
			retry, wait = time.After(wait), min(2*wait, mostRetry)
		}
		for woken := false; !woken; {
			select {
			case <-feed.Woken():
				woken = changed(feed, nil)
			case <-backends.serviceWoken():
				woken = backends.servicesChanged()
			case <-backends.sliceWoken():
				woken = backends.slicesChanged()
			case <-kinds:
				woken = true
			case <-retry:
				woken = true
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// pass brings everything in order once and publishes what there is then.
func (k *Keeper) pass(ctx context.Context, services *registry.Resource, backends *backends) error {
	have, want := list(services), k.wanted()
	if k.atStart == nil {
		k.atStart = make(map[string]bool, len(have))
		for name := range have {
			k.atStart[name] = true
		}
	}
	names := slices.Collect(maps.Keys(have))
	for name := range want {
		if have[name] == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var errs []error
	var newest int64
	for _, name := range names {
		what := decide(want[name], have[name], k.synced[name], k.atStart[name])
		revision, err := k.do(ctx, services, what, name, want[name], have[name])
		newest = max(newest, revision)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		k.synced[name] = true
	}
	backends.follow(have)
	for _, name := range names {
		if s := have[name]; s != nil {
			revision, err := k.judge(ctx, services, s, backends)
			newest = max(newest, revision)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if newest > 0 {
		if err := k.cfg.Registry.Cache().WaitFor(ctx, newest); err != nil {
			return err
		}
	}
	k.publish(list(services))
	select {
	case <-k.settled:
	default:
		close(k.settled)
	}
	return nil
}

// list is the register as it is in the store. The objects are shared.
func list(services *registry.Resource) map[string]*apiregistrationv1.APIService {
	snapshot, _ := services.Cached().Snapshot()
	out := make(map[string]*apiregistrationv1.APIService, snapshot.Len())
	snapshot.Ascend("", "", func(it *cache.Item) bool {
		if s, ok := it.Object.(*apiregistrationv1.APIService); ok {
			out[s.Name] = s
		}
		return true
	})
	return out
}

// do does to an APIService what was decided, and returns the revision it has
// then. Who else has been there in the meantime wakes the keeper again.
func (k *Keeper) do(ctx context.Context, services *registry.Resource, what action, name string, want, have *apiregistrationv1.APIService) (revision int64, err error) {
	w := registry.Write{Name: name, Manager: manager}
	switch what {
	case create:
		it, err := services.Create(ctx, want.DeepCopy(), w)
		if err == nil {
			return it.Revision, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return 0, fmt.Errorf("registering %s: %w", name, err)
		}
	case update:
		it, _, err := services.Change(ctx, w, false, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
			s := old.(*apiregistrationv1.APIService).DeepCopy()
			s.Spec = want.Spec
			return s, false, nil
		})
		if err == nil {
			return it.Revision, nil
		}
		if !apierrors.IsNotFound(err) {
			return 0, fmt.Errorf("registering %s anew: %w", name, err)
		}
	case remove:
		d, err := services.Delete(ctx, w, &metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(have.UID))})
		if err == nil && d.Item != nil {
			return d.Item.Revision, nil
		}
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return 0, fmt.Errorf("unregistering %s: %w", name, err)
		}
	}
	return 0, nil
}
