//go:build linux

package containerd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/containerd/errdefs"
	"github.com/keelson-project/keelson/kubelet"
)

// shmSize is the size of a sandbox's /dev/shm, the default everywhere.
const shmSize = "64m"

// sandbox is a sandbox in memory. Its fields but id are guarded by Runtime.mu.
type sandbox struct {
	id         string
	rec        sandboxRecord
	shim       *shimProcess
	containers map[string]*container

	// starting serializes the start of the shim.
	starting sync.Mutex
}

func (r *Runtime) pinned(id string) pinned {
	return pinned{filepath.Join(r.state.sandbox(id), "ns")}
}

func pinSpecOf(spec kubelet.SandboxSpec) pinSpec {
	return pinSpec{
		hostNetwork: spec.HostNetwork,
		hostIPC:     spec.HostIPC,
		hostname:    spec.Hostname,
		sysctls:     spec.Sysctls,
	}
}

// newID makes an ID in the shape all container tools know.
func newID() string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// RunSandbox implements kubelet.Runtime.
func (r *Runtime) RunSandbox(ctx context.Context, spec kubelet.SandboxSpec) (kubelet.Sandbox, error) {
	ctx = scope(ctx)
	fail := func(err error) (kubelet.Sandbox, error) {
		return kubelet.Sandbox{}, fmt.Errorf("run a sandbox for pod %s/%s: %w", spec.PodNamespace, spec.PodName, err)
	}
	if spec.RuntimeHandler != "" && spec.RuntimeHandler != "runc" {
		return fail(fmt.Errorf("no runtime for handler %q is configured; there is only \"runc\"", spec.RuntimeHandler))
	}
	if r.ctx.Err() != nil {
		return fail(ErrClosed)
	}
	defer r.locks.lock(fmt.Sprintf("pod/%s/%d", spec.PodUID, spec.Attempt))()
	if sb, ok := r.findSandbox(spec.PodUID, spec.Attempt); ok {
		return sb, nil
	}
	sb := &sandbox{
		id:         newID(),
		rec:        sandboxRecord{Spec: spec, Created: time.Now()},
		containers: map[string]*container{},
	}
	if err := r.buildSandbox(ctx, sb); err != nil {
		return fail(errors.Join(err, r.dismantle(context.WithoutCancel(ctx), sb), os.RemoveAll(r.state.sandbox(sb.id))))
	}
	r.mu.Lock()
	r.sandboxes[sb.id] = sb
	out := r.view(sb)
	r.mu.Unlock()
	r.changed(sb)
	return out, nil
}

func (r *Runtime) findSandbox(uid string, attempt uint32) (kubelet.Sandbox, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sb := range r.sandboxes {
		if sb.rec.Spec.PodUID == uid && sb.rec.Spec.Attempt == attempt {
			return r.view(sb), true
		}
	}
	return kubelet.Sandbox{}, false
}

