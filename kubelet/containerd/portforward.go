//go:build linux

package containerd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/kubelet"
)

// PortForward implements kubelet.PortForwarder.
func (r *Runtime) PortForward(ctx context.Context, sandboxID string, port uint16, stream io.ReadWriteCloser) error {
	fail := func(err error) error {
		return fmt.Errorf("failed to forward to port %d in sandbox %s: %w", port, sandboxID, err)
	}
	defer stream.Close()
	sb := r.sandbox(sandboxID)
	if sb == nil {
		return fail(kubelet.ErrNotFound)
	}
	r.mu.Lock()
	hostNetwork, exited := sb.rec.Spec.HostNetwork, sb.rec.Exited
	r.mu.Unlock()
	if exited {
		return fail(errors.New("the sandbox has been stopped"))
	}
	netns := ""
	if !hostNetwork {
		netns = r.pinned(sandboxID).path("net")
	}
	conn, err := dialIn(ctx, netns, port)
	if err != nil {
		return fail(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() {
		conn.Close()
		stream.Close()
	})
	defer stop()
	go func() {
		// A client that has said all may still wait for the answer.
		_, _ = io.Copy(conn, stream)
		_ = conn.CloseWrite()
	}()
	if _, err := io.Copy(stream, conn); err != nil && ctx.Err() == nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		return fail(err)
	}
	return nil
}

// dialIn connects to a loopback port inside a network namespace; an empty path
// stands for this process's own.
func dialIn(ctx context.Context, netns string, port uint16) (*net.TCPConn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	onSpareThread(func() {
		if netns != "" {
			if err := enterNetNS(netns); err != nil {
				done <- result{err: err}
				return
			}
		}
		dialer := net.Dialer{Timeout: 10 * time.Second}
		var errs []error
		for _, host := range []string{"127.0.0.1", "::1"} {
			conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port))))
			if err == nil {
				done <- result{conn: conn}
				return
			}
			errs = append(errs, err)
		}
		done <- result{err: errors.Join(errs...)}
	})
	res := <-done
	if res.err != nil {
		return nil, res.err
	}
	return res.conn.(*net.TCPConn), nil
}

func enterNetNS(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer f.Close()
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	return nil
}
