// Command apiserver is the Kubernetes API alone: no controllers, no scheduler,
// no nodes. Everything is in memory and gone when it ends.
//
//	apiserver -listen 127.0.0.1:6443 -kubeconfig FILE
//
// It shows the least a program needs to serve the API, and starts in
// milliseconds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store/memory"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:6443", "`address` to listen on; port 0 picks one")
	kubeconfig := flag.String("kubeconfig", "kubeconfig", "`file` to write the administrator's kubeconfig to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *kubeconfig); err != nil {
		fmt.Fprintln(os.Stderr, "apiserver:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, listen, kubeconfig string) (err error) {
	pki, err := standard.NewPKI()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	admin, err := pki.CA.Issue(certs.Subject{CommonName: standard.AdminUser, Organizations: []string{standard.AdminGroup}})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	config, err := certs.Kubeconfig("apiserver", "https://"+listener.Addr().String(), pki.CA, standard.AdminUser, admin)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	if err := certs.WriteFile(kubeconfig, config); err != nil {
		return errors.Join(fmt.Errorf("-kubeconfig: %w", err), listener.Close())
	}

	st := memory.New()
	defer func() { err = errors.Join(err, st.Close()) }()
	server, err := standard.New(standard.Config{Store: st, PKI: pki, Listener: listener})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return server.Run(ctx) })
	select {
	case <-server.Ready():
		fmt.Println("ready on", listener.Addr())
	case <-ctx.Done():
	}
	return g.Wait()
}
