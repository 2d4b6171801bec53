package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// runner is what every component is.
type runner interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
}

// part is a component with its name.
type part struct {
	name string
	runner
}

// stage is a set of parts that start and stop together.
type stage struct {
	cancel context.CancelFunc
	group  sync.WaitGroup
	mu     sync.Mutex
	errs   []error
}

// stage starts parts and waits until all are ready. The context for them is
// not ctx: they stop when their turn comes, not all at once.
func (c *Cluster) stage(ctx context.Context, parts ...part) error {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &stage{cancel: cancel}
	c.stages = append(c.stages, s)
	for _, p := range parts {
		s.group.Go(func() {
			err := p.Run(running)
			switch {
			case running.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
				return
			case err == nil:
				err = fmt.Errorf("%s ended by itself", p.name)
			default:
				err = fmt.Errorf("%s: %w", p.name, err)
			}
			select {
			case c.failed <- err:
			default: // another part failed first
				s.mu.Lock()
				defer s.mu.Unlock()
				s.errs = append(s.errs, err)
			}
		})
	}
	for _, p := range parts {
		select {
		case <-p.Ready():
			c.options.Progress(p.name)
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return fmt.Errorf("cluster: waiting for %s: %w", p.name, ctx.Err())
		}
	}
	return nil
}

// stop ends the stage and waits for its parts.
func (s *stage) stop() error {
	s.cancel()
	s.group.Wait()
	return errors.Join(s.errs...)
}
