package etcd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd"
	"github.com/keelson-project/keelson/store/etcd/embedded"
)

// connect returns a plain etcd client.
func connect(t *testing.T, endpoints []string) *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestPrefix has two stores and a plain client in one cluster.
func TestPrefix(t *testing.T) {
	ctx := t.Context()
	client := connect(t, serve(t).Endpoints())
	one, two := etcd.New(client, "/one"), etcd.New(client, "/two")
	watch, err := one.Watch(ctx, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"/two/a", "/one/a", "/onetwo"} {
		if _, err := client.Put(ctx, key, "by the client"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := two.Create(ctx, "/b", nil, 0); err != nil {
		t.Fatal(err)
	}
	list, err := one.List(ctx, "", store.ListOptions{})
	if err != nil || len(list.Entries) != 2 || list.Entries[0].Key != "/a" || list.Entries[1].Key != "two" {
		t.Errorf("list of /one: %+v, %v", list, err)
	}
	var keys []string
	for len(keys) < 2 {
		for _, event := range (<-watch).Events {
			keys = append(keys, event.Entry.Key)
		}
	}
	if keys[0] != "/a" || keys[1] != "two" {
		t.Errorf("watch of /one saw %q", keys)
	}
	resp, err := client.Get(ctx, "/two/b")
	if err != nil || len(resp.Kvs) != 1 {
		t.Errorf("client sees of /two/b: %v, %v", resp, err)
	}
	for _, s := range []store.Store{one, two} {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.Get(ctx, "/"); err != nil {
		t.Errorf("client after the stores were closed: %v", err)
	}
}

// TestLeasesAreShared counts the leases of many entries.
func TestLeasesAreShared(t *testing.T) {
	ctx := t.Context()
	client := connect(t, serve(t).Endpoints())
	s := etcd.New(client, "")
	defer s.Close()
	const n = 2500
	for i := range n {
		if _, err := s.Create(ctx, fmt.Sprintf("/%d", i), nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := client.Leases(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(resp.Leases); got != 3 {
		t.Errorf("%d entries hang on %d leases, want 3", n, got)
	}
	for _, lease := range resp.Leases {
		live, err := client.TimeToLive(ctx, lease.ID)
		if err != nil {
			t.Fatal(err)
		}
		if live.GrantedTTL < 3600 || live.GrantedTTL > 3660 {
			t.Errorf("lease is granted for %d s, want an hour and up to a minute", live.GrantedTTL)
		}
		// A lease that is gone before its time is replaced.
		if _, err := client.Revoke(ctx, lease.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Create(ctx, "/after", nil, time.Hour); err != nil {
		t.Errorf("create after the leases were revoked: %v", err)
	}
}

// TestWatchSurvivesConnections restarts the server under a watch.
func TestWatchSurvivesConnections(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cfg := embedded.Config{Dir: t.TempDir(), Listen: []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}, Sync: embedded.SyncNever}
	server, err := embedded.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := etcd.Open(ctx, etcd.Config{Endpoints: server.Endpoints()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	watch, err := s.Watch(ctx, "/", 0)
	if err != nil {
		t.Fatal(err)
	}
	create := func(key string) {
		if _, err := server.Create(ctx, key, nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	create("/before")
	if got := (<-watch).Events; len(got) != 1 || got[0].Entry.Key != "/before" {
		t.Fatalf("watch before the restart: %v", got)
	}
	address, err := url.Parse(server.Endpoints()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.Listen = []url.URL{*address}
	if server, err = embedded.Start(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	create("/after")
	for batch := range watch {
		if batch.Err != nil {
			t.Fatalf("watch over the restart: %v", batch.Err)
		}
		if len(batch.Events) == 0 {
			continue
		}
		if key := batch.Events[0].Entry.Key; key != "/after" {
			t.Errorf("watch over the restart got %s", key)
		}
		return
	}
	t.Error("watch over the restart ended")
}

// TestTLS connects by TLS, with and without trust.
func TestTLS(t *testing.T) {
	certificate, roots := issue(t)
	server, err := embedded.Start(t.Context(), embedded.Config{
		Dir:    t.TempDir(),
		Listen: []url.URL{{Scheme: "https", Host: "127.0.0.1:0"}},
		TLS:    &tls.Config{Certificates: []tls.Certificate{certificate}},
		Sync:   embedded.SyncNever,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s, err := etcd.Open(t.Context(), etcd.Config{Endpoints: server.Endpoints(), TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Create(t.Context(), "/a", nil, 0); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if s, err := etcd.Open(ctx, etcd.Config{Endpoints: server.Endpoints(), TLS: &tls.Config{RootCAs: x509.NewCertPool()}}); err == nil {
		t.Error("connected to a server nobody vouches for")
		_ = s.Close()
	}
}

// issue makes a certificate for the loopback address, and its authority.
func issue(t *testing.T) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:         true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// TestOpenFails opens what is not there.
func TestOpenFails(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	if _, err := etcd.Open(t.Context(), etcd.Config{}); err == nil {
		t.Error("opened without endpoints")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := etcd.Open(ctx, etcd.Config{Endpoints: []string{"unix:///nowhere/at/all"}})
	if err == nil || !strings.Contains(err.Error(), "/nowhere/at/all") {
		t.Errorf("open of an endpoint that does not exist: %v", err)
	}
}
