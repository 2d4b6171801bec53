//go:build linux

package shim

import (
	"context"
	"sync"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/core/events"
)

// drainPatience is how long Delete waits for output that was written before
// the container's end to reach the log.
const drainPatience = 5 * time.Second

// taskService has a name of its own to be embedded under.
type taskService = task.TTRPCTaskService

// service is containerd's task service for runc, but for the streams of
// containers: those whose bundle has an [IOFile] keep theirs here.
type service struct {
	taskService

	mu      sync.Mutex
	streams map[string]*streams
}

func newService(inner taskService) *service {
	return &service{taskService: inner, streams: map[string]*streams{}}
}

func (s *service) streamsOf(id string) *streams {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[id]
}

// Create makes the container, its streams tied to this shim.
func (s *service) Create(ctx context.Context, r *task.CreateTaskRequest) (*task.CreateTaskResponse, error) {
	st, err := openStreams(r.Bundle)
	if err != nil {
		return nil, err
	}
	if st == nil {
		return s.taskService.Create(ctx, r)
	}
	r.Stdin, r.Stdout, r.Stderr, r.Terminal = st.in, st.out, st.err, st.io.TTY
	resp, err := s.taskService.Create(ctx, r)
	if err != nil {
		st.abort()
		return nil, err
	}
	st.run()
	s.mu.Lock()
	s.streams[r.ID] = st
	s.mu.Unlock()
	return resp, nil
}

// Delete removes the container after its last output has been logged.
func (s *service) Delete(ctx context.Context, r *task.DeleteRequest) (*task.DeleteResponse, error) {
	resp, err := s.taskService.Delete(ctx, r)
	if err != nil || r.ExecID != "" {
		return resp, err
	}
	if st := s.streamsOf(r.ID); st != nil {
		timer := time.NewTimer(drainPatience)
		defer timer.Stop()
		select {
		case <-st.done:
		case <-timer.C:
		}
		s.mu.Lock()
		delete(s.streams, r.ID)
		s.mu.Unlock()
	}
	return resp, nil
}

// noEvents is a publisher that does not publish: whoever cares waits for the
// tasks, and what happened meanwhile is in their state.
type noEvents struct{}

func (noEvents) Publish(context.Context, string, events.Event) error { return nil }
func (noEvents) Close() error                                        { return nil }
