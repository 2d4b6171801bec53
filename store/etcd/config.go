package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/keelson-project/keelson/store/etcd/internal/zapslog"
)

// Config says which cluster to use.
type Config struct {
	// Endpoints are the URLs or addresses of the cluster's members, such as
	// https://10.0.0.1:2379 or unix:///run/etcd.sock. Required.
	Endpoints []string
	// TLS is used for https endpoints; nil means no client certificate and
	// the system's certificate authorities.
	TLS *tls.Config
	// Username and Password are for a cluster with authentication by
	// password; empty for none.
	Username, Password string
	// Prefix is put before each key; what lies outside of it is invisible.
	Prefix string
	// Logger gets what the etcd client logs; nil discards it.
	Logger *slog.Logger
}

const (
	// dialTimeout is how long one attempt at connecting may take.
	dialTimeout = 20 * time.Second
	// A silent connection is tested after keepAlive and given up after
	// keepAliveTimeout more.
	keepAlive        = 30 * time.Second
	keepAliveTimeout = 10 * time.Second
)

// Open connects to a cluster and reads its revision, so that a wrong address
// or certificate shows here. ctx bounds only that; the store works until it is
// closed, which closes the connection.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("etcd: no endpoints given")
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            cfg.Endpoints,
		TLS:                  cfg.TLS,
		Username:             cfg.Username,
		Password:             cfg.Password,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    keepAlive,
		DialKeepAliveTimeout: keepAliveTimeout,
		Logger:               zapslog.New(cfg.Logger),
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: connect to %q: %w", cfg.Endpoints, err)
	}
	s := New(client, cfg.Prefix)
	s.release = client.Close
	if _, err := s.Revision(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("etcd: connect to %q: %w", cfg.Endpoints, err), s.Close())
	}
	return s, nil
}
