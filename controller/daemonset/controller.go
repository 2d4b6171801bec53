// Package daemonset runs one pod of each DaemonSet on every node that fits.
//
// placement.go says which nodes fit and plan.go what to create and delete; neither
// does I/O.
package daemonset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/history"
	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// burst is how many pods are made or deleted before looking again.
const burst = 250

var kind = appsv1.SchemeGroupVersion.WithKind("DaemonSet")

// Controller runs DaemonSets.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "daemonset" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	pods, err := owned.IndexPods(s.Informers)
	if err != nil {
		return nil, err
	}
	sets := s.Informers.Apps().V1().DaemonSets()
	nodes := s.Informers.Core().V1().Nodes()
	revisions := s.Informers.Apps().V1().ControllerRevisions()
	recorder := s.Recorder("daemonset-controller")
	r := &reconciler{
		client:   s.Client,
		recorder: recorder,
		sets:     sets.Lister(),
		nodes:    nodes.Lister(),
		pods:     pods,
		write:    owned.PodControl{Client: s.Client, Recorder: recorder},
		history:  history.Keeper{Client: s.Client, Lister: revisions.Lister()},
		failures: make(map[string]failure),
	}
	r.loop = reconcile.NewLoop(s, c.Name(), r.reconcile, reconcile.WithWorkers(2))
	err = errors.Join(
		reconcile.Handle(s, sets.Informer(), func(old, cur *appsv1.DaemonSet) {
			if cur == nil {
				r.expect.Forget(reconcile.KeyOf(old))
				return
			}
			r.loop.Add(reconcile.KeyOf(cur))
		}),
		reconcile.Handle(s, nodes.Informer(), r.nodeChanged),
		reconcile.Handle(s, revisions.Informer(), func(old, cur *appsv1.ControllerRevision) {
			for _, revision := range []*appsv1.ControllerRevision{old, cur} {
				if revision != nil {
					r.wakeOwner(revision)
				}
			}
		}),
		reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), r.podChanged),
	)
	return r.loop, err
}

type reconciler struct {
	client   kubernetes.Interface
	recorder record.EventRecorder
	sets     appslisters.DaemonSetLister
	nodes    corelisters.NodeLister
	pods     owned.Pods
	write    owned.PodControl
	history  history.Keeper
	expect   owned.Expectations
	loop     *reconcile.Loop[reconcile.Key]

	mu       sync.Mutex
	failures map[string]failure // by set and node
}

func (r *reconciler) nodeChanged(old, cur *corev1.Node) {
	all, err := r.sets.List(labels.Everything())
	if err != nil {
		return
	}
	for _, ds := range all {
		p := newPlacement(ds)
		var wasRun, wasStay, run, stay bool
		if old != nil {
			wasRun, wasStay = p.on(old)
		}
		if cur != nil {
			run, stay = p.on(cur)
		}
		if wasRun != run || wasStay != stay {
			r.loop.Add(reconcile.KeyOf(ds))
		}
	}
}

func (r *reconciler) owner(o metav1.Object) *appsv1.DaemonSet {
	ref := metav1.GetControllerOfNoCopy(o)
	if ref == nil || ref.Kind != kind.Kind {
		return nil
	}
	ds, err := r.sets.DaemonSets(o.GetNamespace()).Get(ref.Name)
	if err != nil || ds.UID != ref.UID {
		return nil
	}
	return ds
}

func (r *reconciler) wakeOwner(o metav1.Object) {
	if ds := r.owner(o); ds != nil {
		r.loop.Add(reconcile.KeyOf(ds))
	}
}

