package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
)

// Controller is one control loop as the manager sees it. Implementations are small
// values that hold their settings; they keep no state of a run, because New may be
// called again after leadership was lost and won back.
type Controller interface {
	// Name identifies the controller among those of one manager and in logs.
	Name() string
	// New wires the controller to the shared clients and informers. It registers
	// every informer it needs on s.Informers, and starts no goroutine.
	New(s *Shared) (Runner, error)
}

// Runner is a wired controller.
type Runner interface {
	// Run works until ctx ends and returns when every goroutine it started is gone.
	// It is called after the informers that New asked for are filled. Cancelling ctx
	// is no error: it then returns nil.
	Run(ctx context.Context) error
}

// SharedConfig holds the clients that controllers of one manager share.
type SharedConfig struct {
	// Client is required.
	Client kubernetes.Interface
	// Metadata reads and deletes objects of any kind by their metadata. Only
	// controllers that work on all kinds need it.
	Metadata metadata.Interface
	// Discovery lists the kinds there are. Nil means Client.Discovery().
	Discovery discovery.DiscoveryInterface
	// Logger gets what controllers have to say. Nil discards.
	Logger *slog.Logger
}

// Shared is what the controllers of one run have in common. A value serves one run:
// make another for the next.
type Shared struct {
	// Client talks to the API server.
	Client kubernetes.Interface
	// Metadata may be nil; a controller that cannot work without it says so in New.
	Metadata metadata.Interface
	// Discovery is never nil.
	Discovery discovery.DiscoveryInterface
	// Informers are the caches all controllers of the run share. They never resync.
	Informers informers.SharedInformerFactory
	// Logger is never nil.
	Logger *slog.Logger

	events *eventSink
	ended  sync.Once
}

// NewShared returns the shared parts of one run; nothing is started.
func NewShared(c SharedConfig) (*Shared, error) {
	if c.Client == nil {
		return nil, errors.New("controller: no client: set Config.Client")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Discovery == nil {
		c.Discovery = c.Client.Discovery()
	}
	return &Shared{
		Client:    c.Client,
		Metadata:  c.Metadata,
		Discovery: c.Discovery,
		Informers: informers.NewSharedInformerFactoryWithOptions(c.Client, 0, informers.WithTransform(dropManagedFields)),
		Logger:    c.Logger,
		events:    newEventSink(c.Client, c.Logger),
	}, nil
}

// Start fills the informers and lets the recorders write; both end with ctx. It
// returns when every cache holds the initial list, or with the context's error.
func (s *Shared) Start(ctx context.Context) error {
	s.events.start(ctx)
	s.Informers.StartWithContext(ctx)
	if err := s.Informers.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return fmt.Errorf("controller: filling informers: %w", err)
	}
	return nil
}

// Wait blocks until everything that Start began is gone. The context given to Start
// must have ended, or be about to.
func (s *Shared) Wait() {
	s.ended.Do(func() {
		s.Informers.Shutdown()
		s.events.wait()
	})
}

// Recorder returns a recorder whose events name component as their source. Events
// are written in the background; those not yet written when the run ends are lost.
func (s *Shared) Recorder(component string) record.EventRecorder {
	return &recorder{sink: s.events, component: component}
}

// dropManagedFields leaves out of the caches what no controller reads.
func dropManagedFields(obj any) (any, error) {
	if o, ok := obj.(metav1.Object); ok && len(o.GetManagedFields()) > 0 {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

// Key names an object; Namespace is empty for cluster-scoped ones.
type Key = types.NamespacedName

// KeyOf returns the object's key.
func KeyOf(o metav1.Object) Key {
	return Key{Namespace: o.GetNamespace(), Name: o.GetName()}
}

// quiet makes an informer that cannot list or watch say so to our logger. (client-go's
// own way is a process-wide handler, with a process-wide pause after each error.)
func (s *Shared) quiet(informer cache.SharedInformer) error {
	return informer.SetWatchErrorHandlerWithContext(func(ctx context.Context, _ *cache.Reflector, err error) {
		if ctx.Err() != nil || errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
			return // tried again at once, as it should be
		}
		s.Logger.Warn("cannot list or watch; will try again", "err", err)
	})
}

// Handle calls on for every change an informer sees: old is nil when cur was added,
// cur is nil when old was deleted. An object replaced by another of the same name
// between two looks is told as a deletion and an addition. Objects belong to the
// cache: on must not change them, nor block.
func Handle[T any, P interface {
	*T
	metav1.Object
}](s *Shared, informer cache.SharedInformer, on func(old, cur P)) error {
	if err := s.quiet(informer); err != nil {
		return fmt.Errorf("watching %T: %w", P(nil), err)
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if cur, ok := obj.(P); ok {
				on(nil, cur)
			}
		},
		UpdateFunc: func(before, after any) {
			old, ok := before.(P)
			if !ok {
				return
			}
			cur, ok := after.(P)
			if !ok {
				return
			}
			if old.GetUID() != cur.GetUID() {
				on(old, nil)
				on(nil, cur)
				return
			}
			on(old, cur)
		},
		DeleteFunc: func(obj any) {
			if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = gone.Obj
			}
			if old, ok := obj.(P); ok {
				on(old, nil)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching %T: %w", P(nil), err)
	}
	return nil
}
