//go:build linux

package containerd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/log"
	"github.com/sirupsen/logrus"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// Runtime is a [kubelet.Runtime], and all of its extras but LogStreamer, on
// containerd. It is made by [Start] or [Connect].
type Runtime struct {
	cfg    Config
	log    *slog.Logger
	stores *stores
	state  statePaths
	images *imageCache
	users  *userCache
	usage  *usageCache

	ctx    context.Context // ends with Close; carries containerd's namespace
	cancel context.CancelFunc
	wg     sync.WaitGroup
	gc     chan struct{}
	events eventHub
	locks  keyedLocks

	mu         sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*container
	execs      uint64
	closed     bool
	lock       func() error
}

// statePaths names what stands in StateDir.
type statePaths string

// sandbox is the directory of a sandbox: sockets, namespaces, shm.
func (p statePaths) sandbox(id string) string { return filepath.Join(string(p), "s", id) }

// bundle is the directory of a container while it runs.
func (p statePaths) bundle(id string) string { return filepath.Join(string(p), "c", id) }

// runc is runc's own state.
func (p statePaths) runc() string { return filepath.Join(string(p), "runc") }

var (
	_ kubelet.Runtime         = (*Runtime)(nil)
	_ kubelet.Execer          = (*Runtime)(nil)
	_ kubelet.Attacher        = (*Runtime)(nil)
	_ kubelet.LogReopener     = (*Runtime)(nil)
	_ kubelet.PortForwarder   = (*Runtime)(nil)
	_ kubelet.StatsReader     = (*Runtime)(nil)
	_ kubelet.ResourceUpdater = (*Runtime)(nil)
)

// Start opens a runtime on cfg.RootDir and cfg.StateDir, with all that runs
// there already. Directories that are open elsewhere are an error at once. The
// runtime lives until Close, not until ctx ends.
func Start(ctx context.Context, cfg Config) (*Runtime, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, func(ctx context.Context) (*stores, error) { return openStores(ctx, cfg.RootDir) })
}

// Connect is Start with images, snapshots and records kept by the containerd
// that listens on address, such as /run/containerd/containerd.sock, in its
// namespace "keelson". Containers are run as ever: cfg.RootDir is not used.
// It must run on the same host.
func Connect(ctx context.Context, address string, cfg Config) (*Runtime, error) {
	if cfg.RootDir == "" && cfg.StateDir != "" {
		cfg.RootDir = filepath.Join(cfg.StateDir, "root")
	}
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	return open(ctx, cfg, func(ctx context.Context) (*stores, error) { return connectStores(ctx, address) })
}

func open(ctx context.Context, cfg Config, openStores func(context.Context) (*stores, error)) (*Runtime, error) {
	r := &Runtime{
		cfg:        cfg,
		log:        cfg.Logger,
		state:      statePaths(cfg.StateDir),
		images:     newImageCache(),
		users:      newUserCache(),
		usage:      newUsageCache(),
		gc:         make(chan struct{}, 1),
		sandboxes:  map[string]*sandbox{},
		containers: map[string]*container{},
	}
	for _, dir := range []string{r.state.sandbox(""), r.state.bundle(""), r.state.runc()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return nil, fmt.Errorf("containerd runtime: %w", err)
		}
	}
	lock, err := lockDir(cfg.StateDir)
	if err != nil {
		return nil, fmt.Errorf("containerd runtime: %w", err)
	}
	r.ctx, r.cancel = context.WithCancel(scope(context.WithoutCancel(ctx)))
	if r.stores, err = openStores(scope(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("containerd runtime: %w", err), lock.Close())
	}
	r.lock = lock.Close
	if err := r.adopt(scope(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("containerd runtime: take over what runs: %w", err), r.Close())
	}
	r.wg.Go(r.collect)
	if err := r.serveImages(); err != nil {
		return nil, errors.Join(fmt.Errorf("containerd runtime: %w", err), r.Close())
	}
	return r, nil
}

// ErrClosed says that a runtime has been closed.
var ErrClosed = errors.New("the runtime has been closed")

// Close ends this runtime and leaves all containers running. A later Start on
// the same directories goes on with them. A second call does nothing.
func (r *Runtime) Close() error {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return nil
	}
	r.cancel()
	r.mu.Lock()
	for _, sb := range r.sandboxes {
		if sb.shim != nil {
			_ = sb.shim.conn.Close()
		}
	}
	r.mu.Unlock()
	r.wg.Wait()
	r.events.close()
	return errors.Join(r.stores.close(), r.lock())
}

// Version implements kubelet.Runtime.
func (r *Runtime) Version(context.Context) (string, error) {
	return "containerd://" + r.stores.version, nil
}

// scope puts ctx into our namespace of containerd, and keeps containerd from
// logging by itself.
func scope(ctx context.Context) context.Context {
	quiet := logrus.New()
	quiet.SetOutput(discard{})
	return log.WithLogger(namespaces.WithNamespace(ctx, shim.Namespace), logrus.NewEntry(quiet))
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// collect removes snapshots and content nobody refers to, when asked to.
func (r *Runtime) collect() {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.gc:
			if err := r.stores.collectNow(r.ctx); err != nil && r.ctx.Err() == nil {
				r.log.Warn("collect what is no longer used", "error", err)
			}
		}
	}
}

// collectSoon asks for a collection.
func (r *Runtime) collectSoon() {
	select {
	case r.gc <- struct{}{}:
	default:
	}
}

func (s *stores) collectNow(ctx context.Context) error {
	if s.collect == nil {
		return nil
	}
	return s.collect(ctx)
}

// keyedLocks are mutexes by name.
type keyedLocks struct {
	mu   sync.Mutex
	held map[string]*keyedLock
}

type keyedLock struct {
	sync.Mutex
	users int
}

// lock locks key and returns the function to unlock it.
func (l *keyedLocks) lock(key string) func() {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*keyedLock{}
	}
	k := l.held[key]
	if k == nil {
		k = &keyedLock{}
		l.held[key] = k
	}
	k.users++
	l.mu.Unlock()
	k.Lock()
	return func() {
		k.Unlock()
		l.mu.Lock()
		if k.users--; k.users == 0 {
			delete(l.held, key)
		}
		l.mu.Unlock()
	}
}
