//go:build linux

package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// The sockets of a shim, in the directory of its sandbox.
const (
	taskSocket    = "task.sock"
	controlSocket = "control.sock"
	// shimLog is the file for what a shim has to complain about.
	shimLog = "shim.log"
)

// shimProcess is a running shim and the connection to it.
type shimProcess struct {
	dir  string
	pid  int
	born uint64
	conn *ttrpc.Client
	task task.TTRPCTaskService
	// dead is closed when the connection is lost, which is when the shim ends.
	dead chan struct{}
	// greeted is closed when the shim has answered for the first time, or
	// has failed to; then greeting tells why.
	greeted  chan struct{}
	greeting error
}

// shimPatience is how long a shim may take to answer for the first time.
const shimPatience = 20 * time.Second

// ready waits until the shim has answered.
func (s *shimProcess) ready(ctx context.Context) error {
	select {
	case <-s.greeted:
		return s.greeting
	case <-ctx.Done():
		return ctx.Err()
	}
}

// greet has the first word with the shim. One that does not answer is none:
// perhaps a program that does not know that it is to be one.
func (s *shimProcess) greet() {
	defer close(s.greeted)
	ctx, cancel := context.WithTimeout(scope(context.Background()), shimPatience)
	defer cancel()
	_, err := s.task.Connect(ctx, &task.ConnectRequest{})
	if err == nil {
		return
	}
	said, _ := os.ReadFile(filepath.Join(s.dir, shimLog))
	if n := len(said); n > 1024 {
		said = said[n-1024:]
	}
	s.greeting = fmt.Errorf("the shim does not answer (main must begin with RunAsShim, or Config.ShimPath name a shim): %w; it said: %q", err, said)
	_ = killProcess(s.pid, s.born)
	_ = s.conn.Close()
}

// startShim starts the shim of a sandbox in its directory.
func startShim(ctx context.Context, binary, dir string) (_ *shimProcess, err error) {
	taskL, err := listen(dir, taskSocket)
	if err != nil {
		return nil, err
	}
	defer taskL.Close()
	controlL, err := listen(dir, controlSocket)
	if err != nil {
		return nil, err
	}
	defer controlL.Close()
	files := make([]*os.File, 0, 2)
	for _, l := range []*net.UnixListener{taskL, controlL} {
		f, err := l.File()
		if err != nil {
			return nil, err
		}
		defer f.Close()
		files = append(files, f)
	}
	stderr, err := os.OpenFile(filepath.Join(dir, shimLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer stderr.Close()

	cmd := &exec.Cmd{
		Path:        binary,
		Args:        []string{shim.Name},
		Env:         append(os.Environ(), "GOMAXPROCS=2"),
		Dir:         dir,
		Stdout:      stderr,
		Stderr:      stderr,
		ExtraFiles:  files,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the shim: %w", err)
	}
	pid := cmd.Process.Pid
	born, _ := processBorn(pid)
	// The shim outlives this process, as a rule; if not, this is for the
	// zombie. It ends with the shim.
	go func() { _ = cmd.Wait() }()
	s, err := dialShim(ctx, dir)
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		return nil, err
	}
	s.pid, s.born = pid, born
	go s.greet()
	return s, nil
}

// adoptShim connects to the shim an earlier process has started.
func adoptShim(ctx context.Context, dir string, pid int, born uint64) (*shimProcess, error) {
	s, err := dialShim(ctx, dir)
	if err != nil {
		return nil, err
	}
	s.pid, s.born = pid, born
	s.greet()
	return s, s.greeting
}

// dialShim connects to the shim of a sandbox.
func dialShim(ctx context.Context, dir string) (*shimProcess, error) {
	conn, err := dial(ctx, dir, taskSocket)
	if err != nil {
		return nil, fmt.Errorf("dial the shim: %w", err)
	}
	s := &shimProcess{dir: dir, dead: make(chan struct{}), greeted: make(chan struct{})}
	s.conn = ttrpc.NewClient(conn, ttrpc.WithOnClose(func() { close(s.dead) }))
	s.task = task.NewTTRPCTaskClient(s.conn)
	return s, nil
}

// control is the client of the shim's control socket.
func (s *shimProcess) control() shim.Client {
	return shim.Client{Dial: func(ctx context.Context) (net.Conn, error) { return dial(ctx, s.dir, controlSocket) }}
}

// stop ends a shim whose containers are gone.
func (s *shimProcess) stop(ctx context.Context) error {
	_, err := s.task.Shutdown(ctx, &task.ShutdownRequest{})
	timer := time.NewTimer(2 * time.Second)
	defer timer.Stop()
	select {
	case <-s.dead:
		err = nil
	case <-timer.C:
		err = killProcess(s.pid, s.born)
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
	}
	return errors.Join(err, s.conn.Close())
}

// processBorn is the start time of a process, in the kernel's ticks.
func processBorn(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; 22 is the field counted from 1.
	i := bytes.LastIndexByte(data, ')')
	fields := bytes.Fields(data[i+1:])
	if i < 0 || len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%d/stat is not understood", pid)
	}
	return strconv.ParseUint(string(fields[19]), 10, 64)
}

// killProcess kills the process with this number if it is the one born then.
func killProcess(pid int, born uint64) error {
	if b, err := processBorn(pid); pid <= 1 || err != nil || b != born {
		return nil
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// listen makes a unix socket in a directory whose path may be longer than the
// 108 bytes the kernel has room for in an address.
func listen(dir, name string) (*net.UnixListener, error) {
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix", Name: fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name)})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	return l, nil
}

// dial connects to a socket made by listen.
func dial(ctx context.Context, dir, name string) (net.Conn, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	var dialer net.Dialer
	return dialer.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), name))
}
