package endpointslice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// managedBy is the name in the label that says whose a slice is.
const managedBy = "endpointslice-controller.k8s.io"

// Controller writes EndpointSlices for Services with a selector.
type Controller struct {
	// MaxEndpoints is the most endpoints in one slice. Zero means 100; more than 1000
	// is not allowed by the API.
	MaxEndpoints int
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "endpointslice" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if c.MaxEndpoints == 0 {
		c.MaxEndpoints = 100
	}
	if c.MaxEndpoints < 1 || c.MaxEndpoints > 1000 {
		return nil, fmt.Errorf("endpointslice: MaxEndpoints is %d, must be between 1 and 1000", c.MaxEndpoints)
	}
	services := s.Informers.Core().V1().Services()
	pods := s.Informers.Core().V1().Pods()
	nodes := s.Informers.Core().V1().Nodes()
	endpointSlices := s.Informers.Discovery().V1().EndpointSlices()
	byNode, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	r := &reconciler{
		client:   s.Client,
		recorder: s.Recorder("endpoint-slice-controller"),
		limit:    c.MaxEndpoints,
		services: services.Lister(),
		pods:     pods.Lister(),
		byNode:   byNode,
		nodes:    nodes.Lister(),
		slices:   endpointSlices.Lister(),
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile)
	err = errors.Join(
		reconcile.Handle(s, services.Informer(), func(old, cur *corev1.Service) {
			if cur != nil {
				r.loop.Add(reconcile.KeyOf(cur))
				return
			}
			r.loop.Add(reconcile.KeyOf(old))
		}),
		reconcile.Handle(s, pods.Informer(), func(old, cur *corev1.Pod) {
			WakeServices(r.services, old, cur, r.loop.Add)
		}),
		reconcile.Handle(s, nodes.Informer(), r.nodeChanged),
		reconcile.Handle(s, endpointSlices.Informer(), func(old, cur *discoveryv1.EndpointSlice) {
			r.sliceChanged(old, cur)
		}),
	)
	return r.loop, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	limit    int
	services corelisters.ServiceLister
	pods     corelisters.PodLister
	byNode   owned.Pods
	nodes    corelisters.NodeLister
	slices   discoverylisters.EndpointSliceLister
	pending  pending
	triggers Triggers
	loop     *reconcile.Loop[reconcile.Key]
}

