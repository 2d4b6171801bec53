package kubelet

import (
	"context"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/kubelet/probe"
)

// probeKey names one probe of one container.
type probeKey struct {
	containerID string
	kind        ProbeKind
}

// probeTask runs one probe of one container. Between two tries it is a timer
// and no goroutine. The worker's mutex guards its fields.
type probeTask struct {
	w         *worker
	key       probeKey
	spec      *corev1.Probe
	container *corev1.Container
	pod       *corev1.Pod
	ips       []string

	timer   *time.Timer
	cancel  context.CancelFunc // of the try under way
	stopped bool
	count   int  // tries in a row with the same result
	last    bool // the last try's result
	result  bool // the result, by the thresholds
	decided bool // there is a result
}

// updateProbes starts the probes of running containers and ends those of
// others.
func (w *worker) updateProbes(pod *corev1.Pod, sandboxes []Sandbox) {
	running := make(map[string]bool)
	if len(sandboxes) > 0 {
		for _, c := range sandboxes[0].Containers {
			if c.State != StateRunning {
				continue
			}
			running[c.ID] = true
			if spec := findContainer(pod, c.Name); spec != nil {
				w.startProbes(pod, spec, c, w.ips[sandboxes[0].ID])
			}
		}
	}
	w.stopProbes(func(key probeKey) bool { return !running[key.containerID] })
}

// startProbes starts the probes of a running container that are due.
func (w *worker) startProbes(pod *corev1.Pod, spec *corev1.Container, c Container, ips []string) {
	for _, p := range []struct {
		kind ProbeKind
		spec *corev1.Probe
	}{{ProbeStartup, spec.StartupProbe}, {ProbeReadiness, spec.ReadinessProbe}, {ProbeLiveness, spec.LivenessProbe}} {
		key := probeKey{c.ID, p.kind}
		w.mu.Lock()
		_, exists := w.probes[key]
		due := p.spec != nil && !exists && (p.kind == ProbeStartup || w.startedLocked(spec, c.ID))
		if due {
			t := &probeTask{w: w, key: key, spec: p.spec, container: spec, pod: pod, ips: ips}
			t.adopt(w.k.runtimeName())
			w.probes[key] = t
			first := c.StartedAt.Add(time.Duration(p.spec.InitialDelaySeconds) * time.Second)
			t.timer = time.AfterFunc(max(0, time.Until(first)), t.fire)
		}
		w.mu.Unlock()
	}
}

// adopt begins with the result that the pod's status has for a container that
// ran before this kubelet.
func (t *probeTask) adopt(runtimeName string) {
	t.result = t.key.kind == ProbeLiveness
	for _, list := range [][]corev1.ContainerStatus{t.pod.Status.ContainerStatuses, t.pod.Status.InitContainerStatuses} {
		for i := range list {
			s := &list[i]
			if s.ContainerID != runtimeName+"://"+t.key.containerID {
				continue
			}
			switch t.key.kind {
			case ProbeReadiness:
				t.result = s.Ready
			case ProbeStartup:
				t.result = s.Started != nil && *s.Started
				t.decided = t.result
			}
		}
	}
}

// startedLocked reports whether a running container has passed its startup
// probe; w.mu is held.
func (w *worker) startedLocked(spec *corev1.Container, containerID string) bool {
	if spec.StartupProbe == nil {
		return true
	}
	t := w.probes[probeKey{containerID, ProbeStartup}]
	return t != nil && t.decided && t.result
}

// healthOf sums up the probes of a pod's running containers.
func (w *worker) healthOf(pod *corev1.Pod, sandboxes []Sandbox) map[string]health {
	all := make(map[string]health)
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range sandboxes {
		for _, c := range sandboxes[i].Containers {
			spec := findContainer(pod, c.Name)
			if c.State != StateRunning || spec == nil {
				continue
			}
			h := health{started: w.startedLocked(spec, c.ID), ready: spec.ReadinessProbe == nil}
			if t := w.probes[probeKey{c.ID, ProbeReadiness}]; t != nil {
				h.ready = t.result
			}
			if t := w.probes[probeKey{c.ID, ProbeStartup}]; t != nil && t.decided && !t.result {
				h.failed = "startup"
			}
			if t := w.probes[probeKey{c.ID, ProbeLiveness}]; t != nil && t.decided && !t.result {
				h.failed = "liveness"
			}
			all[c.ID] = h
		}
	}
	return all
}

