// Package webhook calls the HTTP servers that users of a cluster name to
// convert or to judge its objects.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// mostAnswer is how large an answer may be, in bytes.
	mostAnswer = 16 << 20
	// mostShown is how much of an answer goes into an error.
	mostShown = 2 << 10
	// idleFor is how long a connection is kept without use.
	idleFor = 90 * time.Second
)

// Target is where a webhook is: at a URL, or behind a service.
type Target struct {
	URL string // empty for a service
	// Namespace, Name, Port and Path are the service's.
	Namespace, Name string
	Port            int32  // default 443
	Path            string // default /
	// CABundle has the authorities, in PEM, that the server is checked by;
	// empty for those of this machine.
	CABundle []byte
}

// Resolver finds the address, host and port, at which a port of a service can
// be reached.
type Resolver func(ctx context.Context, namespace, name string, port int32) (string, error)

// Client calls one webhook. Close it when it is no longer used.
type Client struct {
	url  string
	http *http.Client
	wait time.Duration
}

// Open prepares calls; nothing is connected yet. Calls end after a time, which
// the webhook is told. A nil resolver reaches no services.
func Open(t Target, resolve Resolver, wait time.Duration) (*Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	if bundle := bytes.TrimSpace(t.CABundle); len(bundle) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(bundle) {
			return nil, errors.New("webhook: the CA bundle has no certificate")
		}
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second}
	transport := &http.Transport{
		TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: idleFor, DialContext: dialer.DialContext,
	}
	address := t.URL
	if address == "" {
		if t.Port == 0 {
			t.Port = 443
		}
		t.Path = cmp.Or(t.Path, "/")
		config.ServerName = t.Name + "." + t.Namespace + ".svc"
		address = (&url.URL{Scheme: "https", Host: net.JoinHostPort(config.ServerName, strconv.Itoa(int(t.Port))), Path: t.Path}).String()
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			if resolve == nil {
				return nil, fmt.Errorf("services cannot be reached from here")
			}
			to, err := resolve(ctx, t.Namespace, t.Name, t.Port)
			if err != nil {
				return nil, err
			}
			return dialer.DialContext(ctx, network, to)
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	q := u.Query()
	q.Set("timeout", wait.String())
	u.RawQuery = q.Encode()
	return &Client{url: u.String(), http: &http.Client{Transport: transport, Timeout: wait}, wait: wait}, nil
}

// Post sends JSON and returns the JSON that is answered with success. The
// error of any other answer is an API status.
func (c *Client) Post(ctx context.Context, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.wait)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, */*")
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(data) > mostAnswer {
		return nil, fmt.Errorf("the answer has more than %d bytes", mostAnswer)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		text := string(bytes.TrimSpace(data[:min(len(data), mostShown)]))
		return nil, apierrors.NewGenericServerResponse(answer.StatusCode, "post", schema.GroupResource{}, "", text, 0, true)
	}
	return data, nil
}

// Close lets go of connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }
