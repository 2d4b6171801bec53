//go:build linux

package containerd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs/pkg/errgrpc"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// A pod that shares its process namespace needs a process number 1 that
// outlives all its containers and takes in their orphans. That is a program of
// some forty bytes, alone in its root file system: it ignores SIGCHLD, by which
// the kernel reaps for it, and sleeps.

// pauseCode is the program for this machine.
func pauseCode() ([]byte, uint16, error) {
	// The argument of rt_sigaction: SIG_IGN, no flags, no restorer, no mask.
	var ignore [32]byte
	ignore[0] = 1
	switch runtime.GOARCH {
	case "amd64":
		code := []byte{
			0xb8, 13, 0, 0, 0, // mov  eax, rt_sigaction
			0xbf, 17, 0, 0, 0, // mov  edi, SIGCHLD
			0x48, 0x8d, 0x35, 23, 0, 0, 0, // lea  rsi, [rip+23]
			0x31, 0xd2, // xor  edx, edx
			0x41, 0xba, 8, 0, 0, 0, // mov  r10d, 8
			0x0f, 0x05, // syscall
			0xb8, 34, 0, 0, 0, // mov  eax, pause
			0x0f, 0x05, // syscall
			0xeb, 0xf7, // jmp  back to the mov
			0, 0, 0, 0,
		}
		return append(code, ignore[:]...), 62, nil
	case "arm64":
		code := []uint32{
			0xd28010c8, // mov  x8, rt_sigaction
			0xd2800220, // mov  x0, SIGCHLD
			0x10000181, // adr  x1, +48
			0xd2800002, // mov  x2, 0
			0xd2800103, // mov  x3, 8
			0xd4000001, // svc  0
			0xd2800928, // mov  x8, ppoll
			0xd2800000, // mov  x0, 0
			0xd2800001, // mov  x1, 0
			0xd2800002, // mov  x2, 0
			0xd2800003, // mov  x3, 0
			0xd2800004, // mov  x4, 0
			0xd4000001, // svc  0
			0x17fffff9, // b    back to the mov of ppoll
		}
		var buf bytes.Buffer
		_ = binary.Write(&buf, binary.LittleEndian, code)
		return append(buf.Bytes(), ignore[:]...), 183, nil
	default:
		return nil, 0, fmt.Errorf("sharing a process namespace is not supported on %s", runtime.GOARCH)
	}
}

// pauseProgram is the program as an ELF file: a header, one segment, the code.
func pauseProgram() ([]byte, error) {
	code, machine, err := pauseCode()
	if err != nil {
		return nil, err
	}
	const base, head = 0x400000, 64 + 56
	size := uint64(head + len(code))
	var buf bytes.Buffer
	for _, v := range []any{
		[]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		uint16(2), machine, uint32(1),
		uint64(base + head), uint64(64), uint64(0),
		uint32(0), uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		// Loaded readable and executable.
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x10000),
		code,
	} {
		if err := binary.Write(&buf, binary.LittleEndian, v); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

// pauseRoot is the root file system of the program, made if need be.
func (r *Runtime) pauseRoot() (string, error) {
	program, err := pauseProgram()
	if err != nil {
		return "", err
	}
	// Not in StateDir: programs are often not allowed in /run.
	dir := filepath.Join(r.cfg.RootDir, "pause")
	if have, err := os.ReadFile(filepath.Join(dir, "pause")); err == nil && bytes.Equal(have, program) {
		return dir, nil
	}
	// The runtime wants to mount /proc.
	if err := os.MkdirAll(filepath.Join(dir, "proc"), 0o755); err != nil {
		return "", err
	}
	tmp := filepath.Join(dir, "."+newID())
	if err := os.WriteFile(tmp, program, 0o755); err != nil {
		return "", err
	}
	return dir, os.Rename(tmp, filepath.Join(dir, "pause"))
}

// startPause starts the init of a sandbox's process namespace as a container
// that has the sandbox's own ID, and returns its process number.
func (r *Runtime) startPause(ctx context.Context, sb *sandbox) (int, error) {
	root, err := r.pauseRoot()
	if err != nil {
		return 0, err
	}
	parent := sb.rec.Spec.CgroupParent
	if parent == "" {
		parent = "/keelson"
	}
	shares := uint64(2)
	pins := r.pinned(sb.id)
	spec := &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: root, Readonly: true},
		Process: &specs.Process{
			Args: []string{"/pause"}, Cwd: "/", NoNewPrivileges: true,
			User:         specs.User{UID: 65535, GID: 65535},
			Capabilities: &specs.LinuxCapabilities{},
			OOMScoreAdj:  clampOOMScoreAdj(-998),
		},
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}},
		Linux: &specs.Linux{
			CgroupsPath: filepath.Join("/", parent, sb.id),
			Namespaces:  []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}},
			Resources:   &specs.LinuxResources{CPU: &specs.LinuxCPU{Shares: &shares}},
		},
	}
	if !sb.rec.Spec.HostNetwork {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces,
			specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: pins.path("net")},
			specs.LinuxNamespace{Type: specs.UTSNamespace, Path: pins.path("uts")})
	}
	if !sb.rec.Spec.HostIPC {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces,
			specs.LinuxNamespace{Type: specs.IPCNamespace, Path: pins.path("ipc")})
	}
	bundle := r.state.bundle(sb.id)
	if err := writeBundle(bundle, spec, shim.IO{}); err != nil {
		return 0, err
	}
	if _, err := r.runTask(ctx, sb.shim, sb.id, bundle, nil); err != nil {
		return 0, errors.Join(err, r.cleanBundle(sb.id))
	}
	resp, err := sb.shim.task.State(ctx, &task.StateRequest{ID: sb.id})
	if err != nil {
		return 0, errgrpc.ToNative(err)
	}
	return int(resp.Pid), nil
}

// stopPause ends the init and with it all processes of the namespace. The shim
// that started it may be gone: s is nil, or another one.
func (r *Runtime) stopPause(ctx context.Context, sb *sandbox, s *shimProcess) error {
	if s == nil || s.removeTask(ctx, sb.id) != nil {
		if err := r.runcDelete(sb.id); err != nil {
			return err
		}
	}
	return r.cleanBundle(sb.id)
}

// removeTask kills a container and removes it from the shim.
func (s *shimProcess) removeTask(ctx context.Context, id string) error {
	if _, err := s.task.Kill(ctx, &task.KillRequest{ID: id, Signal: uint32(unix.SIGKILL)}); err != nil {
		return err
	}
	if _, err := s.task.Wait(ctx, &task.WaitRequest{ID: id}); err != nil {
		return err
	}
	_, err := s.task.Delete(ctx, &task.DeleteRequest{ID: id})
	return err
}

// pauseAlive reports whether the init of a sandbox is still there.
func pauseAlive(rec sandboxRecord) bool {
	born, err := processBorn(rec.PausePID)
	return err == nil && born == rec.PauseBorn
}

// pausePID is the process number of a sandbox's init, or zero.
func (r *Runtime) pausePID(sandboxID string) int {
	sb := r.sandbox(sandboxID)
	if sb == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return sb.rec.PausePID
}
