package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

// preflight says what this machine lacks, before anything is touched.
func preflight(o options) error {
	if o.runtime != "containerd" {
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("running containers needs root: run it as root, or with -runtime simulated")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		return errors.New("runc is not installed: apt-get install runc, or run with -runtime simulated")
	}
	return nil
}

// lock makes sure that only one instance uses the data directory.
func lock(dataDir string) (unlock func() error, err error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("-data-dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("-data-dir: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("data directory %s is in use by another instance: stop it, or choose another with -data-dir", dataDir)
		}
		return nil, fmt.Errorf("locking data directory %s: %w", dataDir, err)
	}
	return f.Close, nil
}

// removeState removes what was needed only while running.
func removeState(dataDir string) error { return os.RemoveAll(stateDir(dataDir)) }

// nodeAddress is the address of this machine in its network: the source of the
// default route, else any that is not local. The zero Addr means that it has
// none.
func nodeAddress() (netip.Addr, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading the routes of this machine: %w", err)
	}
	prefer := -1
	for _, r := range routes {
		if r.Dst == nil || r.Dst.IP.IsUnspecified() {
			prefer = r.LinkIndex
			break
		}
	}
	addrs, err := netlink.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("reading the addresses of this machine: %w", err)
	}
	var found netip.Addr
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP.To4())
		if !ok || !ip.IsGlobalUnicast() || a.Label == "lo" || strings.HasPrefix(a.Label, "keelson") {
			continue
		}
		if a.LinkIndex == prefer {
			return ip, nil
		}
		if !found.IsValid() {
			found = ip
		}
	}
	return found, nil
}

// addLoopback gives this machine an address that only its pods can reach.
func addLoopback(ip netip.Addr) (remove func() error, err error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("finding the loopback interface: %w", err)
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrReplace(lo, addr); err != nil {
		return nil, fmt.Errorf("adding %s to the loopback interface: %w", ip, err)
	}
	return func() error {
		if err := netlink.AddrDel(lo, addr); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("removing %s from the loopback interface: %w", ip, err)
		}
		return nil
	}, nil
}

// alsoListen adds a second address to a listener.
func alsoListen(first net.Listener, at netip.AddrPort) (net.Listener, error) {
	if first.Addr().(*net.TCPAddr).IP.IsUnspecified() {
		return first, nil // it is on all addresses already
	}
	second, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("listening for pods: %w", err)
	}
	both := &listeners{Listener: first, second: second, conns: make(chan net.Conn), done: make(chan struct{})}
	for _, l := range []net.Listener{first, second} {
		both.accepting.Go(func() { both.accept(l) })
	}
	return both, nil
}

// listeners are two listeners as one.
type listeners struct {
	net.Listener
	second    net.Listener
	conns     chan net.Conn
	done      chan struct{}
	accepting sync.WaitGroup
	once      sync.Once
}

func (l *listeners) accept(from net.Listener) {
	for {
		c, err := from.Accept()
		if err != nil {
			return
		}
		select {
		case l.conns <- c:
		case <-l.done:
			c.Close()
			return
		}
	}
}

// Accept implements net.Listener.
func (l *listeners) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *listeners) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.done)
		err = errors.Join(l.Listener.Close(), l.second.Close())
		l.accepting.Wait()
	})
	return err
}

// importImage hands an image to the runtime under a name.
func importImage(ctx context.Context, rt *containerd.Runtime, ref string, img v1.Image) error {
	r, w := io.Pipe()
	go func() { w.CloseWithError(imagebuild.WriteArchive(w, map[string]v1.Image{ref: img})) }()
	_, err := rt.Import(ctx, r)
	return errors.Join(err, r.Close())
}
