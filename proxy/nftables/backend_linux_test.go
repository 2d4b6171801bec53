package nftables_test

import (
	"testing"

	"github.com/keelson-project/keelson/proxy/proxytest"
)

func TestBackend(t *testing.T) {
	proxytest.Run(t, func(t *testing.T) proxytest.Environment { return newWorld(t).environment() })
}
