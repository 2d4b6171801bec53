// Package resourcequota keeps the status of resource quotas: what they allow and what
// the objects of their namespaces use.
//
// Admission adds to the status what a write is going to use; this controller gives back
// what is no longer used and repairs what was added in vain.
package resourcequota

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/keelson-project/keelson/controller/reconcile"
	"github.com/keelson-project/keelson/internal/quota"
)

const (
	// again is how often a quota is counted anew without a cause, for what admission
	// reserved and nobody used.
	again = 5 * time.Minute
	// settled is how long a quota must have been left alone before less use is written
	// down: a write that has reserved something may not be in the store yet. patience is
	// how long that may be put off.
	settled  = 200 * time.Millisecond
	patience = 10 * time.Second
	// calm is how long changes of objects are gathered before they are counted.
	calm = 50 * time.Millisecond
)

// Controller keeps the status of resource quotas.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "resourcequota" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if s.Metadata == nil {
		return nil, errors.New("resourcequota: no metadata client: set Config.Metadata")
	}
	quotas := s.Informers.Core().V1().ResourceQuotas()
	pods := s.Informers.Core().V1().Pods()
	services := s.Informers.Core().V1().Services()
	claims := s.Informers.Core().V1().PersistentVolumeClaims()
	r := &reconciler{
		client: s.Client, quotas: quotas.Lister(), pods: pods.Lister(), services: services.Lister(), claims: claims.Lister(),
		meter: quota.New(nil), books: books{since: map[reconcile.Key]standing{}},
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	r.tallies = newTallies(s.Metadata, s.Discovery, r.recount)
	return r, errors.Join(
		reconcile.Handle(s, quotas.Informer(), func(old, cur *corev1.ResourceQuota) {
			switch {
			case cur == nil:
				r.done(reconcile.KeyOf(old))
			case old == nil || !apiequality.Semantic.DeepEqual(old.Spec, cur.Spec):
				r.loop.Add(reconcile.KeyOf(cur))
				// What was let in before the quota was known may still be under way.
				r.loop.AddAfter(reconcile.KeyOf(cur), time.Second)
			}
		}),
		watch(s, r, pods.Informer(), podsResource, func(old, cur *corev1.Pod) (bool, string) { return r.changed(podsResource, old, cur), cur.Namespace }),
		watch(s, r, services.Informer(), servicesResource, func(old, cur *corev1.Service) (bool, string) {
			return r.changed(servicesResource, old, cur), cur.Namespace
		}),
		watch(s, r, claims.Informer(), claimsResource, func(old, cur *corev1.PersistentVolumeClaim) (bool, string) {
			return r.changed(claimsResource, old, cur), cur.Namespace
		}),
	)
}

// The resources that are measured by more than their number.
var (
	podsResource     = schema.GroupResource{Resource: "pods"}
	servicesResource = schema.GroupResource{Resource: "services"}
	claimsResource   = schema.GroupResource{Resource: "persistentvolumeclaims"}
)

type reconciler struct {
	client   kubernetes.Interface
	quotas   corelisters.ResourceQuotaLister
	pods     corelisters.PodLister
	services corelisters.ServiceLister
	claims   corelisters.PersistentVolumeClaimLister
	meter    *quota.Meter
	loop     *reconcile.Loop[reconcile.Key]
	tallies  *tallies
	books
}

// Run implements [reconcile.Runner].
func (r *reconciler) Run(ctx context.Context) error {
	r.tallies.start(ctx)
	defer r.tallies.wait()
	return r.loop.Run(ctx)
}

// recount adds the quotas of a namespace, or all of them, that count a resource.
func (r *reconciler) recount(namespace string, counts schema.GroupResource) {
	list, err := r.quotas.ResourceQuotas(namespace).List(labels.Everything())
	if err != nil {
		return // a lister of a cache has no errors
	}
	e := r.meter.Of(context.Background(), counts)
	for _, q := range list {
		for name := range q.Spec.Hard {
			if e.Measures(name) {
				r.loop.AddAfter(reconcile.KeyOf(q), calm)
				break
			}
		}
	}
}

// reconcile counts what a quota limits and writes it down.
func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	q, err := r.quotas.ResourceQuotas(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	used, err := r.count(ctx, q)
	if errors.Is(err, errUnknown) {
		r.loop.AddAfter(key, again/10) // a kind that is served later
	} else if err != nil {
		return err
	}
	r.loop.AddAfter(key, again)
	status := corev1.ResourceQuotaStatus{Hard: q.Spec.Hard, Used: used}
	if quota.Equal(q.Status.Hard, status.Hard) && quota.Equal(q.Status.Used, used) {
		r.done(key)
		return nil
	}
	if wait := r.wait(key, q, used); wait > 0 {
		r.loop.AddAfter(key, wait)
		return nil
	}
	q = q.DeepCopy()
	q.Status = status
	if _, err := r.client.CoreV1().ResourceQuotas(key.Namespace).UpdateStatus(ctx, q, metav1.UpdateOptions{}); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("writing the status of quota %s: %w", key, err)
	}
	r.done(key)
	return nil
}
