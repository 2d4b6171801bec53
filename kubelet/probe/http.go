package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Request makes the HTTP request of a check or a lifecycle hook.
func Request(ctx context.Context, h *corev1.HTTPGetAction, t Target, agent string) (*http.Request, error) {
	port, err := Port(h.Port, t.Container)
	if err != nil {
		return nil, err
	}
	host := h.Host
	if host == "" {
		host = t.IP
	}
	path, err := url.Parse(h.Path)
	if err != nil {
		path = &url.URL{Path: h.Path} // something that is no URL is a path
	}
	scheme := strings.ToLower(string(h.Scheme))
	if scheme == "" {
		scheme = "http"
	}
	path.Scheme, path.Host = scheme, net.JoinHostPort(host, strconv.Itoa(port))
	if !strings.HasPrefix(path.Path, "/") {
		path.Path = "/" + path.Path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path.String(), nil)
	if err != nil {
		return nil, err
	}
	for _, header := range h.HTTPHeaders {
		if strings.EqualFold(header.Name, "Host") {
			req.Host = header.Value
		}
		req.Header.Add(header.Name, header.Value)
	}
	if _, set := req.Header["User-Agent"]; !set {
		req.Header.Set("User-Agent", agent)
	}
	if _, set := req.Header["Accept"]; !set {
		req.Header.Set("Accept", "*/*")
	}
	return req, nil
}

// Do sends a request over a connection of its own, with no check of the
// server's certificate and no proxy, and follows redirects to the same host.
func Do(req *http.Request) (status int, err error) {
	transport := &http.Transport{
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives:  true,
		DisableCompression: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Hostname() != req.URL.Hostname() {
			return http.ErrUseLastResponse
		}
		if len(via) >= 10 {
			return errors.New("stopped after 10 redirects")
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, outputLimit)); err != nil {
		return 0, err
	}
	return resp.StatusCode, nil
}

func httpGet(ctx context.Context, h *corev1.HTTPGetAction, t Target) error {
	req, err := Request(ctx, h, t, "kube-probe/1.37")
	if err != nil {
		return err
	}
	status, err := Do(req)
	if err != nil {
		return err
	}
	if status < 200 || status >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d", status)
	}
	return nil
}
