//go:build linux

package containerd

import (
	"context"
	"sync"

	"github.com/keelson-project/keelson/kubelet"
)

// eventHub hands events to all who listen. One who is slow gets each pending
// event once.
type eventHub struct {
	mu        sync.Mutex
	listeners map[*listener]struct{}
	closed    chan struct{}
}

type listener struct {
	pending []kubelet.Event
	wake    chan struct{}
}

func (h *eventHub) done() chan struct{} {
	if h.closed == nil {
		h.closed = make(chan struct{})
	}
	return h.closed
}

func (h *eventHub) publish(e kubelet.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
next:
	for l := range h.listeners {
		for _, p := range l.pending {
			if p == e {
				continue next
			}
		}
		l.pending = append(l.pending, e)
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (h *eventHub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.done())
}

func (h *eventHub) take(l *listener) []kubelet.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	events := l.pending
	l.pending = nil
	return events
}

// Events implements kubelet.Runtime.
func (r *Runtime) Events(ctx context.Context) (<-chan kubelet.Event, error) {
	h := &r.events
	l := &listener{wake: make(chan struct{}, 1)}
	h.mu.Lock()
	if h.listeners == nil {
		h.listeners = map[*listener]struct{}{}
	}
	h.listeners[l] = struct{}{}
	closed := h.done()
	h.mu.Unlock()

	out := make(chan kubelet.Event)
	go func() {
		defer close(out)
		defer func() {
			h.mu.Lock()
			delete(h.listeners, l)
			h.mu.Unlock()
		}()
		for {
			select {
			case <-l.wake:
			case <-ctx.Done():
				return
			case <-closed:
				return
			}
			for _, e := range h.take(l) {
				select {
				case out <- e:
				case <-ctx.Done():
					return
				case <-closed:
					return
				}
			}
		}
	}()
	return out, nil
}