// buildSandbox makes all a sandbox consists of.
func (r *Runtime) buildSandbox(ctx context.Context, sb *sandbox) error {
	dir, spec := r.state.sandbox(sb.id), sb.rec.Spec
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	if spec.LogDir != "" {
		if err := os.MkdirAll(spec.LogDir, 0o755); err != nil {
			return err
		}
	}
	// The shim has most of the work to do before it can be used; let it.
	var g errgroup.Group
	g.Go(func() error {
		s, err := startShim(ctx, r.cfg.ShimPath, dir)
		if err != nil {
			return err
		}
		sb.shim, sb.rec.ShimPID, sb.rec.ShimBorn = s, s.pid, s.born
		return nil
	})
	g.Go(func() error {
		if _, err := pin(r.pinned(sb.id).dir, pinSpecOf(spec)); err != nil {
			return err
		}
		if !spec.HostIPC {
			shm := filepath.Join(dir, "shm")
			if err := os.MkdirAll(shm, 0o1777); err != nil {
				return err
			}
			flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
			if err := unix.Mount("shm", shm, "tmpfs", flags, "mode=1777,size="+shmSize); err != nil {
				return fmt.Errorf("mount /dev/shm: %w", err)
			}
		}
		hostname := spec.Hostname
		if hostname == "" {
			hostname, _ = os.Hostname()
		}
		return os.WriteFile(filepath.Join(dir, "hostname"), []byte(hostname+"\n"), 0o644)
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if spec.ShareProcesses && !spec.HostPID {
		if err := sb.shim.ready(ctx); err != nil {
			return err
		}
		pid, err := r.startPause(ctx, sb)
		if err != nil {
			return fmt.Errorf("start the init of the shared process namespace: %w", err)
		}
		sb.rec.PausePID = pid
		if sb.rec.PauseBorn, err = processBorn(pid); err != nil {
			return fmt.Errorf("the init of the shared process namespace has died: %w", err)
		}
	}
	if err := r.stores.createSandbox(ctx, sb.id, sb.rec); err != nil {
		return fmt.Errorf("record the sandbox: %w", err)
	}
	return nil
}

// dismantle undoes buildSandbox, as far as it came, but for the record.
func (r *Runtime) dismantle(ctx context.Context, sb *sandbox) error {
	var errs []error
	r.mu.Lock()
	s := sb.shim
	sb.shim = nil
	r.mu.Unlock()
	if sb.rec.PausePID != 0 {
		errs = append(errs, r.stopPause(ctx, sb, s))
	}
	if s != nil {
		errs = append(errs, s.stop(ctx))
	}
	dir := r.state.sandbox(sb.id)
	errs = append(errs, r.pinned(sb.id).remove(), unmount(filepath.Join(dir, "shm")))
	return errors.Join(errs...)
}

// StopSandbox implements kubelet.Runtime.
func (r *Runtime) StopSandbox(ctx context.Context, id string) error {
	ctx = scope(ctx)
	defer r.locks.lock("sandbox/" + id)()
	sb := r.sandbox(id)
	if sb == nil {
		return nil
	}
	if err := r.stopSandbox(ctx, sb); err != nil {
		return fmt.Errorf("stop sandbox %s: %w", id, err)
	}
	return nil
}

func (r *Runtime) stopSandbox(ctx context.Context, sb *sandbox) error {
	r.mu.Lock()
	exited := sb.rec.Exited
	containers := make([]*container, 0, len(sb.containers))
	for _, c := range sb.containers {
		containers = append(containers, c)
	}
	r.mu.Unlock()
	if exited {
		return nil
	}
	var g errgroup.Group
	for _, c := range containers {
		g.Go(func() error {
			r.locks.lock("container/" + c.id)() // wait for a start under way
			return r.stopContainer(ctx, c, 0)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := r.dismantle(ctx, sb); err != nil {
		return err
	}
	return r.sandboxExited(ctx, sb)
}

// sandboxExited records that a sandbox has ended.
func (r *Runtime) sandboxExited(ctx context.Context, sb *sandbox) error {
	r.mu.Lock()
	sb.rec.Exited = true
	rec := sb.rec
	r.mu.Unlock()
	if err := r.stores.updateSandbox(ctx, sb.id, rec); err != nil {
		return fmt.Errorf("record the sandbox's end: %w", err)
	}
	r.changed(sb)
	return nil
}

// RemoveSandbox implements kubelet.Runtime.
func (r *Runtime) RemoveSandbox(ctx context.Context, id string) error {
	ctx = scope(ctx)
	defer r.locks.lock("sandbox/" + id)()
	sb := r.sandbox(id)
	if sb == nil {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("remove sandbox %s: %w", id, err) }
	if err := r.stopSandbox(ctx, sb); err != nil {
		return fail(err)
	}
	r.mu.Lock()
	var ids []string
	for cid := range sb.containers {
		ids = append(ids, cid)
	}
	r.mu.Unlock()
	for _, cid := range ids {
		if err := r.RemoveContainer(ctx, cid); err != nil {
			return fail(err)
		}
	}
	if err := os.RemoveAll(r.state.sandbox(id)); err != nil {
		return fail(err)
	}
	if err := r.stores.containers.Delete(ctx, id); err != nil && !errdefs.IsNotFound(err) {
		return fail(err)
	}
	r.mu.Lock()
	delete(r.sandboxes, id)
	r.mu.Unlock()
	r.changed(sb)
	return nil
}

func (r *Runtime) sandbox(id string) *sandbox {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sandboxes[id]
}

// shimOf returns the shim of a running sandbox, started anew if it has died.
func (r *Runtime) shimOf(ctx context.Context, sb *sandbox) (*shimProcess, error) {
	sb.starting.Lock()
	defer sb.starting.Unlock()
	r.mu.Lock()
	s, exited := sb.shim, sb.rec.Exited
	r.mu.Unlock()
	if exited {
		return nil, fmt.Errorf("sandbox %s has been stopped", sb.id)
	}
	if s != nil {
		select {
		case <-s.dead:
		default:
			return s, s.ready(ctx)
		}
	}
	s, err := startShim(ctx, r.cfg.ShimPath, r.state.sandbox(sb.id))
	if err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	sb.shim, sb.rec.ShimPID, sb.rec.ShimBorn = s, s.pid, s.born
	rec := sb.rec
	r.mu.Unlock()
	return s, r.stores.updateSandbox(ctx, sb.id, rec)
}

// List implements kubelet.Runtime.
func (r *Runtime) List(context.Context) ([]kubelet.Sandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	out := make([]kubelet.Sandbox, 0, len(r.sandboxes))
	for _, sb := range r.sandboxes {
		out = append(out, r.view(sb))
	}
	return out, nil
}

// view is what the kubelet sees of a sandbox. r.mu is held.
func (r *Runtime) view(sb *sandbox) kubelet.Sandbox {
	out := kubelet.Sandbox{
		ID:        sb.id,
		Spec:      sb.rec.Spec,
		State:     kubelet.StateRunning,
		CreatedAt: sb.rec.Created,
	}
	if sb.rec.Exited {
		out.State = kubelet.StateExited
	}
	if !sb.rec.Spec.HostNetwork {
		out.NetNS = r.pinned(sb.id).path("net")
	}
	for _, c := range sb.containers {
		out.Containers = append(out.Containers, c.view())
	}
	return out
}

// changed tells that a sandbox is not as it was.
func (r *Runtime) changed(sb *sandbox) {
	r.events.publish(kubelet.Event{SandboxID: sb.id, PodUID: sb.rec.Spec.PodUID})
}
