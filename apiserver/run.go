package apiserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/store"
)

const (
	// compactEvery is how long the store keeps history, and how often it is
	// told to forget.
	compactEvery = 5 * time.Minute
	// drainTime is how long requests under way may go on when Run ends.
	drainTime = 5 * time.Second
	// headerTimeout bounds how long a client takes to send its headers.
	headerTimeout = 32 * time.Second
	idleTimeout   = 90 * time.Second
)

// Run serves until ctx ends, and returns when everything it started is gone: nil
// if all went well. It can be called once.
func (s *Server) Run(ctx context.Context) error {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return errors.New("apiserver: Run called twice")
	}
	s.running = true
	s.mu.Unlock()
	defer s.kill()
	defer close(s.stopped)

	// The cache outlives the jobs and requests that read it.
	cacheCtx, stopCache := context.WithCancel(context.WithoutCancel(ctx))
	defer stopCache()
	cacheDone := make(chan error, 1)
	go func() { cacheDone <- s.registry.Cache().Run(cacheCtx) }()

	g, jobs := errgroup.WithContext(ctx)
	g.Go(func() error {
		select {
		case <-s.registry.Cache().Ready():
			close(s.started)
		case <-jobs.Done():
		}
		return nil
	})
	g.Go(func() error {
		select {
		case err := <-cacheDone:
			cacheDone <- err
			if err == nil {
				err = errors.New("cache ended")
			}
			return fmt.Errorf("apiserver: the store cannot be followed any more: %w", err)
		case <-jobs.Done():
			return nil
		}
	})
	g.Go(func() error { return s.compact(jobs) })
	g.Go(func() error { return s.system(jobs) })
	for _, job := range s.plugins.Jobs {
		g.Go(func() error { return s.job(jobs, job) })
	}
	var srv *http.Server
	if s.cfg.Listener != nil {
		srv = s.newServer()
		g.Go(func() error { return s.listen(srv) })
	}
	<-jobs.Done()
	s.drain(srv)
	err := g.Wait()
	stopCache()
	if cacheErr := <-cacheDone; err == nil {
		err = cacheErr
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = nil
	}
	return err
}

// job runs one of the plugins' once requests are answered.
func (s *Server) job(ctx context.Context, job func(context.Context) error) error {
	select {
	case <-s.started:
	case <-ctx.Done():
		return nil
	}
	err := job(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (s *Server) newServer() *http.Server {
	return &http.Server{
		Handler: s.Handler(), TLSConfig: s.cfg.TLSConfig, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return s.killed },
	}
}

func (s *Server) listen(srv *http.Server) error {
	var err error
	if s.cfg.TLSConfig != nil {
		err = srv.ServeTLS(s.cfg.Listener, "", "")
	} else {
		err = srv.Serve(s.cfg.Listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("apiserver: cannot serve at %s: %w", s.cfg.Listener.Addr(), err)
}

// drain ends watches at once, lets other requests finish for a while, and then
// ends them too.
func (s *Server) drain(srv *http.Server) {
	close(s.stopping)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	timer := time.AfterFunc(drainTime, s.kill)
	defer timer.Stop()
	if srv != nil {
		if err := srv.Shutdown(s.killed); err != nil {
			_ = srv.Close() // what is left hangs on killed requests
		}
	}
	s.requests.Wait()
}

// compact lets the store forget what is older than compactEvery.
func (s *Server) compact(ctx context.Context) error {
	ticker := time.NewTicker(compactEvery)
	defer ticker.Stop()
	var last int64
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if last > 0 {
			if err := s.cfg.Store.Compact(ctx, last); err != nil && ctx.Err() == nil && !errors.Is(err, store.ErrCompacted) {
				s.log.Warn("store cannot be compacted", "revision", last, "err", err)
			}
		}
		revision, err := s.cfg.Store.Revision(ctx)
		if err == nil {
			last = revision
		}
	}
}

// system makes what every cluster has, and then says that the server is ready.
func (s *Server) system(ctx context.Context) error {
	select {
	case <-s.started:
	case <-ctx.Done():
		return nil
	}
	client, err := kubernetes.NewForConfig(s.LoopbackConfig())
	if err != nil {
		return fmt.Errorf("apiserver: %w", err)
	}
	wait := 50 * time.Millisecond
	for {
		err := s.ensureSystem(ctx, client)
		if err == nil || ctx.Err() != nil {
			break
		}
		s.log.Warn("system objects cannot be made, trying again", "err", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, 5*time.Second)
	}
	for _, settled := range s.plugins.Settled {
		select {
		case <-settled:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	close(s.ready)
	return s.keepSystem(ctx, client)
}
