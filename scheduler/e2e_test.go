package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keelson-project/keelson/leaderelection"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/scheduler"
	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/profile"
)

func TestPreemptionDeletesAndTakesTheRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "2"))
		stop := start(t, c)
		create(t, c, newPod("small", "1500m"))
		synctest.Wait()
		vip, high := newPod("vip", "1"), int32(100)
		vip.Spec.Priority = &high
		create(t, c, vip)
		synctest.Wait()
		if _, err := c.CoreV1().Pods("default").Get(t.Context(), "small", metav1.GetOptions{}); err == nil {
			t.Error("the less important pod is still there")
		}
		got := get(t, c, "vip")
		if got.Spec.NodeName != "a" || got.Status.NominatedNodeName != "a" {
			t.Errorf("vip is on %q, nominated to %q", got.Spec.NodeName, got.Status.NominatedNodeName)
		}
		if n := notes(t, c, "Preempted"); len(n) != 1 || n[0] != "small: Preempting: Preempted by pod uid-vip on node a" {
			t.Errorf("events: %q", n)
		}
		stop()
	})
}

func TestClaimWaitsForItsConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait, class := storagev1.VolumeBindingWaitForFirstConsumer, "local"
		c := newClient(newNode("a", "2"), newNode("b", "2"),
			&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: "example.com/disk", VolumeBindingMode: &wait},
			&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "data", UID: "claim"}, Spec: corev1.PersistentVolumeClaimSpec{StorageClassName: &class}})
		stop := start(t, c)
		pod := newPod("db", "1")
		pod.Spec.NodeSelector = map[string]string{corev1.LabelHostname: "b"}
		pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		create(t, c, pod)
		synctest.Wait()
		claims := c.CoreV1().PersistentVolumeClaims("default")
		claim, err := claims.Get(t.Context(), "data", metav1.GetOptions{})
		if err != nil || claim.Annotations["volume.kubernetes.io/selected-node"] != "b" {
			t.Fatalf("claim %v, %v", claim.Annotations, err)
		}
		if got := get(t, c, "db").Spec.NodeName; got != "" {
			t.Errorf("bound to %q before its claim was", got)
		}
		claim = claim.DeepCopy()
		claim.Spec.VolumeName = "pv"
		claim.Annotations["pv.kubernetes.io/bind-completed"] = "yes"
		if _, err := claims.Update(t.Context(), claim, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := get(t, c, "db").Spec.NodeName; got != "b" {
			t.Errorf("pod is on %q", got)
		}
		stop()
	})
}

func TestMissingClaimIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "2"))
		stop := start(t, c)
		pod := newPod("db", "1")
		pod.Spec.Volumes = []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
		create(t, c, pod)
		synctest.Wait()
		msg := get(t, c, "db").Status.Conditions[0].Message
		if want := `0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.`; msg != want {
			t.Errorf("message %q, want %q", msg, want)
		}
		stop()
	})
}

func TestOnlyTheLeaderSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "4"))
		lead := func(id string) func(*scheduler.Config) {
			return func(cfg *scheduler.Config) { cfg.LeaderElection = &leaderelection.Config{Identity: id} }
		}
		first := start(t, c, lead("one"))
		second := make(chan func())
		go func() { second <- start(t, c, lead("two")) }()
		create(t, c, newPod("p1", "1"))
		time.Sleep(time.Minute)
		synctest.Wait()
		select {
		case <-second:
			t.Fatal("two leaders")
		default:
		}
		if get(t, c, "p1").Spec.NodeName != "a" {
			t.Error("the leader does not schedule")
		}
		first()
		stop := <-second
		create(t, c, newPod("p2", "1"))
		synctest.Wait()
		if get(t, c, "p2").Spec.NodeName != "a" {
			t.Error("the new leader does not schedule")
		}
		stop()
	})
}

func TestOtherSchedulersPodsAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(newNode("a", "4"))
		stop := start(t, c)
		foreign := newPod("foreign", "1")
		foreign.Spec.SchedulerName = "other"
		create(t, c, foreign)
		synctest.Wait()
		if got := get(t, c, "foreign"); got.Spec.NodeName != "" || len(got.Status.Conditions) != 0 {
			t.Errorf("touched: %q %v", got.Spec.NodeName, got.Status.Conditions)
		}
		stop()
	})
}

// TestParallelismDoesNotChangeDecisions fills a cluster so that most nodes must be tried.
func TestParallelismDoesNotChangeDecisions(t *testing.T) {
	place := func(parallelism int) string {
		p, err := profile.New(profile.Config{Plugins: scheduler.DefaultPlugins(), Seed: 42, Parallelism: parallelism})
		if err != nil {
			t.Fatal(err)
		}
		snap := framework.NewSnapshot()
		for i := range 3000 {
			node := newNode(fmt.Sprintf("n%d", i), "1")
			node.Labels[corev1.LabelTopologyZone] = fmt.Sprint(i % 3)
			snap.SetNode(node)
		}
		var out strings.Builder
		for i := range 600 {
			pod := benchPod(i, workloads[i%len(workloads)].change)
			if i%2 == 0 { // only a tenth of the nodes will do
				pod.Spec.Affinity = nil
				pod.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: "1"}
			}
			info := framework.NewPodInfo(pod)
			d, err := p.Decide(t.Context(), &framework.CycleState{Pod: info, Snapshot: snap, Cluster: &framework.Cluster{}})
			if err != nil {
				t.Fatal(err)
			}
			if d.Node != nil {
				fmt.Fprintln(&out, i, d.Node.Name(), d.Evaluated, d.Feasible)
				snap.SetPod(info, d.Node.Name())
			}
		}
		return out.String()
	}
	one := place(1)
	if four := place(4); one != four {
		t.Error("four goroutines decide differently from one")
	}
	if one != place(1) {
		t.Error("the same seed gives different decisions")
	}
}
