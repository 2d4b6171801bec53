package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/etcdserver"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3rpc"
	"google.golang.org/grpc"

	"github.com/keelson-project/keelson/store/etcd"
)

// ErrInUse says that another store, of this process or another one, uses the
// directory.
var ErrInUse = errors.New("directory is in use by another server")

// Store is a store in an etcd server of its own. Its Close stops that too.
type Store struct {
	*etcd.Store

	lock      *fileutil.LockedFile
	server    *etcdserver.EtcdServer
	client    *clientv3.Client
	endpoints []string
	outside   *grpc.Server
	serving   sync.WaitGroup

	closing  sync.Once
	closeErr error
}

// Start starts a server on cfg.Dir and returns when it can be written to. If
// ctx ends before that, the server is stopped again; afterwards ctx does not
// matter. A directory that is in use is ErrInUse at once.
func Start(ctx context.Context, cfg Config) (*Store, error) {
	server, err := cfg.server()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("embedded: make the data directory: %w", err)
	}
	s := &Store{}
	// etcd would wait for its own lock without saying so.
	s.lock, err = fileutil.TryLockFile(filepath.Join(cfg.Dir, "lock"), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		if errors.Is(err, fileutil.ErrLocked) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("embedded: lock %s: %w", cfg.Dir, err)
	}
	if err := begin(cfg.Dir); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	listeners, err := s.listen(cfg)
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	server.ClientURLs = nil
	for _, endpoint := range s.endpoints {
		u, err := url.Parse(endpoint)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("embedded: endpoint %q: %w", endpoint, err), closeAll(listeners), s.stop())
		}
		server.ClientURLs = append(server.ClientURLs, *u)
	}
	if s.server, err = etcdserver.NewServer(server); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: open %s: %w", cfg.Dir, err), closeAll(listeners), s.stop())
	}
	s.server.Start()
	select {
	case <-s.server.ReadyNotify():
	case <-s.server.StopNotify():
		return nil, errors.Join(fmt.Errorf("embedded: server on %s stopped while starting", cfg.Dir), closeAll(listeners), s.stop())
	case <-ctx.Done():
		return nil, errors.Join(fmt.Errorf("embedded: start on %s: %w", cfg.Dir, ctx.Err()), closeAll(listeners), s.stop())
	}
	if err := complete(cfg.Dir); err != nil {
		return nil, errors.Join(err, closeAll(listeners), s.stop())
	}
	s.client = v3client.New(s.server)
	s.Store = etcd.New(s.client, cfg.Prefix)
	s.serve(cfg, listeners)
	return s, nil
}

// Endpoints are the URLs that clients in other processes can use, in the order
// of Config.Listen.
func (s *Store) Endpoints() []string { return append([]string(nil), s.endpoints...) }

// Close ends all watches and stops the server. The directory can be used again
// when it returns. A second call does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closeErr = errors.Join(s.Store.Close(), s.stop())
	})
	return s.closeErr
}

// stop undoes as much of Start as has been done.
func (s *Store) stop() error {
	var err error
	if s.outside != nil {
		s.outside.Stop()
	}
	if s.client != nil {
		if err = s.client.Close(); errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	if s.server != nil {
		s.server.Stop()
	}
	s.serving.Wait()
	return errors.Join(err, s.lock.Close())
}

// listen opens the listeners and sets the endpoints.
func (s *Store) listen(cfg Config) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, u := range cfg.Listen {
		network, address := "tcp", u.Host
		if u.Scheme == "unix" {
			network, address = "unix", u.Host+u.Path
			// The lock is held: a socket there is a dead server's.
			if err := os.Remove(address); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, errors.Join(fmt.Errorf("embedded: remove an old socket: %w", err), closeAll(listeners))
			}
		}
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("embedded: %w", err), closeAll(listeners))
		}
		listeners = append(listeners, l)
		if network == "unix" {
			s.endpoints = append(s.endpoints, "unix://"+address)
		} else {
			s.endpoints = append(s.endpoints, u.Scheme+"://"+l.Addr().String())
		}
	}
	return listeners, nil
}

// serve serves clients from outside until stop.
func (s *Store) serve(cfg Config, listeners []net.Listener) {
	if len(listeners) == 0 {
		return
	}
	// Whether a connection is encrypted is up to its listener.
	s.outside = v3rpc.Server(s.server, nil, nil)
	for i, l := range listeners {
		if cfg.Listen[i].Scheme == "https" {
			l = secure(l, cfg.TLS)
		}
		s.serving.Go(func() {
			// It ends with stop, or because the listener fails; the
			// store itself does not need it.
			if err := s.outside.Serve(l); err != nil && cfg.Logger != nil {
				cfg.Logger.Error("etcd: serving clients ended", "address", l.Addr().String(), "error", err)
			}
		})
	}
}

func closeAll(listeners []net.Listener) error {
	var all error
	for _, l := range listeners {
		all = errors.Join(all, l.Close())
	}
	return all
}
