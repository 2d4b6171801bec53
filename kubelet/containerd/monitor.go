//go:build linux

package containerd

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	tasktypes "github.com/containerd/containerd/api/types/task"
	shimrunc "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/runc"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// What is said of a container whose end nobody saw, as containerd says it.
const (
	unknownExitCode = 255
	unknownReason   = "Unknown"
)

// outcome is how a container ended.
type outcome struct {
	code            int
	reason, message string
	at              time.Time
}

func outcomeOf(code int, at time.Time, oom bool) outcome {
	o := outcome{code: code, at: at, reason: "Completed"}
	switch {
	case oom:
		o.reason = "OOMKilled"
	case code != 0:
		o.reason = "Error"
	}
	return o
}

// monitor waits for a running container's end and records it.
func (r *Runtime) monitor(c *container, s *shimProcess) {
	o, err := r.await(c, s)
	if r.ctx.Err() != nil {
		return // this runtime is being closed, not the container
	}
	if err != nil {
		r.log.Warn("container lost", "container", c.id, "error", err)
		o = r.lost(c)
	}
	if err := r.exited(r.ctx, c, o); err != nil && r.ctx.Err() == nil {
		r.log.Error("record the end of a container", "container", c.id, "error", err)
	}
}

// await waits until the container has ended and its log is complete.
func (r *Runtime) await(c *container, s *shimProcess) (outcome, error) {
	resp, err := s.task.Wait(r.ctx, &task.WaitRequest{ID: c.id})
	if err != nil {
		return outcome{}, fmt.Errorf("wait for it: %w", err)
	}
	// The kernel's count goes with the cgroup, which Delete removes.
	o := outcomeOf(int(resp.ExitStatus), resp.ExitedAt.AsTime(), oomKilled(c.rec.Cgroup))
	if _, err := s.task.Delete(r.ctx, &task.DeleteRequest{ID: c.id}); err != nil {
		r.log.Warn("delete an ended container", "container", c.id, "error", err)
	}
	return o, nil
}

// lost ends what may be left of a container whose shim has died, and tells its
// outcome as far as it is known.
func (r *Runtime) lost(c *container) outcome {
	if err := r.runcDelete(c.id); err != nil {
		r.log.Warn("kill a lost container", "container", c.id, "error", err)
	}
	if exit, err := shimrunc.ReadExitStatus(r.state.bundle(c.id)); err == nil {
		return outcomeOf(exit.Status, exit.Timestamp, false)
	}
	return outcome{code: unknownExitCode, reason: unknownReason, at: time.Now(),
		message: "the process that kept the container is gone, and with it how the container ended"}
}

// runcDelete kills and removes a container without help of its shim.
func (r *Runtime) runcDelete(id string) error {
	ctx, cancel := context.WithTimeout(r.ctx, 10*time.Second)
	defer cancel()
	root := filepath.Join(r.state.runc(), shim.Namespace)
	out, err := exec.CommandContext(ctx, r.cfg.RuncPath, "--root", root, "delete", "--force", id).CombinedOutput()
	if err != nil {
		return fmt.Errorf("runc delete: %w: %s", err, out)
	}
	return nil
}

// exited records how a container ended, here and on disk, and tells all.
func (r *Runtime) exited(ctx context.Context, c *container, o outcome) error {
	r.mu.Lock()
	if c.rec.State == kubelet.StateExited {
		r.mu.Unlock()
		return nil
	}
	rec := c.rec
	rec.State = kubelet.StateExited
	rec.Finished, rec.ExitCode, rec.Reason, rec.Message = o.at, o.code, o.reason, o.message
	r.mu.Unlock()
	err := r.stores.updateContainer(ctx, c.id, rec)
	if err != nil {
		err = fmt.Errorf("record the end of container %s: %w", c.id, err)
	} else {
		// The record has all there is to know; on failure the bundle still does.
		err = r.cleanBundle(c.id)
	}
	r.mu.Lock()
	c.rec = rec
	close(c.done)
	r.mu.Unlock()
	r.changed(c.sb)
	return err
}

