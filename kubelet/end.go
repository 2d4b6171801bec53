package kubelet

import (
	"context"
	"errors"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/netplugin"
)

// minimumGrace is the least time a container is given to end.
const minimumGrace = 2 * time.Second

// grace is how long the containers of an ending pod are given.
func grace(pod *corev1.Pod) time.Duration {
	seconds := int64(corev1.DefaultTerminationGracePeriodSeconds)
	switch {
	case pod.DeletionGracePeriodSeconds != nil:
		seconds = *pod.DeletionGracePeriodSeconds
	case pod.Spec.TerminationGracePeriodSeconds != nil:
		seconds = *pod.Spec.TerminationGracePeriodSeconds
	}
	return max(time.Duration(seconds)*time.Second, minimumGrace)
}

// end stops all of a pod, cleans up after it, reports it, and deletes it from
// the API if that is wanted. It can be repeated at any point.
func (w *worker) end(ctx context.Context, pod *corev1.Pod, gone bool) (time.Time, error) {
	w.pauseRestarts()
	w.publish(pod, statusStage{ending: true})
	if err := w.killAll(ctx, pod, w.k.observer.pod(w.uid)); err != nil {
		return time.Time{}, err
	}
	for _, s := range w.k.observer.pod(w.uid) {
		if err := w.k.stopSandbox(ctx, s); err != nil {
			w.event(pod, corev1.EventTypeWarning, "FailedKillPod", "error killing pod: %v", err)
			return time.Time{}, err
		}
	}
	if err := w.k.observer.refresh(ctx); err != nil {
		return time.Time{}, err
	}
	w.stopProbes(func(probeKey) bool { return true })
	w.publish(pod, statusStage{ending: true, final: true})
	if err := w.cleanup(ctx, pod); err != nil {
		return time.Time{}, err
	}
	w.k.release(w.uid)
	if !gone && pod.DeletionTimestamp == nil {
		return time.Time{}, nil // its records stay until it is deleted
	}
	for _, s := range w.k.observer.pod(w.uid) {
		if err := w.k.runtime.RemoveSandbox(ctx, s.ID); err != nil {
			return time.Time{}, err
		}
	}
	if err := w.k.files.removeLogs(pod); err != nil {
		return time.Time{}, err
	}
	if gone {
		w.done = true
		w.k.forget(w)
		return time.Time{}, nil
	}
	w.status.setAndDelete()
	return time.Time{}, nil
}

// killAll stops the running containers: first, all at once, those that are no
// sidecars, then the sidecars, last started first.
func (w *worker) killAll(ctx context.Context, pod *corev1.Pod, sandboxes []Sandbox) error {
	end := time.Now().Add(grace(pod))
	var first []Container
	sidecars := make(map[string]Container)
	for _, s := range sandboxes {
		for _, c := range s.Containers {
			if c.State == StateExited {
				continue
			}
			if spec := findContainer(pod, c.Name); spec != nil && isSidecar(spec) {
				sidecars[c.Name] = c
			} else {
				first = append(first, c)
			}
		}
	}
	errs := make([]error, len(first))
	var wg sync.WaitGroup
	for i, c := range first {
		wg.Go(func() { errs[i] = w.kill(ctx, pod, c, "Stopping container "+c.Name, end) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := len(pod.Spec.InitContainers) - 1; i >= 0; i-- {
		c, ok := sidecars[pod.Spec.InitContainers[i].Name]
		if !ok {
			continue
		}
		if err := w.kill(ctx, pod, c, "Stopping container "+c.Name, end); err != nil {
			return err
		}
	}
	return nil
}

// kill stops one container: its preStop hook, then its stop signal, then, at
// end, the kill signal.
func (w *worker) kill(ctx context.Context, pod *corev1.Pod, c Container, message string, end time.Time) error {
	w.mu.Lock()
	first := !w.killing[c.ID]
	w.killing[c.ID] = true
	w.mu.Unlock()
	if first {
		w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "Killing", "%s", message)
		spec := findContainer(pod, c.Name)
		if spec != nil && spec.Lifecycle != nil && spec.Lifecycle.PreStop != nil && c.State == StateRunning {
			hookCtx, cancel := context.WithDeadline(ctx, end)
			err := w.hook(hookCtx, pod, spec, c.ID, spec.Lifecycle.PreStop)
			cancel()
			if err != nil && ctx.Err() == nil {
				w.log.Info("preStop hook failed", "container", c.Name, "err", err)
				w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "FailedPreStopHook", "PreStopHook failed")
			}
		}
	}
	return w.k.runtime.StopContainer(ctx, c.ID, max(time.Until(end), minimumGrace))
}

// stopSandbox disconnects a sandbox and stops it.
func (k *Kubelet) stopSandbox(ctx context.Context, s Sandbox) error {
	if k.cfg.Network != nil && !s.Spec.HostNetwork {
		if err := k.cfg.Network.Del(ctx, attachment(s, nil)); err != nil {
			return err
		}
	}
	if s.State != StateRunning {
		return nil
	}
	return k.runtime.StopSandbox(ctx, s.ID)
}

// attachment names a sandbox to the network plugin.
func attachment(s Sandbox, ports []netplugin.PortMapping) netplugin.Attachment {
	return netplugin.Attachment{
		SandboxID: s.ID, NetNS: s.NetNS,
		PodNamespace: s.Spec.PodNamespace, PodName: s.Spec.PodName, PodUID: s.Spec.PodUID,
		Ports: ports,
	}
}
