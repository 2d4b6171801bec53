//go:build linux

package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/kubelet"
)

// execDrain is how long the output of an ended process is waited for: one it
// started may hold the pipe open for ever.
const execDrain = 2 * time.Second

// running returns the shim of a container that runs, or why there is none.
func (r *Runtime) running(id string) (*container, *shimProcess, error) {
	c := r.container(id)
	if c == nil {
		return nil, nil, kubelet.ErrNotFound
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.rec.State != kubelet.StateRunning || c.sb.shim == nil {
		return nil, nil, errors.New("the container is not running")
	}
	return c, c.sb.shim, nil
}

// Exec implements kubelet.Execer. A reader given as Stdin may still be read
// from when Exec has returned, until its next byte or end.
func (r *Runtime) Exec(ctx context.Context, id string, command []string, streams kubelet.Streams) error {
	err := r.exec(scope(ctx), id, command, streams)
	var exit *kubelet.ExitError
	if err == nil || errors.As(err, &exit) {
		return err
	}
	return fmt.Errorf("exec in container %s: %w", id, err)
}

func (r *Runtime) exec(ctx context.Context, id string, command []string, streams kubelet.Streams) error {
	_, s, err := r.running(id)
	if err != nil {
		return err
	}
	process, err := r.execSpec(ctx, id, command, streams.TTY)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.execs++
	name := fmt.Sprintf("exec-%d-%d", os.Getpid(), r.execs)
	r.mu.Unlock()
	x := &execution{s: s, id: id, name: name, streams: streams}
	if x.dir, err = os.MkdirTemp(string(r.state), "x-"); err != nil {
		return err
	}
	defer os.RemoveAll(x.dir)
	if err := x.open(); err != nil {
		return err
	}
	defer x.close()
	return x.run(ctx, process)
}

// execSpec is the process of the container, but for what it runs.
func (r *Runtime) execSpec(ctx context.Context, id string, command []string, tty bool) (*specs.Process, error) {
	info, err := r.stores.containers.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	var spec specs.Spec
	if err := typeurl.UnmarshalTo(info.Spec, &spec); err != nil {
		return nil, err
	}
	p := spec.Process
	p.Args, p.Terminal = command, tty
	if tty {
		p.Env = setEnv(p.Env, "TERM=xterm")
	}
	return p, nil
}

// execution is one process run beside the main one.
type execution struct {
	s        *shimProcess
	id, name string
	dir      string
	streams  kubelet.Streams

	stdin, stdout, stderr string // the pipes' paths
	readers               []*os.File
	copies                sync.WaitGroup
}

// open makes the pipes and opens their reading ends.
func (x *execution) open() error {
	pipe := func(name string) (string, error) {
		path := filepath.Join(x.dir, name)
		return path, unix.Mkfifo(path, 0o600)
	}
	var err error
	if x.streams.Stdin != nil {
		if x.stdin, err = pipe("stdin"); err != nil {
			return err
		}
	}
	if x.stdout, err = pipe("stdout"); err != nil {
		return err
	}
	if !x.streams.TTY {
		if x.stderr, err = pipe("stderr"); err != nil {
			return err
		}
	}
	for _, path := range []string{x.stdout, x.stderr} {
		if path == "" {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			x.close()
			return err
		}
		x.readers = append(x.readers, f)
	}
	return nil
}

func (x *execution) close() {
	for _, f := range x.readers {
		_ = f.Close()
	}
}

// run starts the process, serves its streams and waits for its end.
func (x *execution) run(ctx context.Context, process *specs.Process) error {
	spec, err := typeurl.MarshalAnyToProto(process)
	if err != nil {
		return err
	}
	if _, err := x.s.task.Exec(ctx, &task.ExecProcessRequest{
		ID: x.id, ExecID: x.name, Spec: spec,
		Terminal: x.streams.TTY, Stdin: x.stdin, Stdout: x.stdout, Stderr: x.stderr,
	}); err != nil {
		return errgrpc.ToNative(err)
	}
	cleanup := context.WithoutCancel(ctx)
	remove := func() error {
		_, err := x.s.task.Delete(cleanup, &task.DeleteRequest{ID: x.id, ExecID: x.name})
		if err = errgrpc.ToNative(err); errdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
	if _, err := x.s.task.Start(cleanup, &task.StartRequest{ID: x.id, ExecID: x.name}); err != nil {
		_ = remove() // the task service has undone it by itself
		return errgrpc.ToNative(err)
	}
	over := make(chan struct{})
	defer close(over)
	x.serve(cleanup, over)

	stop := context.AfterFunc(ctx, func() {
		_, _ = x.s.task.Kill(cleanup, &task.KillRequest{ID: x.id, ExecID: x.name, Signal: uint32(unix.SIGKILL)})
	})
	defer stop()
	resp, err := x.s.task.Wait(cleanup, &task.WaitRequest{ID: x.id, ExecID: x.name})
	if err != nil {
		return fmt.Errorf("wait for the process: %w", errgrpc.ToNative(err))
	}
	x.drain()
	if err := remove(); err != nil {
		return fmt.Errorf("clean up after the process: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if resp.ExitStatus != 0 {
		return &kubelet.ExitError{Code: int(resp.ExitStatus)}
	}
	return nil
}

// serve starts copying the streams.
func (x *execution) serve(ctx context.Context, over <-chan struct{}) {
	writers := []io.Writer{x.streams.Stdout, x.streams.Stderr}
	for i, f := range x.readers {
		w := writers[i]
		if w == nil {
			w = io.Discard
		}
		x.copies.Go(func() {
			if _, err := io.Copy(w, f); err != nil && !errors.Is(err, os.ErrClosed) {
				// Nobody listens; the process is to get no further than
				// with a closed pipe, but need not block.
				_, _ = io.Copy(io.Discard, f)
			}
		})
	}
	if x.stdin != "" {
		go func() {
			in := openWriter(x.stdin, over)
			if in == nil {
				return
			}
			_, _ = io.Copy(in, x.streams.Stdin)
			in.Close()
			_, _ = x.s.task.CloseIO(ctx, &task.CloseIORequest{ID: x.id, ExecID: x.name, Stdin: true})
		}()
	}
	if x.streams.TTY && x.streams.Resize != nil {
		go resize(ctx, x.s, x.id, x.name, x.streams.Resize, over)
	}
}

// openWriter opens a pipe for writing as soon as somebody reads it, which the
// shim does shortly after the process has started; nil if it is over before.
func openWriter(path string, over <-chan struct{}) *os.File {
	// The kernel tells nobody that a reader has come, except by letting an
	// open for writing through; a blocking one could not be taken back.
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			return f
		}
		if !errors.Is(err, unix.ENXIO) {
			return nil
		}
		select {
		case <-tick.C:
		case <-over:
			return nil
		}
	}
}

// drain waits until all output is copied, but not for ever.
func (x *execution) drain() {
	done := make(chan struct{})
	go func() {
		x.copies.Wait()
		close(done)
	}()
	timer := time.NewTimer(execDrain)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		x.close()
		<-done
	}
}