// adopt finds what earlier runtimes on these directories have left, and what
// of it still runs.
func (r *Runtime) adopt(ctx context.Context) error {
	records, err := r.stores.containers.List(ctx)
	if err != nil {
		return err
	}
	var adopted []*container
	for _, rec := range records {
		if rec.Labels[kindLabel] == kindSandbox {
			sb := &sandbox{id: rec.ID, containers: map[string]*container{}}
			if err := fromExtension(rec.Extensions, &sb.rec); err != nil {
				r.log.Warn("sandbox ignored", "sandbox", rec.ID, "error", err)
				continue
			}
			r.sandboxes[sb.id] = sb
			continue
		}
		c := &container{id: rec.ID, done: make(chan struct{})}
		if err := fromExtension(rec.Extensions, &c.rec); err != nil {
			r.log.Warn("container ignored", "container", rec.ID, "error", err)
			continue
		}
		adopted = append(adopted, c)
	}
	for _, c := range adopted {
		if c.sb = r.sandboxes[c.rec.SandboxID]; c.sb == nil {
			// Its sandbox was removed while the record could not be.
			if err := errors.Join(r.stores.containers.Delete(ctx, c.id), r.removeSnapshot(ctx, c.id), r.cleanBundle(c.id)); err != nil {
				r.log.Warn("remove a stray container", "container", c.id, "error", err)
			}
			continue
		}
		if c.rec.State == kubelet.StateExited {
			close(c.done)
		}
		r.containers[c.id], c.sb.containers[c.id] = c, c
	}
	for _, sb := range r.sandboxes {
		if err := r.adoptSandbox(ctx, sb); err != nil {
			return fmt.Errorf("sandbox %s: %w", sb.id, err)
		}
	}
	r.sweep(ctx)
	return nil
}

func (r *Runtime) adoptSandbox(ctx context.Context, sb *sandbox) error {
	if sb.rec.Exited {
		return nil
	}
	s, err := adoptShim(ctx, r.state.sandbox(sb.id), sb.rec.ShimPID, sb.rec.ShimBorn)
	if err != nil {
		r.log.Warn("the shim of a sandbox is gone", "sandbox", sb.id, "error", err)
	} else {
		sb.shim = s
	}
	for _, c := range sb.containers {
		if err := r.adoptContainer(ctx, c, sb.shim); err != nil {
			return err
		}
	}
	if r.pinned(sb.id).alive(pinSpecOf(sb.rec.Spec)) && (sb.rec.PausePID == 0 || pauseAlive(sb.rec)) {
		return nil
	}
	// Without its namespaces, after a reboot, there is no sandbox.
	for _, c := range sb.containers {
		if err := r.stopContainer(ctx, c, 0); err != nil {
			return err
		}
	}
	if err := r.dismantle(ctx, sb); err != nil {
		return err
	}
	return r.sandboxExited(ctx, sb)
}

func (r *Runtime) adoptContainer(ctx context.Context, c *container, s *shimProcess) error {
	switch c.rec.State {
	case kubelet.StateExited:
		return nil
	case kubelet.StateCreated:
		if s == nil {
			return nil
		}
		// It may have been started just before its starter was killed.
		resp, err := s.task.State(ctx, &task.StateRequest{ID: c.id})
		if err != nil {
			return nil
		}
		if resp.Status == tasktypes.Status_CREATED {
			// Half started: take it back, it can be started again.
			if _, err := s.task.Delete(ctx, &task.DeleteRequest{ID: c.id}); err != nil {
				return fmt.Errorf("take back container %s: %w", c.id, err)
			}
			return r.cleanBundle(c.id)
		}
		c.rec.State, c.rec.Started = kubelet.StateRunning, time.Now()
	}
	if s == nil {
		return r.exited(ctx, c, r.lost(c))
	}
	r.wg.Go(func() { r.monitor(c, s) })
	return nil
}
