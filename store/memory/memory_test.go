package memory_test

import (
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
	"github.com/keelson-project/keelson/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return memory.New() })
}
