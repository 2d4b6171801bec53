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
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd"
	"github.com/keelson-project/keelson/store/etcd/embedded"
	"github.com/keelson-project/keelson/store/memory"
)

// etcdTimeout is how long an etcd cluster is given to answer the first time.
const etcdTimeout = 5 * time.Second

// serve serves until ctx ends, and leaves nothing but its data and the
// kubeconfig. It says on stdout when the server is ready.
func serve(ctx context.Context, o options, stdout io.Writer) (err error) {
	logger := slog.New(slog.DiscardHandler)
	if o.verbose {
		logger = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(o.listen))
	if err != nil {
		return fmt.Errorf("-listen %s: %w: choose another port, or 0 for any", o.listen, err)
	}
	// Closed by the server, if it comes to that.
	defer func() { _ = listener.Close() }()
	address := listener.Addr().(*net.TCPAddr).AddrPort()

	pki, err := openPKI(o.dataDir)
	if err != nil {
		return err
	}
	st, err := openStore(ctx, o, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	server, err := standard.New(standard.Config{
		Store: st, PKI: pki, Listener: listener, ServerIPs: []netip.Addr{address.Addr()},
		ServiceCIDRs: o.serviceCIDRs, Issuer: o.issuer, Logger: logger,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx) })
	g.Go(func() error {
		select {
		case <-server.Ready():
		case <-ctx.Done():
			return nil
		}
		if err := writeKubeconfig(o.kubeconfig, pki, address); err != nil {
			return err
		}
		fmt.Fprintln(stdout, "ready on", address)
		return nil
	})
	return g.Wait()
}

// openPKI opens the keys below a directory, or makes new ones if there is none.
func openPKI(dataDir string) (*standard.PKI, error) {
	if dataDir == "" {
		return standard.NewPKI()
	}
	pki, err := standard.OpenPKI(filepath.Join(dataDir, "pki"))
	if err != nil {
		return nil, fmt.Errorf("-data-dir: %w", err)
	}
	return pki, nil
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

// writeKubeconfig writes the administrator's kubeconfig, for its owner alone.
func writeKubeconfig(file string, pki *standard.PKI, address netip.AddrPort) error {
	host := address.Addr().Unmap()
	if host.IsUnspecified() {
		host = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	data, err := pki.AdminKubeconfig("apiserver", "https://"+netip.AddrPortFrom(host, address.Port()).String())
	if err != nil {
		return err
	}
	if err := certs.WriteFile(file, data); err != nil {
		return fmt.Errorf("-kubeconfig: %w", err)
	}
	return nil
}
