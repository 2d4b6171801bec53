package kubelet

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// retryDelay is how long a pod waits after a step failed for a reason that
// nothing will tell the end of.
const retryDelay = 10 * time.Second

// worker looks after one pod. Its goroutine exists only while there is work:
// after a change of the pod, of its containers or of a probe's result, and
// when a time planned before has come.
type worker struct {
	k   *Kubelet
	uid types.UID
	log *slog.Logger

	mu      sync.Mutex
	pod     *corev1.Pod // as last seen in the API
	gone    bool        // no longer in the API
	busy    bool        // the goroutine exists
	dirty   bool        // there is something new to look at
	stale   bool        // something that volumes show has changed
	shown   *corev1.Pod // what volumes of the downward API show
	cancel  context.CancelFunc
	timer   *time.Timer
	probes  map[probeKey]*probeTask
	status  statusSender
	killing map[string]bool // containers whose end was told, by ID

	// The rest belongs to the goroutine.
	admitted  bool
	rejected  *waitReason
	evicted   *waitReason
	crashes   backoff
	pulls     backoff
	pullErrs  map[string]string    // last failure of a pull, by image
	pullAt    map[string]time.Time // and when it was
	waiting   map[string]waitReason
	held      map[string]time.Time // not to be started before, by name
	told      map[string]time.Time // back-offs an event was sent for
	ips       map[string][]string  // addresses, by sandbox
	ready     bool                 // volumes and cgroup are there
	volumes   map[string]string    // places of volumes on the node, by name
	tokens    map[string]token     // of the service account, by audience
	said      map[string]string    // termination messages, by container ID
	retries   int                  // failures of that in a row
	prepareAt time.Time            // not to be tried again before
	done      bool                 // nothing of the pod is left
}

func newWorker(k *Kubelet, pod *corev1.Pod) *worker {
	w := &worker{
		k: k, uid: pod.UID, pod: pod,
		log:     k.log.With("pod", pod.Namespace+"/"+pod.Name, "uid", pod.UID),
		probes:  make(map[probeKey]*probeTask),
		killing: make(map[string]bool),
		crashes: make(backoff), pulls: make(backoff),
		pullErrs: make(map[string]string), pullAt: make(map[string]time.Time),
		waiting: make(map[string]waitReason), told: make(map[string]time.Time), held: make(map[string]time.Time),
		ips: make(map[string][]string), tokens: make(map[string]token), said: make(map[string]string),
	}
	w.status.w = w
	return w
}

// update takes in the pod as it now is in the API.
func (w *worker) update(pod *corev1.Pod, gone bool) {
	w.mu.Lock()
	old := w.pod
	w.pod, w.gone = pod, w.gone || gone
	// What is under way is not worth ending if the pod is to end sooner.
	if w.cancel != nil && (gone || pod.DeletionTimestamp != nil && (old.DeletionTimestamp == nil || grace(pod) < grace(old))) {
		w.cancel()
	}
	w.mu.Unlock()
	w.wake()
}

// wake makes the worker look at its pod again.
func (w *worker) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dirty = true
	if !w.busy {
		w.busy = true
		w.k.tasks.start(w.run)
	}
}

// refresh wakes the worker to bring the pod's volumes up to date.
func (w *worker) refresh() {
	w.mu.Lock()
	w.stale = true
	w.mu.Unlock()
	w.wake()
}

// outdated reports, once for each reason, whether the pod's volumes may show
// something old: an object has changed, the pod has, or a token wears out.
func (w *worker) outdated(pod *corev1.Pod) bool {
	w.mu.Lock()
	stale := w.stale || w.shown != nil && (!maps.Equal(w.shown.Labels, pod.Labels) || !maps.Equal(w.shown.Annotations, pod.Annotations))
	w.stale, w.shown = false, pod
	w.mu.Unlock()
	at := w.nextRefresh()
	return stale || !at.IsZero() && !time.Now().Before(at)
}

