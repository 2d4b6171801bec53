//go:build linux

package containerd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// pinned are the namespaces of a sandbox: files in a directory, each a bind
// mount of one, which keeps it alive without a process.
type pinned struct{ dir string }

func (p pinned) path(kind string) string { return filepath.Join(p.dir, kind) }

// nsKinds are the namespaces that can be pinned, and how to make them.
var nsKinds = []struct {
	kind string
	flag int
}{
	{"net", unix.CLONE_NEWNET},
	{"ipc", unix.CLONE_NEWIPC},
	{"uts", unix.CLONE_NEWUTS},
}

// pinSpec says what the namespaces of a sandbox are to be like.
type pinSpec struct {
	hostNetwork, hostIPC bool
	hostname             string
	sysctls              map[string]string
}

func (s pinSpec) flags() int {
	flags := 0
	if !s.hostNetwork {
		flags |= unix.CLONE_NEWNET | unix.CLONE_NEWUTS
	}
	if !s.hostIPC {
		flags |= unix.CLONE_NEWIPC
	}
	return flags
}

// pin makes the namespaces of a sandbox.
func pin(dir string, spec pinSpec) (pinned, error) {
	p := pinned{dir}
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return p, err
	}
	done := make(chan error, 1)
	onSpareThread(func() { done <- p.make(spec) })
	if err := <-done; err != nil {
		return p, errors.Join(fmt.Errorf("make the namespaces of the sandbox: %w", err), p.remove())
	}
	return p, nil
}

// onSpareThread runs fn in a goroutine on a thread that ends with it, so that fn
// may change the thread's namespaces. The process's first thread cannot end, and
// would show its namespaces as the whole process's: it is spared.
func onSpareThread(fn func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			fn()
			return // still locked, which ends the thread
		}
		defer runtime.UnlockOSThread()
		// While this goroutine holds the first thread, others get others.
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			fn()
		}()
		<-done
	}()
}

func (p pinned) make(spec pinSpec) error {
	flags := spec.flags()
	if flags != 0 {
		if err := unix.Unshare(flags); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
	}
	if flags&unix.CLONE_NEWUTS != 0 && spec.hostname != "" {
		if err := unix.Sethostname([]byte(spec.hostname)); err != nil {
			return fmt.Errorf("set host name %q: %w", spec.hostname, err)
		}
	}
	if flags&unix.CLONE_NEWNET != 0 {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("bring up the loopback interface: %w", err)
		}
	}
	for name, value := range spec.sysctls {
		if err := writeSysctl(name, value); err != nil {
			return err
		}
	}
	for _, k := range nsKinds {
		if flags&k.flag == 0 {
			continue
		}
		f, err := os.OpenFile(p.path(k.kind), os.O_CREATE|os.O_RDONLY, 0o400)
		if err != nil {
			return err
		}
		f.Close()
		if err := unix.Mount("/proc/thread-self/ns/"+k.kind, p.path(k.kind), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("pin the %s namespace: %w", k.kind, err)
		}
	}
	return nil
}

func writeSysctl(name, value string) error {
	path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	if strings.Contains(name, "/") {
		path = filepath.Join("/proc/sys", name)
	}
	if !strings.HasPrefix(path, "/proc/sys/") {
		return fmt.Errorf("%q is not the name of a sysctl", name)
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl %s: %w", name, err)
	}
	return nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return err
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req)
}

// alive reports whether all the namespaces that spec asks for are there, as
// they are not after a reboot.
func (p pinned) alive(spec pinSpec) bool {
	flags := spec.flags()
	for _, k := range nsKinds {
		if flags&k.flag == 0 {
			continue
		}
		var st unix.Statfs_t
		if unix.Statfs(p.path(k.kind), &st) != nil || st.Type != unix.NSFS_MAGIC {
			return false
		}
	}
	return true
}

// remove lets the namespaces go.
func (p pinned) remove() error {
	var errs []error
	for _, k := range nsKinds {
		errs = append(errs, unmount(p.path(k.kind)))
	}
	errs = append(errs, os.RemoveAll(p.dir))
	return errors.Join(errs...)
}

// unmount removes all that is mounted at path; nothing there is fine.
func unmount(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unmount %s: %w", path, err)
		}
	}
}