// stopProbes ends the probes that match and forgets their results.
func (w *worker) stopProbes(match func(probeKey) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, t := range w.probes {
		if match(key) {
			t.stopLocked()
			delete(w.probes, key)
		}
	}
}

// pauseRestarts ends the probes that could have a container restarted. That a
// container has started stays known.
func (w *worker) pauseRestarts() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, t := range w.probes {
		if key.kind != ProbeReadiness {
			t.stopLocked()
		}
	}
}

// stopLocked ends a probe; w.mu is held.
func (t *probeTask) stopLocked() {
	t.stopped = true
	t.timer.Stop()
	if t.cancel != nil {
		t.cancel()
	}
}

// fire tries once, in a goroutine of its own.
func (t *probeTask) fire() { t.w.k.tasks.start(t.try) }

func (t *probeTask) try() {
	t.w.mu.Lock()
	if t.stopped || t.w.k.ctx.Err() != nil {
		t.w.mu.Unlock()
		return
	}
	limit := time.Duration(max(1, t.spec.TimeoutSeconds)) * time.Second
	ctx, cancel := context.WithTimeout(t.w.k.ctx, limit)
	t.cancel = cancel
	t.w.mu.Unlock()

	begin := time.Now()
	err := t.w.k.runProbe(ctx, t, limit)
	cancel()

	t.w.mu.Lock()
	if t.stopped || t.w.k.ctx.Err() != nil {
		t.w.mu.Unlock()
		return
	}
	changed := t.takeLocked(err == nil)
	period := time.Duration(max(1, t.spec.PeriodSeconds)) * time.Second
	if t.key.kind == ProbeStartup && t.decided || t.key.kind == ProbeLiveness && t.decided && !t.result {
		t.timer.Stop() // its work is done: started, or to be killed
	} else {
		t.timer.Reset(max(0, period-time.Since(begin)))
	}
	t.w.mu.Unlock()
	if err != nil {
		t.w.containerEvent(t.pod, t.container.Name, corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %v", t.key.kind, err)
	}
	if changed {
		t.w.wake()
	}
}

// takeLocked counts a try and reports whether it changes the result; w.mu is
// held.
func (t *probeTask) takeLocked(success bool) bool {
	if t.count == 0 || t.last != success {
		t.last, t.count = success, 0
	}
	t.count = min(t.count+1, math.MaxInt32)
	threshold := max(1, t.spec.FailureThreshold)
	if t.spec.FailureThreshold == 0 {
		threshold = 3
	}
	if success {
		threshold = max(1, t.spec.SuccessThreshold)
	}
	if t.count < int(threshold) {
		return false
	}
	changed := !t.decided || t.result != success
	t.decided, t.result = true, success
	return changed
}

// runProbe tries a probe once; the error is the failure.
func (k *Kubelet) runProbe(ctx context.Context, t *probeTask, limit time.Duration) error {
	h := t.spec.ProbeHandler
	if h.Exec != nil {
		return k.probeExec(ctx, t.key.containerID, h.Exec.Command, limit)
	}
	if p, ok := k.runtime.(Prober); ok {
		return p.Probe(ctx, t.key.containerID, ProbeRequest{Kind: t.key.kind, Handler: h})
	}
	ip := ""
	if len(t.ips) > 0 {
		ip = t.ips[0]
	}
	return probe.Run(ctx, h, probe.Target{Container: t.container, IP: ip, Timeout: limit})
}

// probeExec runs a probe's command; the error has its output.
func (k *Kubelet) probeExec(ctx context.Context, containerID string, command []string, limit time.Duration) error {
	output, err := k.execOutput(ctx, containerID, command)
	switch {
	case ctx.Err() == context.DeadlineExceeded:
		return probe.Timeout(slices.Clone(command), limit)
	case err == nil:
		return nil
	case output != "":
		return probe.Failure(output)
	}
	return err
}
