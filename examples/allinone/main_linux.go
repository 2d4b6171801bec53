package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/keelson-project/keelson/kubelet/containerd"
)

func main() {
	// Containers are kept by copies of this program under another name.
	if containerd.RunAsShim() {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintf(os.Stderr, "allinone: %v\n", err)
		os.Exit(1)
	}
}

// run does what the arguments say.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "kubectl":
			return kubectl(args[1:])
		case "image":
			return image(ctx, args[1:], stdout)
		case "coredns":
			return coredns(ctx, args[1:])
		}
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	return serve(ctx, o, stdout)
}