// WakeServices calls wake for the services whose endpoints a change of a pod may
// change. old or cur is nil where the pod was added or deleted.
func WakeServices(lister corelisters.ServiceLister, old, cur *corev1.Pod, wake func(reconcile.Key)) {
	moved := old == nil || cur == nil || !maps.Equal(old.Labels, cur.Labels)
	if !moved && !matters(old, cur) {
		return
	}
	pod := cur
	if pod == nil {
		pod = old
	}
	all, err := lister.Services(pod.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, service := range all {
		if service.Spec.Selector == nil {
			continue
		}
		selector := labels.SelectorFromValidatedSet(service.Spec.Selector)
		if selector.Matches(labels.Set(pod.Labels)) || old != nil && selector.Matches(labels.Set(old.Labels)) {
			wake(reconcile.KeyOf(service))
		}
	}
}

// matters reports whether the pods differ in what endpoints are made of.
func matters(old, cur *corev1.Pod) bool {
	return owned.IsReady(old) != owned.IsReady(cur) ||
		owned.IsFinished(old) != owned.IsFinished(cur) ||
		(old.DeletionTimestamp == nil) != (cur.DeletionTimestamp == nil) ||
		old.Status.PodIP != cur.Status.PodIP ||
		!slices.Equal(old.Status.PodIPs, cur.Status.PodIPs) ||
		old.Spec.NodeName != cur.Spec.NodeName ||
		old.Spec.Hostname != cur.Spec.Hostname || old.Spec.Subdomain != cur.Spec.Subdomain
}

// nodeChanged wakes the services of a node's pods when the node appears, goes, or
// moves to another zone.
func (r *reconciler) nodeChanged(old, cur *corev1.Node) {
	if old != nil && cur != nil && old.Labels[corev1.LabelTopologyZone] == cur.Labels[corev1.LabelTopologyZone] {
		return
	}
	name := ""
	if cur != nil {
		name = cur.Name
	} else {
		name = old.Name
	}
	for _, pod := range r.byNode.OnNode(name) {
		WakeServices(r.services, nil, pod, r.loop.Add)
	}
}

func (r *reconciler) sliceChanged(old, cur *discoveryv1.EndpointSlice) {
	for _, slice := range []*discoveryv1.EndpointSlice{old, cur} {
		if slice == nil || slice.Labels[discoveryv1.LabelManagedBy] != managedBy {
			continue
		}
		key := reconcile.Key{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		if cur == nil {
			r.pending.gone(key, slice.Name)
		}
		r.loop.Add(key)
	}
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	service, err := r.services.Services(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		r.pending.forget(key)
		r.triggers.Forget(key)
		return nil // the slices go by garbage collection
	}
	if err != nil {
		return err
	}
	if service.Spec.Type == corev1.ServiceTypeExternalName || service.Spec.Selector == nil {
		return nil
	}
	existing, err := r.slices.EndpointSlices(key.Namespace).List(labels.SelectorFromSet(labels.Set{
		discoveryv1.LabelServiceName: key.Name,
		discoveryv1.LabelManagedBy:   managedBy,
	}))
	if err != nil {
		return err
	}
	if wait := r.pending.wait(key, existing); wait > 0 {
		r.loop.AddAfter(key, wait)
		return nil
	}
	existing = slices.DeleteFunc(existing, func(s *discoveryv1.EndpointSlice) bool { return s.DeletionTimestamp != nil })
	pods, err := r.pods.Pods(key.Namespace).List(labels.SelectorFromValidatedSet(service.Spec.Selector))
	if err != nil {
		return err
	}
	err = r.apply(ctx, key, r.plan(service, pods, existing), r.triggers.Next(service, pods))
	if err != nil && ctx.Err() == nil {
		r.recorder.Eventf(service, corev1.EventTypeWarning, "FailedToUpdateEndpointSlices",
			"Error updating Endpoint Slices for Service %s/%s: %v", service.Namespace, service.Name, err)
	}
	return err
}

// plan compares the slices there are with those there should be.
func (r *reconciler) plan(service *corev1.Service, pods []*corev1.Pod, existing []*discoveryv1.EndpointSlice) plan {
	nodeOf := func(name string) *corev1.Node {
		node, err := r.nodes.Get(name)
		if err != nil {
			return nil
		}
		return node
	}
	var whole plan
	families := addressTypes(service)
	for _, slice := range existing {
		if !slices.Contains(families, slice.AddressType) {
			whole.remove = append(whole.remove, slice)
		}
	}
	for _, family := range families {
		mine := slices.DeleteFunc(slices.Clone(existing), func(s *discoveryv1.EndpointSlice) bool { return s.AddressType != family })
		groups := groupsOf(service, pods, family, nodeOf)
		p := planFamily(service, family, groups, mine, r.limit, managedBy)
		p.settleHints(mine, ptr.Deref(service.Spec.TrafficDistribution, ""))
		whole.add(p)
	}
	return whole
}

// apply writes the plan: first what adds endpoints, then what removes slices.
func (r *reconciler) apply(ctx context.Context, key reconcile.Key, p plan, trigger time.Time) error {
	client := r.client.DiscoveryV1().EndpointSlices(key.Namespace)
	var errs []error
	for _, slice := range p.create {
		annotateTrigger(slice, trigger)
		created, err := client.Create(ctx, slice, metav1.CreateOptions{})
		switch {
		case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
			return nil
		case err != nil:
			errs = append(errs, fmt.Errorf("failed to create EndpointSlice for Service %s: %w", key, err))
		default:
			r.pending.wrote(key, created)
		}
	}
	for _, slice := range p.update {
		annotateTrigger(slice, trigger)
		updated, err := client.Update(ctx, slice, metav1.UpdateOptions{})
		if err != nil {
			errs = append(errs, fmt.Errorf("failed to update %s EndpointSlice for Service %s: %w", slice.Name, key, err))
			continue
		}
		r.pending.wrote(key, updated)
	}
	for _, slice := range p.remove {
		r.pending.removes(key, slice.Name)
		if err := client.Delete(ctx, slice.Name, metav1.DeleteOptions{}); err != nil {
			r.pending.gone(key, slice.Name)
			if !apierrors.IsNotFound(err) {
				errs = append(errs, fmt.Errorf("failed to delete %s EndpointSlice for Service %s: %w", slice.Name, key, err))
			}
		}
	}
	return errors.Join(errs...)
}

func annotateTrigger(slice *discoveryv1.EndpointSlice, trigger time.Time) {
	if trigger.IsZero() {
		delete(slice.Annotations, corev1.EndpointsLastChangeTriggerTime)
		return
	}
	if slice.Annotations == nil {
		slice.Annotations = make(map[string]string)
	}
	slice.Annotations[corev1.EndpointsLastChangeTriggerTime] = trigger.UTC().Format(time.RFC3339Nano)
}