// nextRefresh is when the pod's volumes have to be brought up to date again if
// nothing changes: when that has failed before, or a token wears out.
func (w *worker) nextRefresh() time.Time {
	if w.retries > 0 {
		return w.prepareAt
	}
	var at time.Time
	for _, t := range w.tokens {
		at = earliest(at, t.refresh)
	}
	return at
}

// wakeAt wakes the worker at a time, if nothing does so before.
func (w *worker) wakeAt(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if !at.IsZero() {
		w.timer = time.AfterFunc(max(0, time.Until(at)), w.wake)
	}
}

// stop ends the timers; the goroutine ends with the kubelet's context.
func (w *worker) stop() {
	w.wakeAt(time.Time{})
	w.stopProbes(func(probeKey) bool { return true })
	w.status.stop()
}

// run syncs until nothing is new.
func (w *worker) run() {
	for {
		w.mu.Lock()
		if !w.dirty || w.done || w.k.ctx.Err() != nil {
			w.busy = false
			w.mu.Unlock()
			return
		}
		w.dirty = false
		ctx, cancel := context.WithCancel(w.k.ctx)
		w.cancel = cancel
		pod, gone := w.pod, w.gone
		w.mu.Unlock()

		wake, err := w.sync(ctx, pod, gone)
		interrupted := ctx.Err() != nil
		cancel()
		switch {
		case err == nil || w.k.ctx.Err() != nil:
		case interrupted && errors.Is(err, context.Canceled):
			w.log.Debug("pod sync was interrupted by a newer state of the pod")
		default:
			w.log.Warn("pod sync failed", "err", err)
			if wake.IsZero() {
				wake = time.Now().Add(retryDelay)
			}
		}
		if !w.done {
			w.wakeAt(wake)
		}
	}
}

