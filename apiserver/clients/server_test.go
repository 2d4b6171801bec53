package clients

import (
	"context"
	"net"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/internal/kubectltest"
	"github.com/keelson-project/keelson/store/memory"
)

// serve runs a server on loopback until the test ends, and returns the file of
// an administrator's kubeconfig once it is ready.
func serve(t *testing.T) string {
	t.Helper()
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	srv, err := standard.New(standard.Config{Store: st, PKI: pki, Listener: l})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	<-srv.Ready()
	return kubectltest.Kubeconfig(t, pki, l.Addr().String())
}

// config is a client configuration from a kubeconfig.
func config(t *testing.T, kubeconfig string) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c.QPS = -1
	return c
}
