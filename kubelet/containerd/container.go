//go:build linux

package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	"github.com/moby/sys/signal"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// container is a container in memory. rec is guarded by Runtime.mu.
type container struct {
	id   string
	sb   *sandbox
	rec  containerRecord
	done chan struct{} // closed when it has exited and all is cleaned up
}

func (c *container) view() kubelet.Container {
	return kubelet.Container{
		ID: c.id, SandboxID: c.sb.id,
		Name: c.rec.Spec.Name, Attempt: c.rec.Spec.Attempt,
		State: c.rec.State,
		Image: c.rec.Spec.Image, ImageID: c.rec.ImageID,
		CreatedAt: c.rec.Created, StartedAt: c.rec.Started, FinishedAt: c.rec.Finished,
		ExitCode: c.rec.ExitCode, Reason: c.rec.Reason, Message: c.rec.Message,
		LogPath: c.rec.Spec.LogPath,
		Labels:  c.rec.Spec.Labels, Annotations: c.rec.Spec.Annotations,
	}
}

// CreateContainer implements kubelet.Runtime.
func (r *Runtime) CreateContainer(ctx context.Context, sandboxID string, spec kubelet.ContainerSpec) (string, error) {
	ctx = scope(ctx)
	id, err := r.createContainer(ctx, sandboxID, spec)
	if err != nil {
		return "", fmt.Errorf("create container %q: %w", spec.Name, err)
	}
	return id, nil
}

func (r *Runtime) createContainer(ctx context.Context, sandboxID string, spec kubelet.ContainerSpec) (string, error) {
	if r.ctx.Err() != nil {
		return "", ErrClosed
	}
	sb := r.sandbox(sandboxID)
	if sb == nil {
		return "", fmt.Errorf("sandbox %s: %w", sandboxID, kubelet.ErrNotFound)
	}
	r.mu.Lock()
	sandboxSpec, exited := sb.rec.Spec, sb.rec.Exited
	r.mu.Unlock()
	if exited {
		return "", fmt.Errorf("sandbox %s has been stopped", sandboxID)
	}
	img, err := r.findImage(ctx, spec.Image)
	if err != nil {
		return "", err
	}
	id := newID()
	if _, err := r.stores.snapshotter.Prepare(ctx, id, img.chainID.String(), snapshots.WithLabels(map[string]string{
		gcRootLabel: time.Now().UTC().Format(time.RFC3339),
	})); err != nil {
		return "", fmt.Errorf("prepare the root file system: %w", err)
	}
	undo := func(err error) error {
		return errors.Join(err, r.removeSnapshot(context.WithoutCancel(ctx), id))
	}
	ociSpec, err := r.buildSpec(ctx, id, sandboxID, sandboxSpec, spec, img)
	if err != nil {
		return "", undo(err)
	}
	specAny, err := typeurl.MarshalAny(ociSpec)
	if err != nil {
		return "", undo(err)
	}
	rec := containerRecord{
		SandboxID:  sandboxID,
		Spec:       spec,
		ImageID:    img.id,
		StopSignal: stopSignal(spec, img),
		Cgroup:     ociSpec.Linux.CgroupsPath,
		State:      kubelet.StateCreated,
		Created:    time.Now(),
	}
	if err := r.stores.createContainer(ctx, id, rec, specAny); err != nil {
		return "", undo(fmt.Errorf("record the container: %w", err))
	}
	c := &container{id: id, sb: sb, rec: rec, done: make(chan struct{})}
	r.mu.Lock()
	_, there := r.sandboxes[sandboxID]
	if there {
		r.containers[id] = c
		sb.containers[id] = c
	}
	r.mu.Unlock()
	if !there {
		return "", undo(errors.Join(fmt.Errorf("sandbox %s: %w", sandboxID, kubelet.ErrNotFound), r.stores.containers.Delete(ctx, id)))
	}
	r.changed(sb)
	return id, nil
}

func stopSignal(spec kubelet.ContainerSpec, img *image) string {
	for _, s := range []string{spec.StopSignal, img.config.Config.StopSignal} {
		if s != "" {
			return s
		}
	}
	return "SIGTERM"
}

func (r *Runtime) container(id string) *container {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.containers[id]
}

// StartContainer implements kubelet.Runtime.
func (r *Runtime) StartContainer(ctx context.Context, id string) error {
	ctx = scope(ctx)
	if r.ctx.Err() != nil {
		return ErrClosed
	}
	defer r.locks.lock("container/" + id)()
	c := r.container(id)
	if c == nil {
		return fmt.Errorf("start container %s: %w", id, kubelet.ErrNotFound)
	}
	r.mu.Lock()
	state := c.rec.State
	r.mu.Unlock()
	if state != kubelet.StateCreated {
		return fmt.Errorf("start container %s: it has been started before", id)
	}
	s, err := r.shimOf(ctx, c.sb)
	if err != nil {
		return fmt.Errorf("start container %s: %w", id, err)
	}
	started, err := r.runContainer(ctx, c, s)
	if err != nil {
		ctx := context.WithoutCancel(ctx)
		err = fmt.Errorf("failed to create containerd task: %w", err)
		return errors.Join(err, r.exited(ctx, c, outcome{code: 128, reason: "StartError", message: err.Error(), at: time.Now()}))
	}
	r.mu.Lock()
	c.rec.State, c.rec.Started = kubelet.StateRunning, started
	rec := c.rec
	r.mu.Unlock()
	r.wg.Go(func() { r.monitor(c, s) })
	r.changed(c.sb)
	if err := r.stores.updateContainer(ctx, id, rec); err != nil {
		return fmt.Errorf("record the start of container %s: %w", id, err)
	}
	return nil
}