func (r *reconciler) podChanged(old, cur *corev1.Pod) {
	if old != nil {
		if ds := r.owner(old); ds != nil && (cur == nil || !metav1.IsControlledBy(cur, ds)) {
			r.expect.Deleted(reconcile.KeyOf(ds), reconcile.KeyOf(old))
			r.loop.Add(reconcile.KeyOf(ds))
		}
	}
	if cur == nil {
		return
	}
	if ds := r.owner(cur); ds != nil {
		key := reconcile.KeyOf(ds)
		if old == nil {
			r.expect.Created(key)
		}
		if cur.DeletionTimestamp != nil {
			r.expect.Deleted(key, reconcile.KeyOf(cur))
		}
		r.loop.Add(key)
		return
	}
	if metav1.GetControllerOfNoCopy(cur) != nil || old != nil && maps.Equal(old.Labels, cur.Labels) {
		return
	}
	all, err := r.sets.DaemonSets(cur.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, ds := range all {
		selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
		if err == nil && !selector.Empty() && selector.Matches(labels.Set(cur.Labels)) {
			r.loop.Add(reconcile.KeyOf(ds))
		}
	}
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	ds, err := r.sets.DaemonSets(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		r.expect.Forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
	if err != nil {
		return nil // stored so by somebody who skipped validation; nothing can match
	}
	if selector.Empty() {
		r.recorder.Event(ds, corev1.EventTypeWarning, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.")
		return nil
	}
	if ds.DeletionTimestamp != nil {
		return nil
	}
	live := func(ctx context.Context) (metav1.Object, error) {
		return r.client.AppsV1().DaemonSets(key.Namespace).Get(ctx, key.Name, metav1.GetOptions{})
	}
	current, old, err := r.revisions(ctx, ds, selector, live)
	if err != nil {
		return err
	}
	pending := r.expect.Pending(key)
	v, err := r.view(ctx, ds, selector, live, current.Labels[appsv1.DefaultDaemonSetUniqueLabelKey])
	if err != nil {
		return err
	}
	var syncErr error
	if pending > 0 {
		r.loop.AddAfter(key, pending)
	} else {
		syncErr = r.sync(ctx, key, v)
		if syncErr == nil {
			syncErr = r.prune(ctx, v, old)
		}
	}
	return errors.Join(syncErr, r.store(ctx, key, v))
}

// revisions returns the revision of the current template, made if need be, and others.
func (r *reconciler) revisions(ctx context.Context, ds *appsv1.DaemonSet, selector labels.Selector, live func(context.Context) (metav1.Object, error)) (*appsv1.ControllerRevision, []*appsv1.ControllerRevision, error) {
	existing, err := r.history.Of(ctx, ds, kind, selector, live)
	if err != nil {
		return nil, nil, err
	}
	data, err := history.Patch(&ds.Spec.Template)
	if err != nil {
		return nil, nil, err
	}
	hash := owned.TemplateHash(&ds.Spec.Template, ds.Status.CollisionCount)
	marks := maps.Clone(ds.Spec.Template.Labels)
	if marks == nil {
		marks = make(map[string]string)
	}
	marks[appsv1.DefaultDaemonSetUniqueLabelKey] = hash
	current, old, err := r.history.Ensure(ctx, history.New(ds, kind, ds.Name+"-"+hash, marks, data), existing)
	if errors.Is(err, history.ErrCollision) {
		next := ds.DeepCopy()
		next.Status.CollisionCount = ptr.To(ptr.Deref(ds.Status.CollisionCount, 0) + 1)
		if _, updateErr := r.client.AppsV1().DaemonSets(ds.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{}); updateErr != nil {
			return nil, nil, updateErr
		}
		return nil, nil, fmt.Errorf("%w: %w", err, reconcile.ErrTryAgain)
	}
	return current, old, err
}

// view claims the set's pods and sorts them by node.
func (r *reconciler) view(ctx context.Context, ds *appsv1.DaemonSet, selector labels.Selector, live func(context.Context) (metav1.Object, error), hash string) (*view, error) {
	nodes, err := r.nodes.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	pods, err := owned.Claim[*corev1.Pod]{Owner: ds, Kind: kind, Selector: selector, Live: live, Patch: r.write.Patch}.
		Of(ctx, append(r.pods.ControlledBy(ds.UID), r.pods.Orphans(ds.Namespace)...))
	if err != nil {
		return nil, err
	}
	v := &view{ds: ds, placement: newPlacement(ds), nodes: nodes, pods: make(map[string][]*corev1.Pod), hash: hash, now: time.Now()}
	for _, pod := range pods {
		if owned.IsFinished(pod) && pod.DeletionTimestamp != nil {
			continue // as good as gone
		}
		if name := nodeOf(pod); name != "" {
			v.pods[name] = append(v.pods[name], pod)
		}
	}
	return v, nil
}

func (r *reconciler) sync(ctx context.Context, key reconcile.Key, v *view) error {
	p := v.manage()
	p.remove = r.holdBack(key, v.ds, p)
	if err := r.apply(ctx, key, v, p); err != nil {
		return err
	}
	if len(p.create)+len(p.remove) > 0 || v.ds.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType {
		return nil // the changes are seen in another pass
	}
	return r.apply(ctx, key, v, v.roll())
}

// failure is how often in a row a daemon pod has failed on a node, and when last.
type failure struct {
	count int
	at    time.Time
}

const (
	firstFailurePause = time.Second
	lastFailurePause  = 15 * time.Minute
)

// holdBack leaves out of the pods to delete those that failed again too soon, and
// tells of those that ended.
func (r *reconciler) holdBack(key reconcile.Key, ds *appsv1.DaemonSet, p plan) []*corev1.Pod {
	ended := make(map[*corev1.Pod]bool, len(p.ended))
	for _, pod := range p.ended {
		ended[pod] = true
	}
	var remove []*corev1.Pod
	for _, pod := range p.remove {
		switch {
		case ended[pod] && pod.Status.Phase == corev1.PodFailed:
			node := nodeOf(pod)
			if wait := r.failed(string(ds.UID)+"/"+node, time.Now()); wait > 0 {
				r.loop.AddAfter(key, wait)
				continue
			}
			r.recorder.Eventf(ds, corev1.EventTypeWarning, "FailedDaemonPod", "Found failed daemon pod %s/%s on node %s, will try to kill it", pod.Namespace, pod.Name, node)
		case ended[pod]:
			r.recorder.Eventf(ds, corev1.EventTypeNormal, "SucceededDaemonPod", "Found succeeded daemon pod %s/%s on node %s, will try to delete it", pod.Namespace, pod.Name, nodeOf(pod))
		}
		remove = append(remove, pod)
	}
	return remove
}

// failed returns how long to wait before the failed pod is replaced; zero if it may be
// now, which then counts.
func (r *reconciler) failed(place string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.failures[place]
	pause := min(lastFailurePause, firstFailurePause<<min(f.count, 20)>>1)
	if f.count > 0 && now.Before(f.at.Add(pause)) {
		return f.at.Add(pause).Sub(now)
	}
	if now.Sub(f.at) > 2*lastFailurePause {
		f.count = 0
	}
	r.failures[place] = failure{count: f.count + 1, at: now}
	return 0
}

// apply carries a plan out.
func (r *reconciler) apply(ctx context.Context, key reconcile.Key, v *view, p plan) error {
	create := p.create[:min(burst, len(p.create))]
	remove := p.remove[:min(burst, len(p.remove))]
	r.expect.ExpectCreations(key, len(create))
	for _, pod := range remove {
		r.expect.ExpectDeletion(key, reconcile.KeyOf(pod))
	}
	ref := metav1.NewControllerRef(v.ds, kind)
	created, createErr := owned.SlowStart(len(create), func(i int) error {
		_, err := r.write.Create(ctx, v.ds.Namespace, v.newPod(create[i], ref), v.ds)
		return err
	})
	for range len(create) - created {
		r.expect.Created(key)
	}
	if apierrors.HasStatusCause(createErr, corev1.NamespaceTerminatingCause) {
		createErr = nil
	}
	_, removeErr := owned.AllAtOnce(len(remove), func(i int) error {
		err := r.write.Delete(ctx, remove[i], v.ds)
		if err != nil {
			r.expect.Deleted(key, reconcile.KeyOf(remove[i]))
		}
		if apierrors.IsNotFound(err) {
			return nil
		}
		return err
	})
	return errors.Join(createErr, removeErr)
}

// newPod is the set's pod for a node.
func (v *view) newPod(node string, ref *metav1.OwnerReference) *corev1.Pod {
	pod := owned.NewPod(&v.ds.Spec.Template, v.ds, ref)
	pod.Labels[appsv1.ControllerRevisionHashLabelKey] = v.hash
	if generation, err := strconv.ParseInt(v.ds.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64); err == nil {
		pod.Labels["pod-template-generation"] = strconv.FormatInt(generation, 10)
	}
	pod.Spec.Tolerations = v.placement.tolerations
	bindTo(&pod.Spec, node)
	return pod
}

func (r *reconciler) prune(ctx context.Context, v *view, old []*appsv1.ControllerRevision) error {
	inUse := make(map[string]bool)
	for _, pods := range v.pods {
		for _, pod := range pods {
			inUse[pod.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]] = true
		}
	}
	return r.history.Prune(ctx, old, int(ptr.Deref(v.ds.Spec.RevisionHistoryLimit, 10)), func(revision *appsv1.ControllerRevision) bool {
		return inUse[revision.Labels[appsv1.DefaultDaemonSetUniqueLabelKey]]
	})
}

// store writes the status if it says anything new.
func (r *reconciler) store(ctx context.Context, key reconcile.Key, v *view) error {
	status := v.status()
	status.ObservedGeneration = v.ds.Generation
	if status.NumberReady != status.NumberAvailable {
		var all []*corev1.Pod
		for _, pods := range v.pods {
			all = append(all, pods...)
		}
		if wait, ok := owned.UntilAvailable(all, v.ds.Spec.MinReadySeconds, v.now); ok {
			r.loop.AddAfter(key, wait)
		}
	}
	if equality.Semantic.DeepEqual(v.ds.Status, status) {
		return nil
	}
	next := v.ds.DeepCopy()
	next.Status = status
	_, err := r.client.AppsV1().DaemonSets(key.Namespace).UpdateStatus(ctx, next, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
