package scheduler_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/apiserver/pods"
	"github.com/keelson-project/keelson/scheduler"
	"github.com/keelson-project/keelson/store/memory"
)

// serve runs an API server on a store in memory, and a scheduler for it; stop ends both.
func serve(t testing.TB) (client kubernetes.Interface, stop func()) {
	t.Helper()
	st := memory.New()
	api, err := apiserver.New(apiserver.Config{Store: st, Kinds: builtin.Kinds(), Plug: func(s *apiserver.Server) (apiserver.Plugins, error) {
		virtuals, err := pods.New(s.Registry())
		return apiserver.Plugins{Virtuals: virtuals}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := api.LoopbackConfig()
	cfg.QPS = -1
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s, err := scheduler.New(scheduler.Config{Client: c})
	if err != nil {
		t.Fatal(err)
	}
	var serving, scheduling sync.WaitGroup
	run := func(wg *sync.WaitGroup, f func(context.Context) error) context.CancelFunc {
		ctx, cancel := context.WithCancel(context.Background())
		wg.Go(func() {
			if err := f(ctx); err != nil {
				t.Error(err)
			}
		})
		return cancel
	}
	stopAPI := run(&serving, api.Run)
	<-api.Ready()
	stopScheduler := run(&scheduling, s.Run)
	<-s.Ready()
	return c, func() {
		stopScheduler()
		scheduling.Wait()
		stopAPI()
		serving.Wait()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// unplaced makes a pod the API server takes.
func unplaced(name, cpu string) *corev1.Pod {
	pod := newPod(name, cpu)
	pod.UID, pod.Status = "", corev1.PodStatus{}
	return pod
}

// TestOnTheRealServer places, refuses and preempts against our own API server.
func TestOnTheRealServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := serve(t)
		client := c.CoreV1().Pods("default")
		add := func(pod *corev1.Pod) {
			t.Helper()
			if _, err := client.Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		look := func(name string) *corev1.Pod {
			t.Helper()
			pod, err := client.Get(t.Context(), name, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			return pod
		}
		if _, err := c.CoreV1().Nodes().Create(t.Context(), newNode("a", "2"), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		add(unplaced("small", "1500m"))
		time.Sleep(time.Second)
		if got := look("small"); got.Spec.NodeName != "a" {
			t.Errorf("small is on %q: %+v", got.Spec.NodeName, got.Status.Conditions)
		}
		add(unplaced("big", "1"))
		time.Sleep(time.Second)
		if got := look("big").Status.Conditions; len(got) != 1 || got[0].Reason != corev1.PodReasonUnschedulable {
			t.Errorf("conditions of big: %+v", got)
		}
		events, err := c.EventsV1().Events("default").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		reasons := map[string]int{}
		for _, e := range events.Items {
			reasons[e.Reason]++
		}
		if reasons["Scheduled"] != 1 || reasons["FailedScheduling"] != 1 {
			t.Errorf("events: %v", reasons)
		}
		if err := client.Delete(t.Context(), "small", metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := look("big").Spec.NodeName; got != "a" {
			t.Errorf("big is on %q after there was room", got)
		}
		stop()
	})
}

// BenchmarkEndToEnd creates pods and waits until they are bound, API server, store in memory,
// binding and events included. One operation is one pod, onto 1,000 nodes.
func BenchmarkEndToEnd(b *testing.B) {
	c, stop := serve(b)
	defer stop()
	ctx := b.Context()
	for i := range 1000 {
		if _, err := c.CoreV1().Nodes().Create(ctx, newNode(fmt.Sprintf("n%d", i), "64"), metav1.CreateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	w, err := c.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Stop()
	b.ResetTimer()
	var creators sync.WaitGroup
	for k := range 8 {
		creators.Go(func() {
			for i := k; i < b.N; i += 8 {
				if _, err := c.CoreV1().Pods("default").Create(ctx, unplaced(fmt.Sprintf("p%d", i), "1m"), metav1.CreateOptions{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	bound := map[string]bool{}
	for len(bound) < b.N {
		e, ok := <-w.ResultChan()
		if !ok {
			b.Fatal("the watch ended")
		}
		if pod, ok := e.Object.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			bound[pod.Name] = true
		}
	}
	creators.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "pods/s")
}
