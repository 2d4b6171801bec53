package simulated

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

type container struct {
	kubelet.Container
	spec      kubelet.ContainerSpec
	sandbox   *sandbox
	behaviour Behaviour
	log       logBuffer
	ended     chan struct{} // closed when the state becomes Exited
	starting  bool
	timer     *time.Timer        // the exit to come
	cancel    context.CancelFunc // ends Main
	stdin     *io.PipeWriter     // where Attach sends what it gets
	resources kubelet.Resources
}

// CreateContainer implements kubelet.Runtime.
func (r *Runtime) CreateContainer(ctx context.Context, sandboxID string, spec kubelet.ContainerSpec) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	image, err := r.ImageStatus(ctx, spec.Image)
	if err != nil {
		return "", fmt.Errorf("create container %q: %w: %s", spec.Name, err, spec.Image)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sandboxes[sandboxID]
	if !ok {
		return "", fmt.Errorf("create container %q in sandbox %s: %w", spec.Name, sandboxID, kubelet.ErrNotFound)
	}
	if s.State != kubelet.StateRunning {
		return "", fmt.Errorf("create container %q: sandbox %s does not run", spec.Name, sandboxID)
	}
	var behaviour Behaviour
	if r.cfg.Script != nil {
		behaviour = r.cfg.Script(s.Spec, spec)
	}
	if behaviour.CreateError != nil {
		return "", behaviour.CreateError
	}
	c := &container{
		Container: kubelet.Container{
			ID: r.newID(), SandboxID: sandboxID, Name: spec.Name, Attempt: spec.Attempt,
			State: kubelet.StateCreated, Image: spec.Image, ImageID: image.ID, CreatedAt: time.Now(),
			LogPath: spec.LogPath, Labels: spec.Labels, Annotations: spec.Annotations,
		},
		spec: spec, sandbox: s, behaviour: behaviour,
		log: newLogBuffer(), ended: make(chan struct{}), resources: spec.Resources,
	}
	s.containers = append(s.containers, c)
	r.containers[c.ID] = c
	r.publish(s)
	return c.ID, nil
}

// StartContainer implements kubelet.Runtime.
func (r *Runtime) StartContainer(ctx context.Context, containerID string) error {
	r.mu.Lock()
	c, ok := r.containers[containerID]
	switch {
	case !ok:
		r.mu.Unlock()
		return fmt.Errorf("start container %s: %w", containerID, kubelet.ErrNotFound)
	case c.State != kubelet.StateCreated || c.starting:
		r.mu.Unlock()
		return fmt.Errorf("start container %s: it was started before", containerID)
	}
	c.starting = true
	r.mu.Unlock()

	if d := c.behaviour.StartTime; d > 0 {
		wait := time.NewTimer(d)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-c.ended:
			return fmt.Errorf("start container %s: it was killed while starting", containerID)
		case <-ctx.Done():
			r.mu.Lock()
			c.starting = false
			r.mu.Unlock()
			return ctx.Err()
		}
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	if c.State != kubelet.StateCreated {
		return fmt.Errorf("start container %s: it was killed while starting", containerID)
	}
	if err := c.behaviour.StartError; err != nil {
		r.exit(c, 128, "StartError", err.Error())
		return err
	}
	c.State, c.StartedAt = kubelet.StateRunning, time.Now()
	for _, line := range c.behaviour.Log {
		c.log.writeLine("stdout", line)
	}
	switch b := c.behaviour; {
	case b.Main != nil:
		r.startMain(c)
	case b.Exits:
		c.timer = time.AfterFunc(b.ExitAfter, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.exit(c, b.ExitCode, b.Reason, b.Message)
		})
	}
	r.publish(c.sandbox)
	return nil
}

// startMain runs a container that is a function; r.mu is held.
func (r *Runtime) startMain(c *container) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	p := Process{
		Pod: c.sandbox.Spec, Container: c.spec,
		Stdout: c.log.writer("stdout"), Stderr: c.log.writer("stderr"),
	}
	if c.spec.Stdin {
		p.Stdin, c.stdin = io.Pipe()
	}
	go func() {
		code := c.behaviour.Main(ctx, p)
		cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.exit(c, code, c.behaviour.Reason, c.behaviour.Message)
	}()
}

// exit ends a container; r.mu is held.
func (r *Runtime) exit(c *container, code int, reason, message string) {
	if c.State == kubelet.StateExited {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.stdin != nil {
		c.stdin.Close()
	}
	switch {
	case reason != "":
	case code == 0:
		reason = "Completed"
	default:
		reason = "Error"
	}
	c.State, c.FinishedAt = kubelet.StateExited, time.Now()
	c.ExitCode, c.Reason, c.Message = code, reason, message
	c.log.close()
	close(c.ended)
	r.publish(c.sandbox)
}

// StopContainer implements kubelet.Runtime.
func (r *Runtime) StopContainer(ctx context.Context, containerID string, grace time.Duration) error {
	r.mu.Lock()
	c, ok := r.containers[containerID]
	r.mu.Unlock()
	if !ok {
		return nil
	}
	return r.stop(ctx, c, grace)
}

func (r *Runtime) stop(ctx context.Context, c *container, grace time.Duration) error {
	r.mu.Lock()
	switch {
	case c.State == kubelet.StateExited:
		r.mu.Unlock()
		return nil
	case c.State == kubelet.StateCreated:
		r.exit(c, 137, "", "")
		r.mu.Unlock()
		return nil
	case c.cancel != nil: // a function ends by itself; there is no way to kill it
		c.cancel()
		if c.stdin != nil {
			c.stdin.Close()
		}
		r.mu.Unlock()
		select {
		case <-c.ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b := c.behaviour
	if b.StopTime <= 0 && grace > 0 {
		r.exit(c, b.StopCode, "", "")
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()

	wait := time.NewTimer(min(b.StopTime, grace))
	defer wait.Stop()
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.StopTime <= grace && grace > 0 {
		r.exit(c, b.StopCode, "", "")
	} else {
		r.exit(c, 137, "", "")
	}
	return nil
}

// RemoveContainer implements kubelet.Runtime.
func (r *Runtime) RemoveContainer(ctx context.Context, containerID string) error {
	if err := r.StopContainer(ctx, containerID, 0); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.containers[containerID]
	if !ok {
		return nil
	}
	delete(r.containers, containerID)
	c.sandbox.containers = slices.DeleteFunc(c.sandbox.containers, func(x *container) bool { return x == c })
	r.publish(c.sandbox)
	return nil
}

// Exit ends a running container from within, as if its process had exited
// with code: for tests that kill a container by hand.
func (r *Runtime) Exit(containerID string, code int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.containers[containerID]
	switch {
	case !ok:
		return fmt.Errorf("exit of container %s: %w", containerID, kubelet.ErrNotFound)
	case c.State != kubelet.StateRunning:
		return fmt.Errorf("exit of container %s: it does not run", containerID)
	case c.cancel != nil:
		c.cancel()
	default:
		r.exit(c, code, "", "")
	}
	return nil
}

// running returns a running container.
func (r *Runtime) running(containerID string) (*container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.containers[containerID]
	switch {
	case !ok:
		return nil, fmt.Errorf("container %s: %w", containerID, kubelet.ErrNotFound)
	case c.State != kubelet.StateRunning:
		return nil, fmt.Errorf("container %s does not run", containerID)
	}
	return c, nil
}

// UpdateResources implements kubelet.ResourceUpdater.
func (r *Runtime) UpdateResources(_ context.Context, containerID string, res kubelet.Resources) error {
	c, err := r.running(containerID)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c.resources = res
	return nil
}