// runContainer makes the bundle of a container and has it run.
func (r *Runtime) runContainer(ctx context.Context, c *container, s *shimProcess) (started time.Time, err error) {
	info, err := r.stores.containers.Get(ctx, c.id)
	if err != nil {
		return started, err
	}
	var ociSpec specs.Spec
	if err := typeurl.UnmarshalTo(info.Spec, &ociSpec); err != nil {
		return started, err
	}
	rootfs, err := r.stores.snapshotter.Mounts(ctx, c.id)
	if err != nil {
		return started, fmt.Errorf("find the root file system: %w", err)
	}
	bundle := r.state.bundle(c.id)
	spec := c.rec.Spec
	if err := writeBundle(bundle, &ociSpec, shim.IO{
		LogPath:   spec.LogPath,
		Stdin:     spec.Stdin,
		StdinOnce: spec.StdinOnce,
		TTY:       spec.TTY,
	}); err != nil {
		return started, errors.Join(err, r.cleanBundle(c.id))
	}
	if started, err = r.runTask(ctx, s, c.id, bundle, rootfs); err != nil {
		return started, errors.Join(err, r.cleanBundle(c.id))
	}
	return started, nil
}

func writeBundle(dir string, spec *specs.Spec, io shim.IO) error {
	if err := os.MkdirAll(filepath.Join(dir, "rootfs"), 0o711); err != nil {
		return err
	}
	for name, v := range map[string]any{"config.json": spec, shim.IOFile: io} {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// runTask has the shim create and start what a bundle describes, and tells
// when that was.
func (r *Runtime) runTask(ctx context.Context, s *shimProcess, id, bundle string, rootfs []mount.Mount) (started time.Time, err error) {
	opts, err := typeurl.MarshalAnyToProto(&options.Options{BinaryName: r.cfg.RuncPath, Root: r.state.runc()})
	if err != nil {
		return started, err
	}
	req := &task.CreateTaskRequest{ID: id, Bundle: bundle, Options: opts}
	for _, m := range rootfs {
		req.Rootfs = append(req.Rootfs, &types.Mount{Type: m.Type, Source: m.Source, Target: m.Target, Options: m.Options})
	}
	if _, err := s.task.Create(ctx, req); err != nil {
		return started, fmt.Errorf("failed to create shim task: %w", errgrpc.ToNative(err))
	}
	// Not taken afterwards: by then, the process may have ended.
	started = time.Now()
	if _, err := s.task.Start(ctx, &task.StartRequest{ID: id}); err != nil {
		_, derr := s.task.Delete(context.WithoutCancel(ctx), &task.DeleteRequest{ID: id})
		return started, errors.Join(fmt.Errorf("failed to start: %w", errgrpc.ToNative(err)), derr)
	}
	return started, nil
}

// StopContainer implements kubelet.Runtime.
func (r *Runtime) StopContainer(ctx context.Context, id string, grace time.Duration) error {
	ctx = scope(ctx)
	c := r.container(id)
	if c == nil {
		return nil
	}
	if err := r.stopContainer(ctx, c, grace); err != nil {
		return fmt.Errorf("stop container %s: %w", id, err)
	}
	return nil
}

func (r *Runtime) stopContainer(ctx context.Context, c *container, grace time.Duration) error {
	r.mu.Lock()
	state, sig, s := c.rec.State, c.rec.StopSignal, c.sb.shim
	r.mu.Unlock()
	if state != kubelet.StateRunning || s == nil {
		return nil
	}
	if grace > 0 {
		if err := kill(ctx, s, c.id, sig); err != nil {
			return err
		}
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-c.done:
			return nil
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := kill(ctx, s, c.id, "SIGKILL"); err != nil {
		return err
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kill sends a signal to a container; to one that is gone, that is no error.
func kill(ctx context.Context, s *shimProcess, id, name string) error {
	sig, err := signal.ParseSignal(name)
	if err != nil {
		return fmt.Errorf("stop signal: %w", err)
	}
	_, err = s.task.Kill(ctx, &task.KillRequest{ID: id, Signal: uint32(sig)})
	if err = errgrpc.ToNative(err); err == nil || errdefs.IsNotFound(err) {
		return nil
	}
	select {
	case <-s.dead:
		return nil
	default:
		return fmt.Errorf("send %s: %w", name, err)
	}
}

// RemoveContainer implements kubelet.Runtime.
func (r *Runtime) RemoveContainer(ctx context.Context, id string) error {
	ctx = scope(ctx)
	defer r.locks.lock("container/" + id)()
	c := r.container(id)
	if c == nil {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("remove container %s: %w", id, err) }
	if err := r.stopContainer(ctx, c, 0); err != nil {
		return fail(err)
	}
	if err := r.cleanBundle(id); err != nil {
		return fail(err)
	}
	if err := r.stores.containers.Delete(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return fail(err)
	}
	if err := r.removeSnapshot(ctx, id); err != nil {
		return fail(err)
	}
	r.mu.Lock()
	delete(r.containers, id)
	delete(c.sb.containers, id)
	r.mu.Unlock()
	r.usage.forget(id)
	r.changed(c.sb)
	return nil
}

func (r *Runtime) removeSnapshot(ctx context.Context, id string) error {
	err := r.stores.snapshotter.Remove(ctx, id)
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove the root file system: %w", err)
	}
	r.collectSoon()
	return nil
}

// cleanBundle removes what is left in StateDir of a container not running.
func (r *Runtime) cleanBundle(id string) error {
	dir := r.state.bundle(id)
	if err := unmount(filepath.Join(dir, "rootfs")); err != nil {
		return err
	}
	return os.RemoveAll(dir)
}
