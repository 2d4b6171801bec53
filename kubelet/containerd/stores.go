//go:build linux

package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	client "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/diff"
	"github.com/containerd/containerd/v2/core/diff/apply"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/native"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay/overlayutils"
	"github.com/containerd/containerd/v2/version"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// stores are the parts of containerd this package works with, be they in this
// process or in another.
type stores struct {
	version     string
	content     content.Store
	images      images.Store
	containers  containers.Store
	leases      leases.Manager
	applier     diff.Applier
	snapshotter snapshots.Snapshotter
	// driver is the snapshotter's name.
	driver string
	// collect removes what nothing refers to any more; nil where somebody
	// else does.
	collect func(context.Context) error
	close   func() error
}

// SnapshotService makes stores the client that containerd's package oci asks for.
func (s *stores) SnapshotService(string) snapshots.Snapshotter { return s.snapshotter }

// openStores opens containerd's stores in this process.
func openStores(ctx context.Context, root string) (_ *stores, err error) {
	if err := os.MkdirAll(root, 0o711); err != nil {
		return nil, err
	}
	var closers []io.Closer
	closeAll := func() error {
		var errs []error
		for i := len(closers) - 1; i >= 0; i-- {
			errs = append(errs, closers[i].Close())
		}
		return errors.Join(errs...)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	lock, err := lockDir(root)
	if err != nil {
		return nil, err
	}
	closers = append(closers, lock)

	blobs, err := local.NewStore(filepath.Join(root, "content"))
	if err != nil {
		return nil, fmt.Errorf("open the content store: %w", err)
	}
	driver, snapshotter, err := openSnapshotter(root)
	if err != nil {
		return nil, err
	}
	closers = append(closers, snapshotter)

	options := *bolt.DefaultOptions
	options.Timeout = time.Second
	options.NoFreelistSync = true
	options.NoStatistics = true
	db, err := bolt.Open(filepath.Join(root, "meta.db"), 0o600, &options)
	if err != nil {
		return nil, fmt.Errorf("open the metadata: %w", err)
	}
	closers = append(closers, db)
	meta := metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{driver: snapshotter})
	if err := meta.Init(ctx); err != nil {
		return nil, fmt.Errorf("prepare the metadata: %w", err)
	}
	return &stores{
		version:     version.Version,
		content:     meta.ContentStore(),
		images:      metadata.NewImageStore(meta),
		containers:  metadata.NewContainerStore(meta),
		leases:      metadata.NewLeaseManager(meta),
		applier:     apply.NewFileSystemApplier(meta.ContentStore()),
		snapshotter: meta.Snapshotter(driver),
		driver:      driver,
		collect: func(ctx context.Context) error {
			_, err := meta.GarbageCollect(ctx)
			return err
		},
		close: closeAll,
	}, nil
}

// openSnapshotter opens the overlay snapshotter or, on a file system that
// cannot carry overlays, the one that copies.
func openSnapshotter(root string) (name string, s snapshots.Snapshotter, err error) {
	dir := filepath.Join(root, "overlayfs")
	if overlayutils.Supported(root) == nil {
		if s, err = overlay.NewSnapshotter(dir); err != nil {
			return "", nil, fmt.Errorf("open the overlay snapshotter: %w", err)
		}
		return "overlayfs", s, nil
	}
	if s, err = native.NewSnapshotter(filepath.Join(root, "native")); err != nil {
		return "", nil, fmt.Errorf("open the native snapshotter: %w", err)
	}
	return "native", s, nil
}

// lockDir makes sure that one runtime at a time works on a directory.
func lockDir(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another runtime, in this process or another, has %s open; close it or use another directory", dir)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return f, nil
}

// connectStores uses the stores of a running containerd.
func connectStores(ctx context.Context, address string) (*stores, error) {
	cl, err := client.New(address, client.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("connect to containerd at %s: %w", address, err)
	}
	v, err := cl.Version(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask containerd at %s for its version: %w", address, err), cl.Close())
	}
	const driver = "overlayfs"
	return &stores{
		version:     v.Version,
		content:     cl.ContentStore(),
		images:      cl.ImageService(),
		containers:  cl.ContainerService(),
		leases:      cl.LeasesService(),
		applier:     cl.DiffService(),
		snapshotter: cl.SnapshotService(driver),
		driver:      driver,
		close:       cl.Close,
	}, nil
}