// sync brings the pod one step, or several, to what it shall be. It returns
// when it wants to be called again if nothing changes before.
func (w *worker) sync(ctx context.Context, pod *corev1.Pod, gone bool) (time.Time, error) {
	if err := w.k.observer.refresh(ctx); err != nil {
		return time.Time{}, err
	}
	if gone || pod.DeletionTimestamp != nil || isTerminal(pod.Status.Phase) || w.rejected != nil || w.evicted != nil {
		return w.end(ctx, pod, gone)
	}
	if !w.admitted {
		if why := w.k.admit(pod, w.k.observer.pod(w.uid)); why != nil {
			w.rejected = why
			w.event(pod, corev1.EventTypeWarning, why.reason, "%s", why.message)
			return w.end(ctx, pod, gone)
		}
		w.admitted = true
	}
	deadline := activeDeadline(pod)
	if !deadline.IsZero() && !time.Now().Before(deadline) {
		w.evicted = &waitReason{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"}
		w.event(pod, corev1.EventTypeNormal, w.evicted.reason, "%s", w.evicted.message)
		return w.end(ctx, pod, gone)
	}
	wake, finished, err := w.converge(ctx, pod)
	if finished {
		return w.end(ctx, pod, gone)
	}
	if !deadline.IsZero() && (wake.IsZero() || deadline.Before(wake)) {
		wake = deadline
	}
	return wake, err
}

// converge plans and applies until the plan is empty.
func (w *worker) converge(ctx context.Context, pod *corev1.Pod) (wake time.Time, finished bool, err error) {
	for {
		sandboxes := w.k.observer.pod(w.uid)
		outdated := w.outdated(pod)
		if !w.ready && !outdated && w.retries > 0 {
			return w.prepareAt, false, nil
		}
		if !w.ready || outdated {
			for name, why := range w.waiting {
				if why.reason == "CreateContainerConfigError" {
					delete(w.held, name) // what it refers to may be there now
				}
			}
			w.publish(pod, statusStage{})
			// What the volumes of a pod that runs show is better than nothing.
			if retry, err := w.prepare(ctx, pod); err != nil && !w.ready {
				return retry, false, err
			}
		}
		if err := w.attach(ctx, pod, sandboxes); err != nil {
			return time.Time{}, false, err
		}
		w.updateProbes(pod, sandboxes)
		p := makePlan(planInput{
			pod: pod, sandboxes: sandboxes, health: w.healthOf(pod, sandboxes), crashes: w.crashes, held: w.held, now: time.Now(),
		})
		if p.finished {
			return time.Time{}, true, nil
		}
		w.noteWaiting(pod, sandboxes, p)
		w.publish(pod, statusStage{})
		if len(p.kill) == 0 && !p.newSandbox && len(p.start) == 0 {
			if err := w.collect(ctx, pod, sandboxes); err != nil {
				return time.Time{}, false, err
			}
			return earliest(p.wake, w.nextRefresh()), false, nil
		}
		again, err := w.apply(ctx, pod, sandboxes, p)
		if err != nil {
			w.k.observer.refresh(ctx)
			w.publish(pod, statusStage{})
			return earliest(p.wake, again), false, err
		}
		if err := w.k.observer.refresh(ctx); err != nil {
			return time.Time{}, false, err
		}
		if !again.IsZero() {
			w.updateProbes(pod, w.k.observer.pod(w.uid))
			w.publish(pod, statusStage{})
			return earliest(p.wake, again), false, nil
		}
	}
}

// noteWaiting takes over the plan's back-offs, and forgets reasons of
// containers that run or are no longer held back.
func (w *worker) noteWaiting(pod *corev1.Pod, sandboxes []Sandbox, p plan) {
	for name, why := range w.waiting {
		c := newest(sandboxes, name)
		if why.reason == "CrashLoopBackOff" || c != nil && c.State == StateRunning {
			delete(w.waiting, name)
		}
	}
	for name, why := range p.waiting {
		w.waiting[name] = why
		if c := newest(sandboxes, name); c != nil && !w.told[name].Equal(c.FinishedAt) {
			w.told[name] = c.FinishedAt
			w.containerEvent(pod, name, corev1.EventTypeWarning, "BackOff",
				"Back-off restarting failed container %s in pod %s", name, podKey(pod))
		}
	}
}

// earliest is the earlier of two times that are not zero.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// activeDeadline is when the pod has run for as long as it may; zero if it may
// run for ever.
func activeDeadline(pod *corev1.Pod) time.Time {
	if pod.Spec.ActiveDeadlineSeconds == nil || pod.Status.StartTime == nil {
		return time.Time{}
	}
	return pod.Status.StartTime.Add(time.Duration(*pod.Spec.ActiveDeadlineSeconds) * time.Second)
}

func (w *worker) event(pod *corev1.Pod, kind, reason, format string, args ...any) {
	w.k.recorder.event(podRef(pod), kind, reason, format, args...)
}

func (w *worker) containerEvent(pod *corev1.Pod, container, kind, reason, format string, args ...any) {
	w.k.recorder.event(containerRef(pod, container), kind, reason, format, args...)
}

// statusStage is how far the ending of a pod has got.
type statusStage struct {
	// ending says that no container is started any more, final that all have
	// ended.
	ending, final bool
}

// publish makes the pod's status and has it written.
func (w *worker) publish(pod *corev1.Pod, stage statusStage) {
	sandboxes := w.k.observer.pod(w.uid)
	old := w.status.last()
	if old == nil {
		old = &pod.Status
	}
	in := statusInput{
		pod: pod, old: old, sandboxes: sandboxes, hostIPs: w.k.hostIPs, waiting: w.waiting,
		health: w.healthOf(pod, sandboxes), ending: stage.ending, final: stage.final,
		messages:    w.messages(sandboxes),
		runtimeName: w.k.runtimeName(), now: time.Now(),
	}
	if len(sandboxes) > 0 {
		in.ips = w.ips[sandboxes[0].ID]
	}
	switch {
	case w.rejected != nil:
		in.failed = w.rejected
	case w.evicted != nil:
		in.failed = w.evicted
	}
	if stage.ending {
		in.waiting = nil
	}
	w.status.set(makeStatus(in))
}
