package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The media types that are measured.
const (
	jsonType     = "application/json"
	protobufType = "application/vnd.kubernetes.protobuf"
	tableType    = "application/json;as=Table;g=meta.k8s.io;v=v1"
	partialType  = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// server is where requests go to.
type server struct {
	url    string
	tls    *tls.Config
	bearer string
	http1  bool
}

// open reads a kubeconfig.
func open(kubeconfig string, http1 bool) (*server, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	conf, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	host, _, err := rest.DefaultServerURL(config.Host, "", schemaGV, conf != nil)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	return &server{url: strings.TrimSuffix(host.String(), "/"), tls: conf, bearer: config.BearerToken, http1: http1}, nil
}

// client is one of those that ask at the same time; it has connections of its
// own, as another process would.
type client struct {
	server    *server
	transport *http.Transport
}

func (s *server) client() *client {
	t := &http.Transport{TLSClientConfig: s.tls.Clone(), ForceAttemptHTTP2: !s.http1, DisableCompression: true, ReadBufferSize: 64 << 10}
	return &client{server: s, transport: t}
}

func (c *client) close() { c.transport.CloseIdleConnections() }

// call is a request.
type call struct {
	method, path string
	accept       string // JSON if empty
	contentType  string // what accept says if empty
	encoding     string // accepted, such as gzip
	body         []byte
}

// refused is an answer that says no.
type refused struct {
	code int
	text string
}

// Error implements error.
func (e *refused) Error() string { return fmt.Sprintf("HTTP %d: %s", e.code, e.text) }

// send sends a request and returns the answer, which is a 2xx one.
func (c *client) send(ctx context.Context, r call) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.server.url+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if r.accept == "" {
		r.accept = jsonType
	}
	if r.contentType == "" {
		r.contentType = r.accept
	}
	req.Header.Set("Accept", r.accept)
	if r.body != nil {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.encoding != "" {
		req.Header.Set("Accept-Encoding", r.encoding)
	}
	if c.server.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+c.server.bearer)
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, &refused{resp.StatusCode, string(text)})
	}
	return resp, nil
}

// do sends a request and returns the answer's body.
func (c *client) do(ctx context.Context, r call) ([]byte, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

// discard sends a request and returns how long the answer's body is.
func (c *client) discard(ctx context.Context, r call) (int64, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var total int64
	for {
		n, err := resp.Body.Read(*buf)
		total += int64(n)
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}
