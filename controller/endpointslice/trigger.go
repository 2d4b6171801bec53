package endpointslice

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

// Triggers find out which change of a pod or service made an update necessary, so
// that the delay until it takes effect can be measured. The zero value is ready; safe
// for concurrent use.
type Triggers struct {
	mu sync.Mutex
	of map[reconcile.Key]lastTriggers
}

type lastTriggers struct {
	service time.Time
	pods    map[types.UID]time.Time
}

// Next returns the earliest change since the last call for that service, zero if
// none is known, and remembers the state.
func (t *Triggers) Next(service *corev1.Service, pods []*corev1.Pod) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of == nil {
		t.of = make(map[reconcile.Key]lastTriggers)
	}
	key := reconcile.KeyOf(service)
	last, known := t.of[key]
	next := lastTriggers{service: service.CreationTimestamp.Time, pods: make(map[types.UID]time.Time, len(pods))}
	var first time.Time
	consider := func(at time.Time) {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	for _, pod := range pods {
		at := changedAt(pod)
		next.pods[pod.UID] = at
		if at.After(last.pods[pod.UID]) {
			consider(at)
		}
	}
	if !known || next.service.After(last.service) {
		consider(next.service)
	}
	t.of[key] = next
	return first
}

// Forget drops what is known of a service that is gone.
func (t *Triggers) Forget(service reconcile.Key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, service)
}

// changedAt is when the pod's readiness last changed.
func changedAt(pod *corev1.Pod) time.Time {
	if c := owned.PodCondition(pod, corev1.PodReady); c != nil {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}
