//go:build linux

package containerd

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// The names under which our records stand in containerd's stores.
const (
	runtimeName = "io.containerd.runc.v2"
	podUIDLabel = "keelson.pod-uid"
	nameLabel   = "keelson.container"
	pinnedLabel = "io.cri-containerd.pinned"
)

// Config says where a runtime keeps its things and what it uses.
type Config struct {
	// RootDir keeps what survives a reboot: images, snapshots and records.
	// Required. Overlays need a file system such as ext4 or xfs; on others
	// snapshots are copied.
	RootDir string
	// StateDir keeps what lives as long as the host is up: sockets, pinned
	// namespaces, bundles. Required; best on a tmpfs such as /run.
	StateDir string
	// ShimPath is the program that keeps the containers of a pod: the command
	// shim/keelson-shim, of the same version as this package. Empty takes the
	// file keelson-shim beside this program's own, if there is one; else this
	// program is its own shim, and its main must call [RunAsShim]. The small
	// program starts quicker and takes less memory for each pod.
	ShimPath string
	// RuncPath is the OCI runtime; empty looks for runc in PATH.
	RuncPath string
	// Registries says how to reach registries that are not reached by HTTPS
	// under their own name, by the host of the image's name, such as
	// "docker.io". Registries on loopback are reached by plain HTTP anyhow.
	Registries map[string]Registry
	// Logger gets what nobody else is told; nil discards it.
	Logger *slog.Logger
}

// Registry says how to reach an image registry.
type Registry struct {
	// Mirrors are base URLs used in place of the registry, in order, such as
	// "http://127.0.0.1:5000". To fall back to the registry itself, name it last.
	Mirrors []string
	// CA is PEM of certificate authorities to trust besides the system's.
	CA []byte
	// InsecureSkipVerify trusts any certificate.
	InsecureSkipVerify bool
}

// complete checks c and fills in what is not set.
func (c Config) complete() (Config, error) {
	var errs []error
	abs := func(name string, dir *string) {
		if *dir == "" {
			errs = append(errs, fmt.Errorf("%s is required", name))
			return
		}
		var err error
		if *dir, err = filepath.Abs(*dir); err != nil {
			errs = append(errs, err)
		}
	}
	abs("RootDir", &c.RootDir)
	abs("StateDir", &c.StateDir)
	if c.RootDir != "" && c.RootDir == c.StateDir {
		errs = append(errs, errors.New("RootDir and StateDir must differ"))
	}
	if os.Geteuid() != 0 {
		errs = append(errs, errors.New("running containers needs root"))
	}
	runc := c.RuncPath
	if runc == "" {
		runc = "runc"
	}
	path, err := exec.LookPath(runc)
	if err != nil {
		errs = append(errs, fmt.Errorf("find the OCI runtime (install runc, or set RuncPath): %w", err))
	}
	c.RuncPath = path
	if c.ShimPath == "" {
		c.ShimPath = defaultShim()
	} else if _, err := exec.LookPath(c.ShimPath); err != nil {
		errs = append(errs, fmt.Errorf("ShimPath: %w", err))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return c, fmt.Errorf("containerd runtime: %w", err)
	}
	return c, nil
}

// defaultShim is the small shim beside this program, or this program.
func defaultShim() string {
	if self, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), shim.Name)); err == nil {
			return path
		}
	}
	// This works even where the program's file has been replaced since.
	return "/proc/self/exe"
}
