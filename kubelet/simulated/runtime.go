package simulated

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// Runtime is a kubelet.Runtime in memory. It also implements kubelet.Execer,
// Attacher, LogStreamer, PortForwarder, StatsReader, ResourceUpdater and
// Prober. Make one by [New]; it has no need to be closed unless containers are
// functions ([Runtime.Close]).
type Runtime struct {
	cfg Config

	mu          sync.Mutex
	serial      uint64
	sandboxes   map[string]*sandbox
	containers  map[string]*container
	images      map[string]kubelet.Image // by name with tag
	subscribers map[*subscriber]struct{}
}

var (
	_ kubelet.Runtime         = (*Runtime)(nil)
	_ kubelet.Execer          = (*Runtime)(nil)
	_ kubelet.Attacher        = (*Runtime)(nil)
	_ kubelet.LogStreamer     = (*Runtime)(nil)
	_ kubelet.PortForwarder   = (*Runtime)(nil)
	_ kubelet.StatsReader     = (*Runtime)(nil)
	_ kubelet.ResourceUpdater = (*Runtime)(nil)
	_ kubelet.Prober          = (*Runtime)(nil)
)

type sandbox struct {
	kubelet.Sandbox
	containers []*container // in order of creation
}

// New returns a runtime with no pods and no images.
func New(cfg Config) *Runtime {
	if cfg.Version == "" {
		cfg.Version = "simulated://1.0.0"
	}
	return &Runtime{
		cfg:         cfg,
		sandboxes:   make(map[string]*sandbox),
		containers:  make(map[string]*container),
		images:      make(map[string]kubelet.Image),
		subscribers: make(map[*subscriber]struct{}),
	}
}

// Close kills all containers and returns when their functions have returned.
// The runtime can still be asked afterwards.
func (r *Runtime) Close() error {
	r.mu.Lock()
	all := slices.Collect(maps.Values(r.containers))
	r.mu.Unlock()
	for _, c := range all {
		r.stop(context.Background(), c, 0)
	}
	return nil
}

// Version implements kubelet.Runtime.
func (r *Runtime) Version(context.Context) (string, error) { return r.cfg.Version, nil }

// RunSandbox implements kubelet.Runtime.
func (r *Runtime) RunSandbox(ctx context.Context, spec kubelet.SandboxSpec) (kubelet.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return kubelet.Sandbox{}, err
	}
	if r.cfg.SandboxError != nil {
		if err := r.cfg.SandboxError(spec); err != nil {
			return kubelet.Sandbox{}, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.sandboxes {
		if s.Spec.PodUID == spec.PodUID && s.Spec.Attempt == spec.Attempt {
			return s.snapshot(), nil
		}
	}
	s := &sandbox{Sandbox: kubelet.Sandbox{
		ID: r.newID(), Spec: spec, State: kubelet.StateRunning, CreatedAt: time.Now(),
	}}
	if !spec.HostNetwork {
		s.NetNS = "simulated:" + s.ID
	}
	r.sandboxes[s.ID] = s
	r.publish(s)
	return s.snapshot(), nil
}

// StopSandbox implements kubelet.Runtime.
func (r *Runtime) StopSandbox(ctx context.Context, sandboxID string) error {
	r.mu.Lock()
	s, ok := r.sandboxes[sandboxID]
	if !ok {
		r.mu.Unlock()
		return nil
	}
	if s.State == kubelet.StateRunning {
		s.State = kubelet.StateExited
		r.publish(s)
	}
	all := slices.Clone(s.containers)
	r.mu.Unlock()
	for _, c := range all {
		if err := r.stop(ctx, c, 0); err != nil {
			return err
		}
	}
	return nil
}

// RemoveSandbox implements kubelet.Runtime.
func (r *Runtime) RemoveSandbox(ctx context.Context, sandboxID string) error {
	if err := r.StopSandbox(ctx, sandboxID); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.sandboxes[sandboxID]
	if !ok {
		return nil
	}
	for _, c := range s.containers {
		delete(r.containers, c.ID)
	}
	delete(r.sandboxes, sandboxID)
	r.publish(s)
	return nil
}

// List implements kubelet.Runtime.
func (r *Runtime) List(ctx context.Context) ([]kubelet.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]kubelet.Sandbox, 0, len(r.sandboxes))
	for _, s := range r.sandboxes {
		list = append(list, s.snapshot())
	}
	slices.SortFunc(list, func(a, b kubelet.Sandbox) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, nil
}

// snapshot copies what may still change; r.mu is held.
func (s *sandbox) snapshot() kubelet.Sandbox {
	out := s.Sandbox
	out.Containers = make([]kubelet.Container, len(s.containers))
	for i, c := range s.containers {
		out.Containers[i] = c.Container
	}
	return out
}

// newID returns an identifier that looks like those of real runtimes; r.mu is held.
func (r *Runtime) newID() string {
	r.serial++
	sum := sha256.Sum256(fmt.Appendf(nil, "%p %d", r, r.serial))
	return hex.EncodeToString(sum[:])
}
