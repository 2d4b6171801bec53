package kubelet

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// observer keeps what the runtime has, by pod. It lists only when an event or
// a worker asks, and askers at the same time share one list.
type observer struct {
	runtime Runtime
	ctx     context.Context // the kubelet's: askers share lists, so no asker's

	mu      sync.Mutex
	pods    map[types.UID][]Sandbox // newest sandbox first
	running *listing                // in progress
	next    *listing                // to begin after it
	begun   uint64                  // lists begun
	taken   uint64                  // the newest list in pods
	changed chan struct{}           // closed, and replaced, when pods are
}

// listing is one call of Runtime.List that several may wait for.
type listing struct {
	done chan struct{}
	err  error
}

func newObserver(ctx context.Context, rt Runtime) *observer {
	return &observer{runtime: rt, ctx: ctx, pods: make(map[types.UID][]Sandbox), changed: make(chan struct{})}
}

// refresh returns when a list that began after the call has been taken in.
func (o *observer) refresh(ctx context.Context) error {
	o.mu.Lock()
	var mine *listing
	lead := false
	switch {
	case o.running == nil:
		mine, lead = &listing{done: make(chan struct{})}, true
		o.running = mine
	case o.next == nil:
		mine, lead = &listing{done: make(chan struct{})}, true
		o.next = mine
	default:
		mine = o.next
	}
	before := o.running
	o.mu.Unlock()

	if !lead {
		select {
		case <-mine.done:
			return mine.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if before != mine {
		<-before.done
		o.mu.Lock()
		o.running, o.next = mine, nil
		o.mu.Unlock()
	}
	o.mu.Lock()
	o.begun++
	order := o.begun
	o.mu.Unlock()
	list, err := o.runtime.List(o.ctx)
	o.mu.Lock()
	if err == nil && order > o.taken {
		o.pods, o.taken = byPod(list), order
		close(o.changed)
		o.changed = make(chan struct{})
	}
	if o.running == mine {
		o.running = nil
	}
	mine.err = err
	close(mine.done)
	o.mu.Unlock()
	return err
}

// ended returns a channel that is closed when a container no longer runs, or
// ctx has ended.
func (o *observer) ended(ctx context.Context, c Container) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			o.mu.Lock()
			changed, running := o.changed, false
			for _, s := range o.pods[types.UID(c.Labels[labelPodUID])] {
				for i := range s.Containers {
					running = running || s.Containers[i].ID == c.ID && s.Containers[i].State == StateRunning
				}
			}
			o.mu.Unlock()
			if !running {
				return
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	}()
	return done
}

// pod returns the sandboxes of a pod as last listed, the newest first.
func (o *observer) pod(uid types.UID) []Sandbox {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pods[uid]
}

// all returns the sandboxes of all pods as last listed.
func (o *observer) all() map[types.UID][]Sandbox {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.pods
}

// byPod sorts sandboxes by the pod they are of. The result is not changed
// afterwards and can be shared.
func byPod(list []Sandbox) map[types.UID][]Sandbox {
	pods := make(map[types.UID][]Sandbox)
	for _, s := range list {
		uid := types.UID(s.Spec.PodUID)
		pods[uid] = append(pods[uid], s)
	}
	for _, sandboxes := range pods {
		slices.SortFunc(sandboxes, func(a, b Sandbox) int { return int(b.Spec.Attempt) - int(a.Spec.Attempt) })
	}
	return pods
}
