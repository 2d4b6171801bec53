package simulated

import (
	"context"

	"github.com/keelson-project/keelson/kubelet"
)

// subscriber is one reader of Events. What it has not read yet is merged per
// sandbox, so that a slow reader costs no more than the number of sandboxes.
type subscriber struct {
	pending map[string]kubelet.Event
	order   []string
	wake    chan struct{} // holds one token while something is pending
}

// Events implements kubelet.Runtime.
func (r *Runtime) Events(ctx context.Context) (<-chan kubelet.Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sub := &subscriber{pending: make(map[string]kubelet.Event), wake: make(chan struct{}, 1)}
	r.mu.Lock()
	r.subscribers[sub] = struct{}{}
	r.mu.Unlock()

	events := make(chan kubelet.Event)
	go func() {
		defer close(events)
		defer func() {
			r.mu.Lock()
			delete(r.subscribers, sub)
			r.mu.Unlock()
		}()
		for {
			select {
			case <-ctx.Done():
				return
			case <-sub.wake:
			}
			for {
				event, ok := r.next(sub)
				if !ok {
					break
				}
				select {
				case <-ctx.Done():
					return
				case events <- event:
				}
			}
		}
	}()
	return events, nil
}

func (r *Runtime) next(sub *subscriber) (kubelet.Event, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(sub.order) == 0 {
		return kubelet.Event{}, false
	}
	id := sub.order[0]
	sub.order = sub.order[1:]
	event := sub.pending[id]
	delete(sub.pending, id)
	return event, true
}

// publish tells the subscribers of a change; r.mu is held.
func (r *Runtime) publish(s *sandbox) {
	for sub := range r.subscribers {
		if _, ok := sub.pending[s.ID]; ok {
			continue
		}
		sub.pending[s.ID] = kubelet.Event{SandboxID: s.ID, PodUID: s.Spec.PodUID}
		sub.order = append(sub.order, s.ID)
		select {
		case sub.wake <- struct{}{}:
		default:
		}
	}
}