// resize passes terminal sizes on until there are no more or it is over.
func resize(ctx context.Context, s *shimProcess, id, execID string, sizes <-chan kubelet.TerminalSize, over <-chan struct{}) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			_, _ = s.task.ResizePty(ctx, &task.ResizePtyRequest{
				ID: id, ExecID: execID, Width: uint32(size.Width), Height: uint32(size.Height),
			})
		case <-over:
			return
		}
	}
}

// Attach implements kubelet.Attacher. What was written before is in the log.
func (r *Runtime) Attach(ctx context.Context, id string, streams kubelet.Streams) error {
	ctx = scope(ctx)
	fail := func(err error) error { return fmt.Errorf("attach to container %s: %w", id, err) }
	c, s, err := r.running(id)
	if err != nil {
		return fail(err)
	}
	r.mu.Lock()
	spec := c.rec.Spec
	r.mu.Unlock()
	stdin := streams.Stdin
	if !spec.Stdin {
		stdin = nil
	}
	over := make(chan struct{})
	defer close(over)
	started := func() {
		if spec.TTY && streams.Resize != nil {
			go resize(context.WithoutCancel(ctx), s, id, "", streams.Resize, over)
		}
	}
	if err := s.control().Attach(ctx, id, stdin, streams.Stdout, streams.Stderr, started); err != nil {
		return fail(err)
	}
	return nil
}

// ReopenLog implements kubelet.LogReopener.
func (r *Runtime) ReopenLog(ctx context.Context, id string) error {
	_, s, err := r.running(id)
	if err == nil {
		err = s.control().ReopenLog(ctx, id)
	}
	if err != nil {
		return fmt.Errorf("reopen the log of container %s: %w", id, err)
	}
	return nil
}
