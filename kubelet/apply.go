package kubelet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/netplugin"
)

// apply does what is planned. It returns when to plan again if a container
// could not be started for a reason that may pass.
func (w *worker) apply(ctx context.Context, pod *corev1.Pod, sandboxes []Sandbox, p plan) (again time.Time, err error) {
	for _, k := range p.kill {
		if err := w.kill(ctx, pod, k.container, k.message, time.Now().Add(w.killGrace(pod, k))); err != nil {
			return time.Time{}, err
		}
	}
	if p.newSandbox {
		return time.Time{}, w.renewSandbox(ctx, pod, sandboxes, p.attempt)
	}
	for i, start := range p.start {
		why, retry, err := w.startContainer(ctx, pod, sandboxes[0], start)
		if err != nil {
			return again, err
		}
		if why != nil {
			w.waiting[start.container.Name], w.held[start.container.Name] = *why, retry
			again = earliest(again, retry)
			continue
		}
		delete(w.waiting, start.container.Name)
		delete(w.held, start.container.Name)
		if i < len(p.start)-1 {
			if err := w.k.observer.refresh(ctx); err != nil {
				return again, err
			}
			w.updateProbes(pod, w.k.observer.pod(w.uid))
			w.publish(pod, statusStage{})
		}
	}
	return again, nil
}

// killGrace is how long a container that is to be restarted is given: the
// failed probe may set a time of its own.
func (w *worker) killGrace(pod *corev1.Pod, k killAction) time.Duration {
	c := findContainer(pod, k.container.Name)
	if c != nil {
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe} {
			if probe != nil && probe.TerminationGracePeriodSeconds != nil {
				return time.Duration(*probe.TerminationGracePeriodSeconds) * time.Second
			}
		}
	}
	return grace(pod)
}

// renewSandbox stops what is left of older sandboxes and makes a new one.
func (w *worker) renewSandbox(ctx context.Context, pod *corev1.Pod, old []Sandbox, attempt uint32) error {
	if len(old) > 0 {
		w.event(pod, corev1.EventTypeNormal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.")
		if err := w.killAll(ctx, pod, old); err != nil {
			return err
		}
	}
	for _, s := range old {
		if err := w.k.stopSandbox(ctx, s); err != nil {
			return err
		}
		delete(w.ips, s.ID)
	}
	spec, err := w.k.sandboxSpec(pod, attempt)
	if err == nil {
		var s Sandbox
		if s, err = w.k.runtime.RunSandbox(ctx, spec); err == nil {
			if err = w.attach(ctx, pod, []Sandbox{s}); err != nil {
				err = errors.Join(err, w.k.runtime.RemoveSandbox(ctx, s.ID))
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		w.event(pod, corev1.EventTypeWarning, "FailedCreatePodSandBox", "Failed to create pod sandbox: %v", err)
		w.held[""] = time.Now().Add(retryDelay) // whatever events the failed try has made
	}
	return err
}

// attach connects the newest sandbox if it runs and this kubelet has not seen
// to it yet. What was connected before a restart keeps its addresses.
func (w *worker) attach(ctx context.Context, pod *corev1.Pod, sandboxes []Sandbox) error {
	if len(sandboxes) == 0 || sandboxes[0].State != StateRunning || w.ips[sandboxes[0].ID] != nil {
		return nil
	}
	s := sandboxes[0]
	switch {
	case s.Spec.HostNetwork:
		w.ips[s.ID] = w.k.hostIPs
	case w.k.cfg.Network == nil:
		w.ips[s.ID] = s.IPs
	default:
		if err := w.k.waitPodCIDR(ctx); err != nil {
			return err
		}
		ports, err := hostPorts(pod)
		if err != nil {
			return err
		}
		result, err := w.k.cfg.Network.Add(ctx, attachment(s, ports))
		if err != nil {
			return fmt.Errorf("failed to set up the pod's network: %w", err)
		}
		for _, ip := range result.IPs {
			w.ips[s.ID] = append(w.ips[s.ID], ip.String())
		}
	}
	return nil
}

// hostPorts are the ports of the node to forward to a pod.
func hostPorts(pod *corev1.Pod) ([]netplugin.PortMapping, error) {
	var ports []netplugin.PortMapping
	var err error
	eachContainer(pod, func(c *corev1.Container) {
		for _, p := range c.Ports {
			if p.HostPort == 0 {
				continue
			}
			m := netplugin.PortMapping{
				HostPort: uint16(p.HostPort), ContainerPort: uint16(p.ContainerPort), Protocol: string(p.Protocol),
			}
			if p.HostIP != "" {
				addr, bad := netip.ParseAddr(p.HostIP)
				if bad != nil {
					err = fmt.Errorf("hostIP of port %d of container %s: %w", p.HostPort, c.Name, bad)
				}
				if !addr.IsUnspecified() {
					m.HostIP = addr
				}
			}
			ports = append(ports, m)
		}
	})
	return ports, err
}

// startContainer brings one container up. It returns why the container waits,
// and until when, if that is for a reason to show to the user.
func (w *worker) startContainer(ctx context.Context, pod *corev1.Pod, s Sandbox, start startAction) (*waitReason, time.Time, error) {
	c, now := start.container, time.Now()
	image, why, retry, err := w.ensureImage(ctx, pod, c)
	if why != nil || err != nil {
		return why, retry, err
	}
	if start.created != "" {
		if err := w.k.runtime.RemoveContainer(ctx, start.created); err != nil {
			return nil, time.Time{}, err
		}
	}
	fail := func(reason string, err error) (*waitReason, time.Time, error) {
		if ctx.Err() != nil {
			return nil, time.Time{}, ctx.Err()
		}
		w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "Failed", "Error: %v", err)
		return &waitReason{reason, err.Error()}, time.Now().Add(retryDelay), nil
	}
	spec, err := w.containerSpec(ctx, pod, c, image, s, start.attempt)
	if err != nil {
		return fail("CreateContainerConfigError", err)
	}
	if !start.crashed.IsZero() {
		w.crashes.next(c.Name, start.crashed, now)
	}
	id, err := w.k.runtime.CreateContainer(ctx, s.ID, spec)
	if err != nil {
		return fail("CreateContainerError", err)
	}
	w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "Created", "Container created")
	if err := w.k.runtime.StartContainer(ctx, id); err != nil {
		return fail("RunContainerError", err)
	}
	w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "Started", "Container started")

	if c.Lifecycle != nil && c.Lifecycle.PostStart != nil {
		if err := w.hook(ctx, pod, c, id, c.Lifecycle.PostStart); err != nil && ctx.Err() == nil {
			w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "FailedPostStartHook", "PostStartHook failed")
			w.log.Info("postStart hook failed", "container", c.Name, "err", err)
			if err := w.kill(ctx, pod, Container{ID: id, Name: c.Name}, "FailedPostStartHook", time.Now().Add(grace(pod))); err != nil {
				return nil, time.Time{}, err
			}
			return &waitReason{"PostStartHookError", "PostStartHook failed"}, time.Now().Add(time.Second), nil
		}
	}
	return nil, time.Time{}, nil
}
