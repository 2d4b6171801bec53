//go:build linux

package shim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"

	runc "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/task"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/shutdown"
	"github.com/containerd/containerd/v2/pkg/sys/reaper"
	"github.com/containerd/log"
	"github.com/containerd/ttrpc"
	"golang.org/x/sys/unix"

	task "github.com/containerd/containerd/api/runtime/task/v3"
)

// Name is argument zero of a process that is to be a shim.
const Name = "keelson-shim"

// Namespace is containerd's namespace of what shims run.
const Namespace = "keelson"

// The descriptors a shim inherits.
const (
	taskFD    = 3
	controlFD = 4
)

// Invoked reports whether this process was started to be a shim.
func Invoked() bool {
	return len(os.Args) > 0 && filepath.Base(os.Args[0]) == Name
}

// Run is the life of a shim. It returns when it is told to shut down. The
// process must have been started by this module: with the task and the control
// socket as descriptors 3 and 4.
func Run(ctx context.Context) error {
	taskSocket, err := inherit(taskFD)
	if err != nil {
		return err
	}
	controlSocket, err := inherit(controlFD)
	if err != nil {
		return err
	}
	debug.SetGCPercent(40)
	_ = log.SetFormat(log.JSONFormat)
	_ = log.SetLevel("warn")

	// Everything a container leaves behind becomes a child of the shim.
	if err := reaper.SetSubreaper(1); err != nil {
		return fmt.Errorf("become the reaper of orphans: %w", err)
	}
	signals := make(chan os.Signal, 128)
	signal.Notify(signals, unix.SIGCHLD, unix.SIGTERM)
	signal.Ignore(unix.SIGINT, unix.SIGHUP, unix.SIGPIPE)

	ctx, sd := shutdown.WithShutdown(namespaces.WithNamespace(ctx, Namespace))
	defer sd.Shutdown()
	inner, err := runc.NewTaskService(ctx, noEvents{}, sd)
	if err != nil {
		return fmt.Errorf("start the task service: %w", err)
	}
	s := newService(inner)
	server, err := ttrpc.NewServer(ttrpc.WithServerHandshaker(ttrpc.UnixSocketRequireSameUser()))
	if err != nil {
		return err
	}
	task.RegisterTTRPCTaskService(server, s)
	go s.serveControl(ctx, controlSocket)
	go func() {
		if err := server.Serve(ctx, taskSocket); err != nil && !errors.Is(err, ttrpc.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "serve tasks:", err)
			sd.Shutdown()
		}
	}()
	for {
		select {
		case sig := <-signals:
			switch sig {
			case unix.SIGCHLD:
				if err := reaper.Reap(); err != nil {
					fmt.Fprintln(os.Stderr, "reap:", err)
				}
			case unix.SIGTERM:
				sd.Shutdown()
			}
		case <-sd.Done():
			_ = controlSocket.Close()
			_ = server.Close()
			return nil
		}
	}
}

func inherit(fd uintptr) (net.Listener, error) {
	f := os.NewFile(fd, "socket")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is not a socket to listen on; a shim is only started by a runtime: %w", fd, err)
	}
	return l, nil
}
