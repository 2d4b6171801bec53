package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
)

// coredns runs CoreDNS with the Corefile named until ctx ends: the command of
// the pods in the deployment kube-system/coredns.
func coredns(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("coredns", flag.ContinueOnError)
	file := flags.String("conf", "Corefile", "`file` to read")
	if err := flags.Parse(args); err != nil {
		return err
	}
	corefile, err := os.ReadFile(*file)
	if err != nil {
		return fmt.Errorf("coredns: -conf: %w", err)
	}
	if err := dnsserver.Register(); err != nil {
		return fmt.Errorf("coredns: %w", err)
	}
	caddy.Quiet, dnsserver.Quiet = true, true
	caddy.AppName, caddy.AppVersion = "CoreDNS", "1.15.0"
	instance, err := caddy.Start(caddy.CaddyfileInput{Contents: corefile, Filepath: *file, ServerTypeName: "dns"})
	if err != nil {
		return fmt.Errorf("coredns: %w", err)
	}
	<-ctx.Done()
	return errors.Join(append(instance.ShutdownCallbacks(), instance.Stop())...)
}
