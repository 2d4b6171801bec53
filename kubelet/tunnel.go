package kubelet

import (
	"bufio"
	"net"
	"net/http"

	gorilla "github.com/gorilla/websocket"
	constants "k8s.io/apimachinery/pkg/util/portforward"
	tunnel "k8s.io/client-go/tools/portforward"
)

// serveTunnel answers a request to carry a SPDY connection for port forwarding
// inside a WebSocket, which passes proxies that SPDY does not. serve gets the
// request as if it had come by SPDY itself.
func serveTunnel(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request)) {
	upgrader := gorilla.Upgrader{
		CheckOrigin:  func(*http.Request) bool { return true }, // no browser has the API server's certificate
		Subprotocols: []string{constants.WebsocketsSPDYTunnelingPortForwardV1},
	}
	socket, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the client was told by the failed handshake
	}
	conn := tunnel.NewTunnelingConnection("server", socket)
	defer conn.Close()
	inner := r.Clone(r.Context())
	inner.Method = http.MethodPost
	inner.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"},
		"X-Stream-Protocol-Version": {constants.PortForwardV1Name},
	}
	serve(&tunnelWriter{header: make(http.Header), conn: conn}, inner)
}

// tunnelWriter answers an upgrade request whose connection exists already: it
// has no need of the answer's head.
type tunnelWriter struct {
	header http.Header
	conn   net.Conn
}

// Header implements http.ResponseWriter.
func (w *tunnelWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *tunnelWriter) WriteHeader(int) {}

// Write implements http.ResponseWriter.
func (w *tunnelWriter) Write(p []byte) (int, error) { return len(p), nil }

// Hijack implements http.Hijacker.
func (w *tunnelWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.conn, bufio.NewReadWriter(bufio.NewReader(w.conn), bufio.NewWriter(w.conn)), nil
}
