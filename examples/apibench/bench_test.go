package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store/memory"
)

// serve runs a server and returns it with its kubeconfig.
func serve(t *testing.T) (srv *apiserver.Server, kubeconfig string) {
	t.Helper()
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	srv, err = standard.New(standard.Config{Store: st, PKI: pki, Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	pair, err := pki.CA.Issue(certs.Subject{CommonName: standard.AdminUser, Organizations: []string{standard.AdminGroup}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := certs.Kubeconfig("test", "https://"+listener.Addr().String(), pki.CA, standard.AdminUser, pair)
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, data, 0o600); err != nil {
		t.Fatal(err)
	}
	<-srv.Ready()
	return srv, kubeconfig
}

// TestRun measures a server, by both protocols, and finds it as it was.
func TestRun(t *testing.T) {
	srv, kubeconfig := serve(t)
	for _, protocol := range []string{"-http1=false", "-http1"} {
		o, err := parse([]string{"-kubeconfig", "ours=" + kubeconfig, "-pods", "20", "-list", "40", "-repeat", "1",
			"-gets", "10", "-watchers", "5", "-events", "20", "-clients", "4", protocol}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := run(t.Context(), o, &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		for _, row := range []string{"create 20 pods, JSON", "status of 20 pods, protobuf", "delete 20 pods, JSON", "get, 1 client", "list 40: Table, gzip", "20 events to 5 watchers, JSON"} {
			if !strings.Contains(out.String(), "| "+row) {
				t.Errorf("no figure for %q in\n%s", row, out.String())
			}
		}
	}
	client, err := kubernetes.NewForConfig(srv.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, ns := range list.Items {
		if strings.HasPrefix(ns.Name, "apibench-") && len(ns.Spec.Finalizers) > 0 {
			t.Errorf("namespace %s is left", ns.Name)
		}
	}
	pods, err := client.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) > 0 {
		t.Errorf("%d pods are left, %v", len(pods.Items), err)
	}
}

// TestPodSize holds the pods to the size that the program speaks of.
func TestPodSize(t *testing.T) {
	_, kubeconfig := serve(t)
	s, err := open(kubeconfig, false)
	if err != nil {
		t.Fatal(err)
	}
	c := s.client()
	defer c.close()
	b := &bench{server: s, clients: []*client{c}}
	if b.codec, err = newCodec(); err != nil {
		t.Fatal(err)
	}
	if err := b.prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	pods, err := b.create(t.Context(), "", jsonType, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(pods[0])
	if err != nil {
		t.Fatal(err)
	}
	if n := len(data); n < 7<<10 || n > 9<<10 {
		t.Errorf("a pod has %d bytes of JSON", n)
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"":                               "nothing to measure",
		"-kubeconfig a":                  "want NAME=",
		"-kubeconfig a=x -server a=y":    `there is a target "a" already`,
		"-kubeconfig a=x -pods 0":        "-pods 0 is not between 1 and",
		"-kubeconfig a=x -idle 0s":       "-idle and -timeout must be above zero",
		"-kubeconfig a=x -only (":        "-only: ",
		"-kubeconfig a=x all":            `"all" is no flag`,
		"-kubeconfig a=x -watchers many": "see apibench -help",
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestLatencies(t *testing.T) {
	var l latencies
	for i := range 100 {
		l = append(l, time.Duration(100-i)*time.Millisecond)
	}
	slices.Sort(l)
	if l.at(0.5) != 51*time.Millisecond || l.at(0.99) != 100*time.Millisecond || latencies(nil).at(0.5) != 0 {
		t.Errorf("p50 %v, p99 %v", l.at(0.5), l.at(0.99))
	}
}
