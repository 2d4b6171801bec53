package deployment

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func rolling(replicas int32, surge, unavailable string) *appsv1.Deployment {
	return &appsv1.Deployment{Spec: appsv1.DeploymentSpec{
		Replicas: &replicas,
		Strategy: appsv1.DeploymentStrategy{
			Type: appsv1.RollingUpdateDeploymentStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDeployment{
				MaxSurge:       ptr.To(intstr.Parse(surge)),
				MaxUnavailable: ptr.To(intstr.Parse(unavailable)),
			},
		},
	}}
}

func set(name string, replicas, available int32) *appsv1.ReplicaSet {
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       appsv1.ReplicaSetSpec{Replicas: &replicas},
		Status:     appsv1.ReplicaSetStatus{Replicas: replicas, AvailableReplicas: available},
	}
}

func TestFenceposts(t *testing.T) {
	for _, test := range []struct {
		d           *appsv1.Deployment
		surge, down int32
	}{
		{rolling(10, "25%", "25%"), 3, 2},
		{rolling(2, "0", "1%"), 0, 1},
		{rolling(1, "1%", "25%"), 1, 0},
		{rolling(2, "0%", "0%"), 0, 1},
		{rolling(4, "2", "1"), 2, 1},
	} {
		if surge, down := fenceposts(test.d); surge != test.surge || down != test.down {
			t.Errorf("%v of %d: %d, %d; want %d, %d", test.d.Spec.Strategy.RollingUpdate, *test.d.Spec.Replicas, surge, down, test.surge, test.down)
		}
	}
}

func plain(plan []size) string {
	text := ""
	for _, step := range plan {
		text += fmt.Sprintf("%s=%d ", step.set.Name, step.replicas)
	}
	return text
}

func TestRollingSteps(t *testing.T) {
	tests := []struct {
		name    string
		d       *appsv1.Deployment
		current *appsv1.ReplicaSet
		old     []*appsv1.ReplicaSet
		grow    int32
		shrink  string
	}{
		{"start", rolling(10, "25%", "25%"), set("new", 0, 0), []*appsv1.ReplicaSet{set("a", 10, 10)}, 3, "a=8 "},
		{"surge is used up", rolling(10, "25%", "25%"), set("new", 3, 0), []*appsv1.ReplicaSet{set("a", 10, 10)}, 3, "a=8 "},
		{"none may be missing", rolling(4, "1", "0"), set("new", 1, 0), []*appsv1.ReplicaSet{set("a", 4, 4)}, 1, ""},
		{"one is up", rolling(4, "1", "0"), set("new", 1, 1), []*appsv1.ReplicaSet{set("a", 4, 4)}, 1, "a=3 "},
		{"broken ones go first, whatever the age", rolling(10, "2", "2"), set("new", 2, 0),
			[]*appsv1.ReplicaSet{set("a", 8, 8), set("b", 2, 0)}, 2, "b=0 "},
		{"new ones broken: stop", rolling(10, "3", "2"), set("new", 5, 0), []*appsv1.ReplicaSet{set("a", 8, 8)}, 5, ""},
		{"done", rolling(3, "1", "1"), set("new", 3, 3), []*appsv1.ReplicaSet{set("a", 0, 0)}, 3, ""},
		{"too large", rolling(3, "1", "1"), set("new", 5, 5), nil, 3, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := growth(test.d, test.current, join(test.old, test.current)); got != test.grow {
				t.Errorf("grows to %d, want %d", got, test.grow)
			}
			if got := plain(shrinkOld(test.d, test.current, test.old)); got != test.shrink {
				t.Errorf("shrinks %q, want %q", got, test.shrink)
			}
		})
	}
}

func TestRescale(t *testing.T) {
	noted := func(s *appsv1.ReplicaSet, most string) *appsv1.ReplicaSet {
		s.Annotations = map[string]string{maxAnnotation: most, desiredAnnotation: "10"}
		return s
	}
	for _, test := range []struct {
		name    string
		d       *appsv1.Deployment
		current *appsv1.ReplicaSet
		old     []*appsv1.ReplicaSet
		want    string
	}{
		{"only set", rolling(7, "1", "1"), set("new", 3, 3), []*appsv1.ReplicaSet{set("a", 0, 0)}, "new=7 "},
		{"only active is old", rolling(7, "1", "1"), nil, []*appsv1.ReplicaSet{set("a", 3, 3)}, "a=7 "},
		{"in proportion, up", rolling(20, "3", "2"), noted(set("new", 5, 0), "13"), []*appsv1.ReplicaSet{noted(set("a", 8, 8), "13")}, "a=14 new=9 "},
		{"in proportion, down", rolling(5, "0", "1"), noted(set("new", 2, 0), "10"), []*appsv1.ReplicaSet{noted(set("a", 8, 8), "10")}, "a=4 new=1 "},
		{"to zero", rolling(0, "1", "1"), noted(set("new", 2, 0), "10"), []*appsv1.ReplicaSet{noted(set("a", 8, 8), "10")}, "a=0 new=0 "},
		{"old ones beside a complete set", rolling(10, "3", "2"), noted(set("new", 10, 10), "13"), []*appsv1.ReplicaSet{set("a", 1, 1)}, "a=0 "},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := plain(rescale(test.d, test.current, test.old)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestRemember(t *testing.T) {
	history := ""
	for i := range 1000 {
		history = remember(history, fmt.Sprint(i+1))
		if len(history) > historyLimit {
			t.Fatalf("history of %d characters", len(history))
		}
	}
	if want := ",999,1000"; history[len(history)-len(want):] != want {
		t.Errorf("history ends in %q", history[len(history)-20:])
	}
}
