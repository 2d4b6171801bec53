package embedded_test

import (
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd/embedded"
	"github.com/keelson-project/keelson/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		s, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Sync: embedded.SyncNever})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
