package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/containerd/log"

	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/cluster"
	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd"
	"github.com/keelson-project/keelson/store/etcd/embedded"
	"github.com/keelson-project/keelson/store/memory"
)

// serve runs the cluster until ctx ends, and then takes away all of it but its
// data.
func serve(ctx context.Context, o options, stdout io.Writer) (err error) {
	started := time.Now()
	undo := &cleanups{}
	defer func() { err = errors.Join(err, undo.run()) }()
	say := printer(stdout, started)

	if err := preflight(o); err != nil {
		return err
	}
	unlock, err := lock(o.dataDir)
	if err != nil {
		return err
	}
	undo.add(unlock)
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("-listen %s: %w: choose another port, or 0 for any", o.listen, err)
	}
	undo.add(func() error { return ignoreClosed(listener.Close()) })

	logger := slog.New(slog.DiscardHandler)
	if o.verbose {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	} else {
		// Some of containerd's plugins know no logger but their process's.
		log.L.Logger.SetOutput(io.Discard)
	}
	clusterOptions := cluster.Options{
		PodCIDR: o.podCIDR, ServiceCIDR: o.serviceCIDR, Logger: logger,
		Progress: func(part string) { say(part + " is ready") },
	}
	// The node comes first: what it opens takes the longest, side by side
	// with the store.
	opening := make(chan error, 1)
	var st store.Store
	go func() {
		var err error
		st, err = openStore(ctx, o, logger)
		opening <- err
	}()
	var n *node
	if o.runtime == "containerd" {
		n, err = openNode(ctx, o, logger, undo)
	}
	if storeErr := <-opening; storeErr != nil || err != nil {
		if st != nil {
			undo.add(st.Close)
		}
		return errors.Join(storeErr, err)
	}
	undo.add(st.Close)
	say("store is ready")
	clusterOptions.Store = st

	if clusterOptions.PKI, err = standard.OpenPKI(filepath.Join(o.dataDir, "pki")); err != nil {
		return err
	}
	addr := listener.Addr().(*net.TCPAddr).AddrPort()
	if n != nil {
		say("containerd is ready")
		clusterOptions.Nodes = []cluster.Node{n.node}
		clusterOptions.Advertise = netip.AddrPortFrom(n.advertise, addr.Port())
		clusterOptions.ServerIPs = append(clusterOptions.ServerIPs, n.advertise)
		dns := nthAddr(o.serviceCIDR, 10)
		clusterOptions.ClusterDNS = []netip.Addr{dns}
		if listener, err = alsoListen(listener, clusterOptions.Advertise); err != nil {
			return err
		}
	} else {
		clusterOptions.SimulatedNodes = 2
		clusterOptions.Advertise = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	clusterOptions.ServerIPs = append(clusterOptions.ServerIPs, addr.Addr().Unmap())
	clusterOptions.Listener = listener
	c, err := cluster.Start(ctx, clusterOptions)
	if err != nil {
		return err
	}
	undo.add(c.Close)

	if err := deployDNS(ctx, c, dnsConfig{Image: imageOf(n), PullPolicy: pullPolicyOf(n), Address: nthAddr(o.serviceCIDR, 10), Domain: "cluster.local"}); err != nil {
		return err
	}
	if err := writeKubeconfig(o.kubeconfig, c.PKI(), addr); err != nil {
		return err
	}
	undo.add(func() error { return nil })
	fmt.Fprintf(stdout, "\nThe cluster is up. Its kubeconfig is %s\nTry:  %s\n\n", o.kubeconfig, tryCommand(o))
	select {
	case <-ctx.Done():
		say("stopping")
		return nil
	case <-c.Done():
		return c.Err()
	}
}

// tryCommand is what to type next.
func tryCommand(o options) string {
	self := os.Args[0]
	if o.kubeconfig == filepath.Join(defaultDataDir, "kubeconfig") {
		return self + " kubectl get nodes"
	}
	return "KUBECONFIG=" + o.kubeconfig + " " + self + " kubectl get nodes"
}

// openStore opens what -store names.
func openStore(ctx context.Context, o options, logger *slog.Logger) (store.Store, error) {
	switch o.store {
	case "memory":
		return memory.New(), nil
	case "embedded":
		st, err := embedded.Start(ctx, embedded.Config{Dir: filepath.Join(o.dataDir, "etcd"), Logger: logger})
		if err != nil {
			return nil, fmt.Errorf("-store embedded: %w", err)
		}
		return st, nil
	}
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	st, err := etcd.Open(ctx, etcd.Config{Endpoints: strings.Split(o.store, ","), Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("-store %s: %w: is etcd running there?", o.store, err)
	}
	return st, nil
}

// etcdTimeout is how long an etcd cluster is given to answer the first time.
const etcdTimeout = 5 * time.Second

// writeKubeconfig writes the administrator's kubeconfig, for its owner alone.
func writeKubeconfig(file string, pki *standard.PKI, addr netip.AddrPort) error {
	host := addr.Addr().Unmap()
	if host.IsUnspecified() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	data, err := pki.AdminKubeconfig("keelson", "https://"+netip.AddrPortFrom(host, addr.Port()).String())
	if err != nil {
		return err
	}
	if err := certs.WriteFile(file, data); err != nil {
		return fmt.Errorf("-kubeconfig: %w", err)
	}
	return nil
}

// printer returns a function that prints a line with the time since start.
func printer(w io.Writer, start time.Time) func(string) {
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "%6.2fs  %s\n", time.Since(start).Seconds(), text)
	}
}

// cleanups are what to undo, last first.
type cleanups struct{ list []func() error }

func (c *cleanups) add(f func() error) { c.list = append(c.list, f) }

func (c *cleanups) run() error {
	var errs []error
	for i := len(c.list) - 1; i >= 0; i-- {
		errs = append(errs, c.list[i]())
	}
	return errors.Join(errs...)
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// nthAddr is the n-th address of an IPv4 range.
func nthAddr(p netip.Prefix, n uint32) netip.Addr {
	b := p.Masked().Addr().As4()
	v := (uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])) + n
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// lastAddr is the last address of an IPv4 range that a host can have.
func lastAddr(p netip.Prefix) netip.Addr { return nthAddr(p, uint32(1)<<(32-p.Bits())-2) }
