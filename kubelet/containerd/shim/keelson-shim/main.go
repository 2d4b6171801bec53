//go:build linux

// Command keelson-shim keeps the containers of one pod. It is started by the
// runtime in package kubelet/containerd, whose Config.ShimPath names it; it is
// not for use by hand.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

func main() {
	if err := shim.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "keelson-shim:", err)
		os.Exit(1)
	}
}
