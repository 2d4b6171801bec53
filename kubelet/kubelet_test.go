package kubelet_test

import (
	"context"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/simulated"
	netsim "github.com/keelson-project/keelson/netplugin/simulated"
)

type watchInterface = watch.Interface

// node is a kubelet on a simulated runtime, in a bubble.
type node struct {
	t      *testing.T
	api    *api
	rt     *simulated.Runtime
	cancel context.CancelFunc
	done   chan error
}

// startNode runs a kubelet until the test ends, or stop.
func startNode(t *testing.T, a *api, rt *simulated.Runtime, edit ...func(*kubelet.Config)) *node {
	t.Helper()
	network, err := netsim.New(netsim.Config{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := kubelet.Config{
		Client: a, NodeName: "node-1", Runtime: rt, Network: network,
		NodeIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}
	if testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	for _, f := range edit {
		f(&cfg)
	}
	k, err := kubelet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	n := &node{t: t, api: a, rt: rt, cancel: cancel, done: make(chan error, 1)}
	go func() { n.done <- k.Run(ctx) }()
	<-k.Ready()
	synctest.Wait()
	t.Cleanup(n.stop)
	return n
}

// stop ends the kubelet and waits for it.
func (n *node) stop() {
	n.cancel()
	if n.done == nil {
		return
	}
	if err := <-n.done; err != nil {
		n.t.Errorf("Run: %v", err)
	}
	n.done = nil
}

// after lets time pass and all that follows from it happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (n *node) create(pod *corev1.Pod) {
	n.t.Helper()
	if _, err := n.api.CoreV1().Pods(pod.Namespace).Create(n.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		n.t.Fatal(err)
	}
	synctest.Wait()
}

func (n *node) pod(name string) *corev1.Pod {
	n.t.Helper()
	pod, err := n.api.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	return pod
}

func (n *node) gone(name string) bool {
	_, err := n.api.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	return apierrors.IsNotFound(err)
}

func (n *node) delete(name string) {
	n.t.Helper()
	if err := n.api.CoreV1().Pods("default").Delete(n.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		n.t.Fatal(err)
	}
	synctest.Wait()
}

func newPod(name string, containers ...corev1.Container) *corev1.Pod {
	if len(containers) == 0 {
		containers = []corev1.Container{{Name: "app", Image: "registry.test/app:1"}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Generation: 1},
		Spec:       corev1.PodSpec{NodeName: "node-1", Containers: containers, RestartPolicy: corev1.RestartPolicyAlways},
	}
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

func TestPodRunsAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newAPI(t), simulated.New(simulated.Config{}))
		n.create(newPod("web"))
		pod := n.pod("web")
		if pod.Status.Phase != corev1.PodRunning || condition(pod, corev1.PodReady) != corev1.ConditionTrue {
			t.Fatalf("status %+v; want Running and Ready", pod.Status)
		}
		if pod.Status.PodIP == "" || pod.Status.HostIP != "192.0.2.1" || pod.Status.StartTime == nil {
			t.Errorf("pod IP %q, host IP %q, start %v", pod.Status.PodIP, pod.Status.HostIP, pod.Status.StartTime)
		}
		c := pod.Status.ContainerStatuses[0]
		if c.State.Running == nil || !c.Ready || c.Started == nil || !*c.Started || c.RestartCount != 0 || c.ContainerID[:12] != "simulated://" {
			t.Errorf("container status %+v", c)
		}
		n.delete("web")
		if !n.gone("web") {
			t.Errorf("the pod is still there: %+v", n.pod("web").Status)
		}
		if list, _ := n.rt.List(t.Context()); len(list) != 0 {
			t.Errorf("the runtime still has %d sandboxes", len(list))
		}
	})
}

func TestNodeIsRegistered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newAPI(t), simulated.New(simulated.Config{}))
		got, err := n.api.CoreV1().Nodes().Get(t.Context(), "node-1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Labels[corev1.LabelHostname] != "node-1" || got.Status.Capacity.Pods().Value() != 110 {
			t.Errorf("labels %v, capacity %v", got.Labels, got.Status.Capacity)
		}
		ready := corev1.ConditionUnknown
		for _, c := range got.Status.Conditions {
			if c.Type == corev1.NodeReady {
				ready = c.Status
			}
		}
		if ready != corev1.ConditionTrue {
			t.Errorf("Ready is %v: %+v", ready, got.Status.Conditions)
		}
		leases := n.api.CoordinationV1().Leases(corev1.NamespaceNodeLease)
		first, err := leases.Get(t.Context(), "node-1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		after(25 * time.Second)
		later, err := leases.Get(t.Context(), "node-1", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if d := later.Spec.RenewTime.Sub(first.Spec.RenewTime.Time); d != 20*time.Second {
			t.Errorf("after 25 s the lease was renewed %v after the first time, want 20s", d)
		}
		if *later.Spec.LeaseDurationSeconds != 40 {
			t.Errorf("the lease lasts %d s", *later.Spec.LeaseDurationSeconds)
		}
	})
}

func quantity(text string) *resource.Quantity {
	q := resource.MustParse(text)
	return &q
}
