package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/keelson-project/keelson/leaderelection"

	"golang.org/x/sync/errgroup"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Manager runs controllers. Make one with [NewManager].
type Manager struct {
	shared      reconcile.SharedConfig
	controllers []Controller
	election    *leaderelection.Config
	logger      *slog.Logger

	running   atomic.Bool
	ready     chan struct{}
	readyOnce sync.Once
}

// NewManager checks c and returns a manager that has started nothing yet.
func NewManager(c Config) (*Manager, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	m := &Manager{
		shared: reconcile.SharedConfig{
			Client:    c.Client,
			Metadata:  c.Metadata,
			Discovery: c.Discovery,
			Logger:    c.Logger,
		},
		controllers: c.controllers(),
		logger:      c.Logger,
		ready:       make(chan struct{}),
	}
	if c.LeaderElection != nil {
		e, err := c.LeaderElection.Complete("kube-controller-manager")
		if err != nil {
			return nil, err
		}
		m.election = &e
	}
	// Wiring has no effects, so a setting that is missing is found here and not in Run.
	if _, _, err := m.wire(); err != nil {
		return nil, err
	}
	return m, nil
}

// Ready is closed when the controllers have run for the first time: their caches are
// filled and their queues are being worked on. A manager that waits for leadership is
// not ready.
func (m *Manager) Ready() <-chan struct{} { return m.ready }

// Run runs the controllers until ctx ends, and returns when all of them are gone; nil
// if nothing but ctx ended them. With leader election it waits its turn, stops the
// controllers when leadership is lost, and stands again. It may be called once.
func (m *Manager) Run(ctx context.Context) error {
	if m.running.Swap(true) {
		return errors.New("controller: Manager.Run was called before")
	}
	var err error
	if m.election == nil {
		err = m.term(ctx)
	} else {
		err = leaderelection.Lead(ctx, m.shared.Client.CoordinationV1(), *m.election, m.logger, m.term)
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// term runs the controllers once, on caches of their own.
func (m *Manager) term(ctx context.Context) error {
	shared, runners, err := m.wire()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer shared.Wait()
	defer stop()
	if err := shared.Start(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, runner := range runners {
		group.Go(func() error {
			if err := runner.Run(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("controller %s: %w", m.controllers[i].Name(), err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-ctx.Done() // also where there is no controller
		return nil
	})
	m.logger.Debug("controllers are running", "count", len(runners))
	m.readyOnce.Do(func() { close(m.ready) })
	return group.Wait()
}

func (m *Manager) wire() (*reconcile.Shared, []Runner, error) {
	shared, err := reconcile.NewShared(m.shared)
	if err != nil {
		return nil, nil, err
	}
	names := make(map[string]bool)
	runners := make([]Runner, len(m.controllers))
	for i, c := range m.controllers {
		if names[c.Name()] {
			return nil, nil, fmt.Errorf("controller: two controllers are named %q", c.Name())
		}
		names[c.Name()] = true
		if runners[i], err = c.New(shared); err != nil {
			return nil, nil, fmt.Errorf("controller: making %s: %w", c.Name(), err)
		}
	}
	return shared, runners, nil
}
