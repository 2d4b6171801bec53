package namespace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller deletes the contents of namespaces that are being deleted.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "namespace" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if s.Metadata == nil {
		return nil, errors.New("namespace: no metadata client: set Config.Metadata")
	}
	r := &reconciler{
		client:    s.Client,
		emptier:   emptier{metadata: s.Metadata},
		discovery: s.Discovery,
		tries:     make(map[string]int),
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile, reconcile.WithWorkers(10))
	namespaces := s.Informers.Core().V1().Namespaces()
	err := errors.Join(
		reconcile.Handle(s, namespaces.Informer(), func(_, cur *corev1.Namespace) {
			if cur != nil && cur.DeletionTimestamp != nil {
				r.loop.Add(cur.Name)
			}
		}),
		// Pods take the longest to go; the last one's end is worth an immediate look.
		reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), func(old, cur *corev1.Pod) {
			if cur != nil {
				return
			}
			ns, err := namespaces.Lister().Get(old.Namespace)
			if err == nil && ns.DeletionTimestamp != nil {
				r.loop.Add(ns.Name)
			}
		}),
	)
	return r.loop, err
}

type reconciler struct {
	client    kubernetes.Interface
	emptier   emptier
	discovery discovery.ServerResourcesInterface
	loop      *reconcile.Loop[string]

	mu    sync.Mutex
	tries map[string]int // looks in a row that found something left, by namespace
}

func (r *reconciler) reconcile(ctx context.Context, name string) error {
	ns, err := r.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		r.again(name, false)
		return nil
	}
	if err != nil {
		return err
	}
	if ns.DeletionTimestamp == nil {
		return nil
	}
	if ns.Status.Phase != corev1.NamespaceTerminating {
		ns.Status.Phase = corev1.NamespaceTerminating
		if ns, err = r.client.CoreV1().Namespaces().UpdateStatus(ctx, ns, metav1.UpdateOptions{}); err != nil {
			return goneIsFine(err)
		}
	}
	if !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
		r.again(name, false)
		return nil
	}

	resources, findErr := r.discovery.ServerPreferredNamespacedResources()
	found := r.emptier.empty(ctx, ns, resources, findErr)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if setConditions(&ns.Status, found.conditions(), time.Now()) {
		if ns, err = r.client.CoreV1().Namespaces().UpdateStatus(ctx, ns, metav1.UpdateOptions{}); err != nil {
			return goneIsFine(err)
		}
	}
	if err := found.err(); err != nil {
		return fmt.Errorf("emptying namespace %s: %w", name, err)
	}
	if found.left() {
		r.loop.AddAfter(name, r.again(name, true))
		return nil
	}
	r.again(name, false)
	ns.Spec.Finalizers = slices.DeleteFunc(ns.Spec.Finalizers, func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
	_, err = r.client.CoreV1().Namespaces().Finalize(ctx, ns, metav1.UpdateOptions{})
	return goneIsFine(err)
}

// again counts looks that found something left and says how long to wait for the
// next: the objects are not watched, so it starts short and grows to 15 seconds.
func (r *reconciler) again(name string, left bool) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !left {
		delete(r.tries, name)
		return 0
	}
	n := min(r.tries[name], 10)
	r.tries[name] = n + 1
	return min(15*time.Second, 50*time.Millisecond<<n)
}

func goneIsFine(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
