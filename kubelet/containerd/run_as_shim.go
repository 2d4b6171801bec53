//go:build linux

package containerd

import (
	"context"
	"fmt"
	"os"

	"github.com/keelson-project/keelson/kubelet/containerd/shim"
)

// RunAsShim is to be called first thing in main of a program that uses this
// package without Config.ShimPath. If this process was started to be a shim, it
// does that work, which takes as long as the pod lives, and reports true: main
// then returns. In all other processes it reports false at once.
func RunAsShim() bool {
	if !shim.Invoked() {
		return false
	}
	if err := shim.Run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "shim:", err)
	}
	return true
}
