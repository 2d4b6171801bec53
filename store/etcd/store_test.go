package etcd_test

import (
	"net/url"
	"path/filepath"
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd"
	"github.com/keelson-project/keelson/store/etcd/embedded"
	"github.com/keelson-project/keelson/store/storetest"
)

// serve starts a server that is reached by a unix socket only.
func serve(t testing.TB) *embedded.Store {
	dir := t.TempDir()
	server, err := embedded.Start(t.Context(), embedded.Config{
		Dir:    dir,
		Listen: []url.URL{{Scheme: "unix", Path: filepath.Join(dir, "s")}},
		Sync:   embedded.SyncNever,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close the server: %v", err)
		}
	})
	return server
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		server := serve(t)
		s, err := etcd.Open(t.Context(), etcd.Config{Endpoints: server.Endpoints(), Prefix: "/prefix"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
