//go:build linux

package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cgroups "github.com/containerd/cgroups/v3"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/keelson-project/keelson/kubelet"
)

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// buildSpec translates what the kubelet asks for, and what the image says, into
// the words of the OCI runtime.
func (r *Runtime) buildSpec(ctx context.Context, id, sandboxID string, sandbox kubelet.SandboxSpec, c kubelet.ContainerSpec, img *image) (*specs.Spec, error) {
	s, err := oci.GenerateSpec(ctx, nil, &containers.Container{ID: id})
	if err != nil {
		return nil, err
	}
	b := specBuilder{r: r, id: id, sandboxID: sandboxID, sandbox: sandbox, c: c, img: img, s: s}
	for _, step := range []func(context.Context) error{
		b.process, b.user, b.namespaces, b.mounts, b.resources, b.devices, b.security,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	s.Annotations = map[string]string{
		"io.kubernetes.cri.container-type":    "container",
		"io.kubernetes.cri.container-name":    c.Name,
		"io.kubernetes.cri.sandbox-id":        sandboxID,
		"io.kubernetes.cri.sandbox-name":      sandbox.PodName,
		"io.kubernetes.cri.sandbox-namespace": sandbox.PodNamespace,
		"io.kubernetes.cri.sandbox-uid":       sandbox.PodUID,
		"io.kubernetes.cri.image-name":        c.Image,
	}
	return s, nil
}

// specBuilder fills an OCI spec, one aspect a method.
type specBuilder struct {
	r             *Runtime
	id, sandboxID string
	sandbox       kubelet.SandboxSpec
	c             kubelet.ContainerSpec
	img           *image
	s             *specs.Spec
}

// process sets what is run.
func (b *specBuilder) process(context.Context) error {
	p, img := b.s.Process, b.img.config.Config
	args := b.c.Args
	command := b.c.Command
	if len(command) == 0 {
		command = img.Entrypoint
		if len(args) == 0 {
			args = img.Cmd
		}
	}
	p.Args = append(append([]string(nil), command...), args...)
	if len(p.Args) == 0 {
		return errors.New("no command specified: neither the container nor its image has one")
	}
	p.Cwd = "/"
	for _, dir := range []string{b.c.WorkingDir, img.WorkingDir} {
		if dir != "" {
			p.Cwd = dir
			break
		}
	}
	hostname := b.sandbox.Hostname
	if hostname == "" {
		hostname, _ = os.Hostname()
	}
	p.Env = []string{defaultPath, "HOSTNAME=" + hostname}
	p.Terminal = b.c.TTY
	if b.c.TTY {
		p.Env = append(p.Env, "TERM=xterm")
	}
	for _, e := range img.Env {
		p.Env = setEnv(p.Env, e)
	}
	for _, e := range b.c.Env {
		p.Env = setEnv(p.Env, e.Name+"="+e.Value)
	}
	p.Rlimits = nil // those of this process
	p.OOMScoreAdj = clampOOMScoreAdj(b.c.Resources.OOMScoreAdj)
	return nil
}

// setEnv sets a variable in an environment, in the place it has.
func setEnv(env []string, e string) []string {
	name, _, _ := strings.Cut(e, "=")
	for i := range env {
		if strings.HasPrefix(env[i], name+"=") {
			env[i] = e
			return env
		}
	}
	return append(env, e)
}

// user sets whom it runs as.
func (b *specBuilder) user(ctx context.Context) error {
	u, err := b.r.users.resolve(ctx, b.r.stores, b.id, b.img, b.c.Security)
	if err != nil {
		return err
	}
	if b.c.Security.RunAsNonRoot && u.UID == 0 {
		return errors.New("container has runAsNonRoot and image will run as root")
	}
	b.s.Process.User = u
	return nil
}

// namespaces joins those of the sandbox.
func (b *specBuilder) namespaces(context.Context) error {
	pins := b.r.pinned(b.sandboxID)
	ns := []specs.LinuxNamespace{{Type: specs.MountNamespace}}
	if !b.sandbox.HostNetwork {
		ns = append(ns,
			specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: pins.path("net")},
			specs.LinuxNamespace{Type: specs.UTSNamespace, Path: pins.path("uts")})
	}
	if !b.sandbox.HostIPC {
		ns = append(ns, specs.LinuxNamespace{Type: specs.IPCNamespace, Path: pins.path("ipc")})
	}
	switch {
	case b.sandbox.HostPID:
	case b.sandbox.ShareProcesses:
		pid := b.r.pausePID(b.sandboxID)
		if pid == 0 {
			return errors.New("the sandbox has no shared process namespace")
		}
		ns = append(ns, specs.LinuxNamespace{Type: specs.PIDNamespace, Path: fmt.Sprintf("/proc/%d/ns/pid", pid)})
	default:
		ns = append(ns, specs.LinuxNamespace{Type: specs.PIDNamespace})
	}
	if cgroups.Mode() == cgroups.Unified && !b.c.Security.Privileged {
		ns = append(ns, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	b.s.Linux.Namespaces = ns
	b.s.Hostname = ""
	return nil
}

// mounts sets what is mounted: the usual, the sandbox's, the pod's volumes.
func (b *specBuilder) mounts(context.Context) error {
	privileged := b.c.Security.Privileged
	taken := map[string]bool{}
	for _, m := range b.c.Mounts {
		taken[filepath.Clean(m.ContainerPath)] = true
	}
	var out []specs.Mount
	for _, m := range b.s.Mounts {
		if taken[m.Destination] || m.Destination == "/run" || m.Destination == "/dev/shm" {
			continue
		}
		if privileged && m.Type == "sysfs" {
			m.Options = []string{"nosuid", "noexec", "nodev", "rw"}
		}
		out = append(out, m)
	}
	access := "ro"
	if privileged {
		access = "rw"
	}
	out = append(out, specs.Mount{
		Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup",
		Options: []string{"nosuid", "noexec", "nodev", "relatime", access},
	})
	bind := func(source, destination string, options ...string) {
		if !taken[destination] {
			out = append(out, specs.Mount{Destination: destination, Type: "bind", Source: source, Options: append([]string{"rbind"}, options...)})
		}
	}
	dir := b.r.state.sandbox(b.sandboxID)
	shm := filepath.Join(dir, "shm")
	if b.sandbox.HostIPC {
		shm = "/dev/shm"
	}
	bind(shm, "/dev/shm", "rprivate", "rw")
	bind(filepath.Join(dir, "hostname"), "/etc/hostname", "rprivate", "rw")

	for _, m := range b.c.Mounts {
		sm, err := b.volume(m)
		if err != nil {
			return err
		}
		out = append(out, sm)
	}
	b.s.Mounts = out
	return nil
}

// volume translates one mount of the pod.
func (b *specBuilder) volume(m kubelet.Mount) (specs.Mount, error) {
	fail := func(err error) (specs.Mount, error) {
		return specs.Mount{}, fmt.Errorf("mount %s at %s: %w", m.HostPath, m.ContainerPath, err)
	}
	source, err := filepath.EvalSymlinks(m.HostPath)
	if errors.Is(err, os.ErrNotExist) {
		source = m.HostPath
		err = os.MkdirAll(source, 0o755)
	}
	if err != nil {
		return fail(err)
	}
	options := []string{"rbind"}
	switch m.Propagation {
	case "":
		options = append(options, "rprivate")
	case "HostToContainer":
		options = append(options, "rslave")
		if b.s.Linux.RootfsPropagation == "" {
			b.s.Linux.RootfsPropagation = "rslave"
		}
	case "Bidirectional":
		options = append(options, "rshared")
		b.s.Linux.RootfsPropagation = "rshared"
	default:
		return fail(fmt.Errorf("unknown propagation %q", m.Propagation))
	}
	if m.ReadOnly {
		options = append(options, "ro")
	} else {
		options = append(options, "rw")
	}
	return specs.Mount{Destination: m.ContainerPath, Type: "bind", Source: source, Options: options}, nil
}

// devices passes devices of the host through.
func (b *specBuilder) devices(ctx context.Context) error {
	if b.c.Security.Privileged {
		if err := oci.WithHostDevices(ctx, nil, nil, b.s); err != nil {
			return fmt.Errorf("list the host's devices: %w", err)
		}
		return oci.WithAllDevicesAllowed(ctx, nil, nil, b.s)
	}
	for _, d := range b.c.Devices {
		path, err := filepath.EvalSymlinks(d.HostPath)
		if err != nil {
			return fmt.Errorf("device: %w", err)
		}
		perm := d.Permissions
		if perm == "" {
			perm = "rwm"
		}
		if err := oci.WithDevices(path, d.ContainerPath, perm)(ctx, nil, nil, b.s); err != nil {
			return fmt.Errorf("device %s: %w", d.HostPath, err)
		}
	}
	return nil
}
