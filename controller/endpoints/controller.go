// Package endpoints writes the Endpoints object of every Service that selects pods: the
// older form of what package endpointslice writes, for those that still read it.
package endpoints

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"

	"github.com/keelson-project/keelson/controller/endpointslice"
	"github.com/keelson-project/keelson/controller/reconcile"
)

const (
	managedByLabel = "endpoints.kubernetes.io/managed-by"
	managedBy      = "endpoint-controller"
)

// Controller writes Endpoints for Services with a selector.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "endpoints" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	services := s.Informers.Core().V1().Services()
	pods := s.Informers.Core().V1().Pods()
	objects := s.Informers.Core().V1().Endpoints()
	r := &reconciler{
		client:   s.Client,
		recorder: s.Recorder("endpoint-controller"),
		services: services.Lister(),
		pods:     pods.Lister(),
		objects:  objects.Lister(),
	}
	loop := reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := errors.Join(
		reconcile.Handle(s, services.Informer(), func(old, cur *corev1.Service) {
			if cur != nil {
				loop.Add(reconcile.KeyOf(cur))
				return
			}
			loop.Add(reconcile.KeyOf(old))
		}),
		reconcile.Handle(s, pods.Informer(), func(old, cur *corev1.Pod) {
			endpointslice.WakeServices(r.services, old, cur, loop.Add)
		}),
		reconcile.Handle(s, objects.Informer(), func(old, cur *corev1.Endpoints) {
			switch {
			case cur == nil:
				loop.Add(reconcile.KeyOf(old))
			case old == nil:
				// One whose service went while nobody looked is to be deleted.
				loop.Add(reconcile.KeyOf(cur))
			}
		}),
	)
	return loop, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	objects  corelisters.EndpointsLister
	triggers endpointslice.Triggers
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	service, err := r.services.Services(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		r.triggers.Forget(key)
		return r.remove(ctx, key)
	}
	if err != nil {
		return err
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName || service.Spec.Selector == nil {
		return nil
	}
	pods, err := r.pods.Pods(key.Namespace).List(labels.SelectorFromValidatedSet(service.Spec.Selector))
	if err != nil {
		return err
	}
	trigger := r.triggers.Next(service, pods)
	want := desired(service, pods, trigger)
	have, err := r.objects.Endpoints(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		_, err = r.client.CoreV1().Endpoints(key.Namespace).Create(ctx, want, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			r.recorder.Eventf(want, corev1.EventTypeWarning, "FailedToCreateEndpoint", "Failed to create endpoint for service %s: %v", key, err)
			return fmt.Errorf("creating endpoints %s: %w", key, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if same(have, want) {
		return nil
	}
	// The object is all ours, so on a conflict the newest revision is overwritten.
	err = retry.OnError(retry.DefaultRetry, apierrors.IsConflict, func() error {
		next := have.DeepCopy()
		next.Subsets, next.Labels = want.Subsets, want.Labels
		carry(next, want)
		_, err := r.client.CoreV1().Endpoints(key.Namespace).Update(ctx, next, metav1.UpdateOptions{})
		if apierrors.IsConflict(err) {
			fresh, getErr := r.client.CoreV1().Endpoints(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
			if getErr != nil {
				return getErr
			}
			have = fresh
		}
		return err
	})
	if err != nil {
		r.recorder.Eventf(have, corev1.EventTypeWarning, "FailedToUpdateEndpoint", "Failed to update endpoint %s: %v", key, err)
		return fmt.Errorf("updating endpoints %s: %w", key, err)
	}
	return nil
}

// remove deletes endpoints whose service is gone, unless they are somebody's leader
// election record.
func (r *reconciler) remove(ctx context.Context, key reconcile.Key) error {
	have, err := r.objects.Endpoints(key.Namespace).Get(key.Name)
	if err != nil {
		return nil // gone
	}
	if _, elects := have.Annotations["control-plane.alpha.kubernetes.io/leader"]; elects {
		return nil
	}
	err = r.client.CoreV1().Endpoints(key.Namespace).Delete(ctx, key.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &have.UID}})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting endpoints %s: %w", key, err)
	}
	return nil
}

// carry puts the annotations that are ours on next.
func carry(next, want *corev1.Endpoints) {
	if next.Annotations == nil {
		next.Annotations = make(map[string]string)
	}
	for _, name := range []string{corev1.EndpointsLastChangeTriggerTime, corev1.EndpointsOverCapacity} {
		if value, ok := want.Annotations[name]; ok {
			next.Annotations[name] = value
		} else {
			delete(next.Annotations, name)
		}
	}
}

func same(have, want *corev1.Endpoints) bool {
	return equality.Semantic.DeepEqual(have.Subsets, want.Subsets) && maps.Equal(have.Labels, want.Labels) &&
		have.Annotations[corev1.EndpointsOverCapacity] == want.Annotations[corev1.EndpointsOverCapacity]
}
