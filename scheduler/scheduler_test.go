package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/keelson-project/keelson/scheduler"
)

// newClient is a fake API whose binding subresource works.
func newClient(objects ...runtime.Object) *fake.Clientset {
	c := fake.NewClientset(objects...)
	c.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		create, ok := a.(clienttesting.CreateAction)
		if !ok || a.GetSubresource() != "binding" {
			return false, nil, nil
		}
		b := create.GetObject().(*corev1.Binding)
		obj, err := c.Tracker().Get(a.GetResource(), b.Namespace, b.Name)
		if err != nil {
			return true, nil, err
		}
		pod := obj.(*corev1.Pod).DeepCopy()
		pod.Spec.NodeName = b.Target.Name
		return true, b, c.Tracker().Update(a.GetResource(), pod, b.Namespace)
	})
	return c
}

func newNode(name, cpu string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}},
	}
}

func newPod(name, cpu string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec: corev1.PodSpec{SchedulerName: corev1.DefaultSchedulerName, Containers: []corev1.Container{{
			Name: "c", Image: "img", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
}

// start runs a scheduler in the bubble; the returned function stops it and waits.
func start(t *testing.T, c *fake.Clientset, change ...func(*scheduler.Config)) (stop func()) {
	t.Helper()
	cfg := scheduler.Config{Client: c}
	for _, f := range change {
		f(&cfg)
	}
	s, err := scheduler.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func get(t *testing.T, c *fake.Clientset, name string) *corev1.Pod {
	t.Helper()
	pod, err := c.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

func create(t *testing.T, c *fake.Clientset, pod *corev1.Pod) {
	t.Helper()
	if _, err := c.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func notes(t *testing.T, c *fake.Clientset, reason string) []string {
	t.Helper()
	list, err := c.EventsV1().Events("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range list.Items {
		if e.Reason == reason {
			out = append(out, e.Regarding.Name+": "+e.Action+": "+e.Note)
		}
	}
	return out
}

func TestPodsAreBoundAndAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "4"), newNode("b", "4"))
		stop := start(t, c)
		for i := range 6 {
			create(t, c, newPod(fmt.Sprintf("p%d", i), "1"))
		}
		synctest.Wait()
		on := map[string]int{}
		for i := range 6 {
			on[get(t, c, fmt.Sprintf("p%d", i)).Spec.NodeName]++
		}
		if on["a"] != 3 || on["b"] != 3 {
			t.Errorf("pods by node: %v, want 3 on each", on)
		}
		events := notes(t, c, "Scheduled")
		if len(events) != 6 || !strings.Contains(events[0], ": Binding: Successfully assigned default/p") {
			t.Errorf("events: %q", events)
		}
		stop()
	})
}

func TestRefusedPodSaysWhyAndFollowsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "1"))
		stop := start(t, c)
		create(t, c, newPod("big", "2"))
		synctest.Wait()
		const why = "0/1 nodes are available: 1 Insufficient cpu."
		cond := get(t, c, "big").Status.Conditions
		if len(cond) != 1 || cond[0].Type != corev1.PodScheduled || cond[0].Reason != corev1.PodReasonUnschedulable || !strings.HasPrefix(cond[0].Message, why) {
			t.Errorf("conditions: %+v", cond)
		}
		if got := notes(t, c, "FailedScheduling"); len(got) != 1 || !strings.HasPrefix(got[0], "big: Scheduling: "+why) {
			t.Errorf("events: %q", got)
		}
		start := time.Now()
		if _, err := c.CoreV1().Nodes().Create(t.Context(), newNode("b", "4"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := get(t, c, "big").Spec.NodeName; got != "b" {
			t.Errorf("after a fitting node came the pod is on %q", got)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("an idle scheduler took %v to use the node", d)
		}
		stop()
	})
}

func TestPodsWaitForTheFirstNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient()
		stop := start(t, c)
		create(t, c, newPod("early", "1"))
		synctest.Wait()
		if msg := get(t, c, "early").Status.Conditions[0].Message; msg != "no nodes available to schedule pods" {
			t.Errorf("message %q", msg)
		}
		if _, err := c.CoreV1().Nodes().Create(t.Context(), newNode("a", "4"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := get(t, c, "early").Spec.NodeName; got != "a" {
			t.Errorf("pod is on %q", got)
		}
		stop()
	})
}

func TestFailedBindIsRetriedAfterBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "1"))
		failures := 2
		c.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
			if a.GetSubresource() == "binding" && failures > 0 {
				failures--
				return true, nil, fmt.Errorf("the server is on fire")
			}
			return false, nil, nil
		})
		stop := start(t, c)
		begin := time.Now()
		create(t, c, newPod("p", "1"))
		for get(t, c, "p").Spec.NodeName == "" {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
		}
		if d := time.Since(begin); d != 3*time.Second {
			t.Errorf("bound after %v, want 1 s and 2 s of back-off", d)
		}
		if got := notes(t, c, "FailedScheduling"); len(got) == 0 || !strings.Contains(got[0], "on fire") {
			t.Errorf("events: %q", got)
		}
		stop()
	})
}

func TestGatedPodWaitsForItsGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "4"))
		stop := start(t, c)
		pod := newPod("gated", "1")
		pod.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/wait"}}
		create(t, c, pod)
		synctest.Wait()
		if got := get(t, c, "gated").Spec.NodeName; got != "" {
			t.Fatalf("a gated pod was placed on %q", got)
		}
		open := get(t, c, "gated").DeepCopy()
		open.Spec.SchedulingGates = nil
		if _, err := c.CoreV1().Pods("default").Update(t.Context(), open, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := get(t, c, "gated").Spec.NodeName; got != "a" {
			t.Errorf("after its gate opened the pod is on %q", got)
		}
		stop()
	})
}

func TestRunLeavesNothingBehind(t *testing.T) {
	before := goleak.IgnoreCurrent()
	c := newClient(newNode("a", "4"), newPod("p", "1"))
	start(t, c)()
	goleak.VerifyNone(t, before)
}
