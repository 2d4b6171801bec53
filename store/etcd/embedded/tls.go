package embedded

import (
	"crypto/tls"
	"net"
	"slices"
)

// secure makes a listener of TLS connections that speak HTTP/2, as gRPC does.
func secure(l net.Listener, cfg *tls.Config) net.Listener {
	cfg = cfg.Clone()
	if !slices.Contains(cfg.NextProtos, "h2") {
		cfg.NextProtos = append(cfg.NextProtos, "h2")
	}
	return tls.NewListener(l, cfg)
}
