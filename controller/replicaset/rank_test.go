package replicaset

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

var now = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

// pod is running on node n and ready for an hour, unless changed.
func pod(name string, changes ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: ago(time.Hour)},
		Spec:       corev1.PodSpec{NodeName: "n"},
		Status: corev1.PodStatus{
			Phase:      corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: ago(time.Hour)}},
		},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func TestToDelete(t *testing.T) {
	on := func(node string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Spec.NodeName = node } }
	pending := func(p *corev1.Pod) { p.Status.Phase = corev1.PodPending; p.Status.Conditions = nil }
	notReady := func(p *corev1.Pod) { p.Status.Conditions = nil }
	cost := func(c string) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Annotations = map[string]string{corev1.PodDeletionCost: c} }
	}
	ready := func(d time.Duration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.Conditions[0].LastTransitionTime = ago(d) }
	}
	created := func(d time.Duration) func(*corev1.Pod) { return func(p *corev1.Pod) { p.CreationTimestamp = ago(d) } }
	restarts := func(n int32) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: n}} }
	}
	tests := []struct {
		name      string
		pods      []*corev1.Pod
		relatives []*corev1.Pod
		want      string // the one that goes first
	}{
		{"unassigned before assigned", []*corev1.Pod{pod("a"), pod("b", on(""), pending)}, nil, "b"},
		{"pending before running", []*corev1.Pod{pod("a"), pod("b", pending)}, nil, "b"},
		{"not ready before ready", []*corev1.Pod{pod("a"), pod("b", notReady)}, nil, "b"},
		{"cheaper first", []*corev1.Pod{pod("a", cost("5")), pod("b", cost("-5"))}, nil, "b"},
		{"no cost is zero", []*corev1.Pod{pod("a", cost("1")), pod("b")}, nil, "b"},
		{"rubbish is zero", []*corev1.Pod{pod("a", cost("1")), pod("b", cost("x"))}, nil, "b"},
		{"not ready before cheaper", []*corev1.Pod{pod("a", cost("-9")), pod("b", notReady)}, nil, "b"},
		{"crowded node first", []*corev1.Pod{pod("a", on("m")), pod("b")}, []*corev1.Pod{pod("a", on("m")), pod("b"), pod("c")}, "b"},
		{"finished pods crowd nobody", []*corev1.Pod{pod("a", ready(time.Minute)), pod("b", on("m"))},
			[]*corev1.Pod{pod("c", on("m"), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })}, "a"},
		{"ready for a shorter time first", []*corev1.Pod{pod("a"), pod("b", ready(time.Minute))}, nil, "b"},
		{"about the same time: by UID", []*corev1.Pod{pod("b", ready(59*time.Minute)), pod("a")}, nil, "a"},
		{"more restarts first", []*corev1.Pod{pod("a"), pod("b", restarts(3))}, nil, "b"},
		{"younger first", []*corev1.Pod{pod("a"), pod("b", created(time.Minute))}, nil, "b"},
	}
	for _, test := range tests {
		for _, order := range [][]int{{0, 1}, {1, 0}} {
			t.Run(fmt.Sprint(test.name, order), func(t *testing.T) {
				got := toDelete([]*corev1.Pod{test.pods[order[0]], test.pods[order[1]]}, test.relatives, 1, now)
				if len(got) != 1 || got[0].Name != test.want {
					t.Errorf("%s goes, want %s", got[0].Name, test.want)
				}
			})
		}
	}
	if got := toDelete(tests[0].pods, nil, 5, now); len(got) != 2 {
		t.Errorf("%d of 2 pods go when 5 should", len(got))
	}
}
