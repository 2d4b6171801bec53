package cluster_test

import (
	"net"
	"testing"

	"github.com/keelson-project/keelson/cluster"
	"github.com/keelson-project/keelson/internal/kubectltest"
)

// serving starts a cluster that listens on loopback, and returns a kubectl for
// it.
func serving(t *testing.T, o cluster.Options) *kubectl {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Listener = l
	c, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &kubectl{kubectltest.New(t, kubectltest.Kubeconfig(t, c.PKI(), l.Addr().String()))}
}

// kubectl is one with the steps of the transcript.
type kubectl struct{ *kubectltest.Kubectl }
