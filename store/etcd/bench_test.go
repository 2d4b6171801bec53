package etcd_test

import (
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd"
	"github.com/keelson-project/keelson/store/storetest/storebench"
)

// BenchmarkStore measures a store over a unix socket, whose server does not
// wait for the disk.
func BenchmarkStore(b *testing.B) {
	storebench.Run(b, func(b *testing.B) store.Store {
		s, err := etcd.Open(b.Context(), etcd.Config{Endpoints: serve(b).Endpoints()})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = s.Close() })
		return s
	})
}
