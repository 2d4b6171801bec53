package controller_test

import (
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/controller"
)

func (w *world) getNode(name string) *corev1.Node {
	w.Helper()
	node, err := w.client.CoreV1().Nodes().Get(w.Context(), name, metav1.GetOptions{})
	w.check(err)
	return node
}

func taintsOf(node *corev1.Node) map[string]bool {
	some := make(map[string]bool)
	for _, t := range node.Spec.Taints {
		some[t.Key+":"+string(t.Effect)] = true
	}
	return some
}

// A node falls silent: after its grace period it is unreachable and its pods are not
// ready; five minutes later they are evicted and replaced.
func TestSilentNodeLosesItsPods(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.node("n2", nil) // keeps the zone from being down as a whole
		w.create(newDeployment("web", 2))
		w.service("web")
		old := w.pods()
		w.setAlive("n1", false)
		w.rest(true)
		w.pass(62 * time.Second)

		taints := taintsOf(w.getNode("n1"))
		if !taints["node.kubernetes.io/unreachable:NoSchedule"] || !taints["node.kubernetes.io/unreachable:NoExecute"] {
			t.Errorf("taints of the silent node: %v", taints)
		}
		if taints := taintsOf(w.getNode("n2")); len(taints) != 0 {
			t.Errorf("taints of the other node: %v", taints)
		}
		for _, pod := range w.pods() {
			for _, c := range pod.Status.Conditions {
				if c.Type == corev1.PodReady && c.Status != corev1.ConditionFalse {
					t.Errorf("pod %s on the silent node is still ready", pod.Name)
				}
			}
		}
		for _, ep := range w.endpoints("web") {
			if *ep.Conditions.Ready {
				t.Errorf("endpoint %v on the silent node is still ready", ep.Addresses)
			}
		}
		w.pass(305 * time.Second)
		for _, pod := range old {
			got, err := w.client.CoreV1().Pods("default").Get(w.Context(), pod.Name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				continue
			}
			w.check(err)
			if got.DeletionTimestamp == nil {
				t.Errorf("pod %s was not evicted", pod.Name)
			}
		}
		if n := len(w.pods()); n != 4 {
			t.Errorf("%d pods, want 2 terminating and 2 new", n)
		}
	})
}

// When the only node falls silent, nobody can say whose fault it is: no eviction.
func TestWholeZoneDownEvictsNothing(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.create(newDeployment("web", 1))
		w.setAlive("n1", false)
		w.pass(10 * time.Minute)
		taints := taintsOf(w.getNode("n1"))
		if !taints["node.kubernetes.io/unreachable:NoSchedule"] || taints["node.kubernetes.io/unreachable:NoExecute"] {
			t.Errorf("taints: %v", taints)
		}
		if pods := w.pods(); len(pods) != 1 || pods[0].DeletionTimestamp != nil {
			t.Errorf("%d pods, the first deleted at %v", len(pods), pods[0].DeletionTimestamp)
		}
	})
}

func TestPodsOfDeletedNodeGo(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.create(newDeployment("web", 1))
		gone := w.pods()[0]
		w.rest(true)
		w.setAlive("n1", false)
		w.check(w.client.CoreV1().Nodes().Delete(w.Context(), "n1", metav1.DeleteOptions{}))
		w.pass(45 * time.Second)
		if _, err := w.client.CoreV1().Pods("default").Get(w.Context(), gone.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("pod of the deleted node: %v", err)
		}
	})
}

func TestNodesGetPodRanges(t *testing.T) {
	config := controller.Config{ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/23")}}
	bubble(t, config, func(w *world) {
		w.node("n1", nil)
		w.node("n2", nil)
		w.node("n3", nil)
		got := map[string]string{}
		for _, name := range []string{"n1", "n2", "n3"} {
			got[w.getNode(name).Spec.PodCIDR] = name
		}
		if got["10.1.0.0/24"] != "n1" || got["10.1.1.0/24"] != "n2" || got[""] != "n3" {
			t.Errorf("ranges %v", got)
		}
		w.setAlive("n1", false)
		w.check(w.client.CoreV1().Nodes().Delete(w.Context(), "n1", metav1.DeleteOptions{}))
		w.settle()
		if cidr := w.getNode("n3").Spec.PodCIDR; cidr != "10.1.0.0/24" {
			t.Errorf("the range that became free: n3 has %q", cidr)
		}
	})
}
