package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/plugins/queuesort"
	"github.com/keelson-project/keelson/scheduler/plugins/schedulinggates"
	"github.com/keelson-project/keelson/scheduler/queue"
)

// newQueue has two plugins that refuse: "picky" is helped by nodes whose name is the pod's,
// "any" did not declare what helps it.
func newQueue() *queue.Queue {
	return queue.New(queue.Config{
		Less: queuesort.Plugin{}.Less,
		PreEnqueue: func(p *corev1.Pod) (*framework.Status, string) {
			return schedulinggates.Plugin{}.PreEnqueue(p), "SchedulingGates"
		},
		Interests: map[string][]framework.EventInterest{
			"picky": {{Kind: framework.Node, Actions: framework.Added, Hint: func(p *corev1.Pod, e framework.Event) framework.Hint {
				if e.New.(*corev1.Node).Name == p.Name {
					return framework.Retry
				}
				return framework.Ignore
			}}},
			"stubborn": nil,
		},
	})
}

func pod(name string, priority int32) *framework.PodInfo {
	return framework.NewPodInfo(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)},
		Spec:       corev1.PodSpec{Priority: &priority},
	})
}

func nodeAdded(name string) framework.Event {
	return framework.Event{Kind: framework.Node, Action: framework.Added, New: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}}
}

func by(plugin string) map[string]struct{} { return map[string]struct{}{plugin: {}} }

// pop takes the next pod and checks which it is; "" is none.
func pop(t *testing.T, q *queue.Queue, want string) *queue.Pod {
	t.Helper()
	p := q.Pop()
	got := ""
	if p != nil {
		got = p.Info.Pod.Name
	}
	if got != want {
		t.Fatalf("popped %q, want %q", got, want)
	}
	return p
}

func TestPriorityThenArrival(t *testing.T) {
	q := newQueue()
	for _, p := range []*framework.PodInfo{pod("low", 0), pod("high", 9), pod("low2", 0), pod("high2", 9)} {
		q.Set(p)
	}
	for _, want := range []string{"high", "high2", "low", "low2", ""} {
		pop(t, q, want)
	}
}

func TestBackoffDoublesToTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("p", 0))
		for _, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
			q.Retry(pop(t, q, "p"))
			at, ok := q.Next()
			if d := time.Until(at); !ok || d != want*time.Second {
				t.Fatalf("next attempt in %v, want %v", d, want*time.Second)
			}
			time.Sleep(time.Until(at) - time.Nanosecond)
			pop(t, q, "")
			time.Sleep(time.Nanosecond)
		}
	})
}

func TestOnlyAHelpfulEventBringsAPodBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("p", 0))
		q.Refuse(pop(t, q, "p"), by("picky"))
		q.Event(nodeAdded("other"))
		q.Event(framework.Event{Kind: framework.AssignedPod, Action: framework.Deleted})
		pop(t, q, "")
		q.Event(nodeAdded("p"))
		// An idle queue does not wait for the back-off.
		q.Refuse(pop(t, q, "p"), by("unheard-of"))
		q.Event(framework.Event{Kind: framework.Service, Action: framework.Added})
		q.Refuse(pop(t, q, "p"), by("stubborn"))
		q.Event(nodeAdded("p"))
		pop(t, q, "")
	})
}

func TestBackoffYieldsToActivePods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("refused", 9))
		q.Refuse(pop(t, q, "refused"), by("picky"))
		q.Set(pod("new", 0))
		q.Event(nodeAdded("refused"))
		pop(t, q, "new")
		pop(t, q, "refused")
	})
}

func TestEventDuringTheAttemptCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("p", 0))
		p := pop(t, q, "p")
		q.Event(nodeAdded("p"))
		q.Refuse(p, by("picky"))
		p = pop(t, q, "p")
		q.Event(nodeAdded("q"))
		q.Refuse(p, by("picky"))
		pop(t, q, "")
	})
}

func TestUnschedulablePodsAreFlushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("p", 0))
		q.Refuse(pop(t, q, "p"), by("stubborn"))
		at, ok := q.Next()
		if d := time.Until(at); !ok || d != 5*time.Minute {
			t.Fatalf("flush in %v", d)
		}
		time.Sleep(5 * time.Minute)
		pop(t, q, "p")
	})
}

func TestUpdates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("p", 0))
		q.Refuse(pop(t, q, "p"), by("stubborn"))
		status := pod("p", 0)
		status.Pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled}}
		q.Set(framework.NewPodInfo(status.Pod))
		pop(t, q, "")
		labeled := pod("p", 0)
		labeled.Pod.Labels = map[string]string{"a": "b"}
		q.Set(framework.NewPodInfo(labeled.Pod))
		p := pop(t, q, "p")
		if p.Info.Pod.Labels["a"] != "b" {
			t.Error("popped an old state")
		}
		// Changed during the attempt: try again with the new state.
		q.Set(pod("p", 7))
		q.Refuse(p, by("stubborn"))
		if p := pop(t, q, "p"); p.Info.Priority() != 7 {
			t.Error("the change during the attempt was lost")
		}
	})
}

func TestDeletedAndPlacedPodsStayAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue()
		q.Set(pod("gone", 0))
		p := pop(t, q, "gone")
		q.Delete("gone")
		q.Retry(p)
		q.Set(pod("placed", 0))
		p = pop(t, q, "placed")
		q.Placed(p)
		q.Set(pod("placed", 0)) // an update from before the binding
		time.Sleep(time.Hour)
		pop(t, q, "")
		// The binding failed after all.
		q.Retry(p)
		time.Sleep(time.Second)
		p = pop(t, q, "placed")
		q.Placed(p)
		q.Delete("placed")
		q.Retry(p)
		time.Sleep(time.Hour)
		pop(t, q, "")
	})
}

func TestGates(t *testing.T) {
	q := newQueue()
	gated := pod("p", 0)
	gated.Pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "g"}}
	q.Set(framework.NewPodInfo(gated.Pod))
	q.Event(nodeAdded("p"))
	pop(t, q, "")
	q.Set(pod("p", 0))
	select {
	case <-q.Wake():
	default:
		t.Error("no wake-up when the gate opened")
	}
	pop(t, q, "p")
}
