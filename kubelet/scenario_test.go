package kubelet_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/simulated"
)

// events are the reasons of the events of a pod, in the order in which they first came.
func (n *node) events(pod string) []string {
	n.t.Helper()
	list, err := n.api.CoreV1().Events("default").List(context.Background(), metav1.ListOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return strings.Compare(a.Name, b.Name) })
	var reasons []string
	for _, e := range list.Items {
		if e.InvolvedObject.Name == pod {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

func behaviour(b simulated.Behaviour) func(kubelet.SandboxSpec, kubelet.ContainerSpec) simulated.Behaviour {
	return func(kubelet.SandboxSpec, kubelet.ContainerSpec) simulated.Behaviour { return b }
}

func TestCrashLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Time
		rt := simulated.New(simulated.Config{Script: func(kubelet.SandboxSpec, kubelet.ContainerSpec) simulated.Behaviour {
			starts = append(starts, time.Now())
			return simulated.Behaviour{Exits: true, ExitAfter: time.Second, ExitCode: 7}
		}})
		n := startNode(t, newAPI(t), rt)
		n.create(newPod("bad"))
		after(5 * time.Second)
		c := n.pod("bad").Status.ContainerStatuses[0]
		if c.State.Waiting == nil || c.State.Waiting.Reason != "CrashLoopBackOff" || c.RestartCount != 1 || c.LastTerminationState.Terminated.ExitCode != 7 {
			t.Errorf("after 5 s: %+v", c)
		}
		if phase := n.pod("bad").Status.Phase; phase != corev1.PodRunning {
			t.Errorf("phase %s", phase)
		}
		after(10 * time.Minute)
		var gaps []time.Duration
		for i := 1; i < len(starts); i++ {
			gaps = append(gaps, starts[i].Sub(starts[i-1])-time.Second)
		}
		want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second}
		if len(gaps) < len(want) || !slices.Equal(gaps[:len(want)], want) {
			t.Errorf("the delays before restarts are %v, want %v", gaps, want)
		}
		if list, _ := rt.List(t.Context()); len(list) != 1 || len(list[0].Containers) > 2 {
			t.Errorf("the records of old attempts are still there: %d sandboxes, %d containers", len(list), len(list[0].Containers))
		}
		if !slices.Contains(n.events("bad"), "BackOff") {
			t.Errorf("events %v", n.events("bad"))
		}
	})
}

func TestImageCannotBePulled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var there atomic.Bool
		rt := simulated.New(simulated.Config{Pull: func(string, *kubelet.RegistryAuth) simulated.Pull {
			if there.Load() {
				return simulated.Pull{Time: time.Second}
			}
			return simulated.Pull{Err: errors.New("manifest unknown")}
		}})
		n := startNode(t, newAPI(t), rt)
		n.create(newPod("web"))
		waiting := func() *corev1.ContainerStateWaiting { return n.pod("web").Status.ContainerStatuses[0].State.Waiting }
		if s := waiting(); s == nil || s.Reason != "ErrImagePull" || s.Message != "manifest unknown" {
			t.Errorf("at first: %+v", s)
		}
		after(3 * time.Second)
		if s := waiting(); s == nil || s.Reason != "ImagePullBackOff" || !strings.Contains(s.Message, "manifest unknown") {
			t.Errorf("after 3 s: %+v", s)
		}
		there.Store(true)
		after(time.Minute)
		if n.pod("web").Status.Phase != corev1.PodRunning {
			t.Errorf("after the image is there: %+v", n.pod("web").Status)
		}
		if got := strings.Join(n.events("web"), " "); !strings.HasPrefix(got, "Pulling Failed Failed BackOff Failed") || !strings.HasSuffix(got, "Pulled Created Started") {
			t.Errorf("events: %s", got)
		}
	})
}

func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var up, ready, alive atomic.Bool
		ready.Store(true)
		alive.Store(true)
		rt := simulated.New(simulated.Config{Script: behaviour(simulated.Behaviour{
			Probe: func(_ context.Context, p kubelet.ProbeRequest) error {
				ok := map[kubelet.ProbeKind]*atomic.Bool{
					kubelet.ProbeStartup: &up, kubelet.ProbeReadiness: &ready, kubelet.ProbeLiveness: &alive,
				}[p.Kind].Load()
				if !ok {
					return errors.New("not now")
				}
				return nil
			},
		})})
		n := startNode(t, newAPI(t), rt)
		handler := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/"}}
		pod := newPod("web")
		pod.Spec.TerminationGracePeriodSeconds = new(int64(5))
		c := &pod.Spec.Containers[0]
		c.StartupProbe = &corev1.Probe{ProbeHandler: handler, PeriodSeconds: 1, FailureThreshold: 30}
		c.ReadinessProbe = &corev1.Probe{ProbeHandler: handler, PeriodSeconds: 2, FailureThreshold: 2, SuccessThreshold: 1}
		c.LivenessProbe = &corev1.Probe{ProbeHandler: handler, PeriodSeconds: 5, FailureThreshold: 3}
		n.create(pod)
		status := func() corev1.ContainerStatus { return n.pod("web").Status.ContainerStatuses[0] }
		after(10 * time.Second)
		if s := status(); *s.Started || s.Ready || s.State.Running == nil {
			t.Errorf("before it is up: %+v", s)
		}
		up.Store(true)
		after(2 * time.Second)
		if s := status(); !*s.Started || !s.Ready || condition(n.pod("web"), corev1.PodReady) != corev1.ConditionTrue {
			t.Errorf("when it is up: %+v", s)
		}
		ready.Store(false)
		after(2 * time.Second)
		if s := status(); !s.Ready {
			t.Error("one failure of two took it out of service")
		}
		after(2 * time.Second)
		if s := status(); s.Ready || !*s.Started || condition(n.pod("web"), corev1.PodReady) != corev1.ConditionFalse {
			t.Errorf("not ready: %+v", s)
		}
		alive.Store(false)
		after(16 * time.Second)
		alive.Store(true)
		if s := status(); s.RestartCount != 1 || s.LastTerminationState.Terminated == nil {
			t.Errorf("not alive: %+v", s)
		}
		got := n.events("web")
		if !slices.Contains(got, "Unhealthy") || !slices.Contains(got, "Killing") {
			t.Errorf("events %v", got)
		}
	})
}

func TestTermination(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := simulated.New(simulated.Config{Script: func(_ kubelet.SandboxSpec, c kubelet.ContainerSpec) simulated.Behaviour {
			if c.Name == "slow" {
				return simulated.Behaviour{StopTime: 4 * time.Second}
			}
			return simulated.Behaviour{StopTime: time.Hour}
		}})
		n := startNode(t, newAPI(t), rt)
		slow := newPod("slow", corev1.Container{Name: "slow", Image: "i"})
		slow.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 3}}}
		stubborn := newPod("stubborn")
		stubborn.Spec.TerminationGracePeriodSeconds = new(int64(20))
		n.create(slow)
		n.create(stubborn)
		n.delete("slow")
		n.delete("stubborn")
		after(6900 * time.Millisecond)
		if n.gone("slow") || n.pod("slow").Status.Phase != corev1.PodRunning {
			t.Error("the slow pod went before its hook and its stop had taken 7 s")
		}
		after(200 * time.Millisecond)
		if !n.gone("slow") {
			t.Errorf("the slow pod is still there after 7.1 s: %+v", n.pod("slow").Status)
		}
		after(12800 * time.Millisecond)
		if n.gone("stubborn") {
			t.Error("the stubborn pod was killed before its 20 s")
		}
		after(200 * time.Millisecond)
		if !n.gone("stubborn") {
			t.Errorf("the stubborn pod is still there after 20.1 s: %+v", n.pod("stubborn").Status)
		}
	})
}

func TestForcedDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := simulated.New(simulated.Config{Script: behaviour(simulated.Behaviour{StopTime: time.Hour})})
		n := startNode(t, newAPI(t), rt)
		n.create(newPod("web"))
		n.delete("web")
		after(time.Second)
		if err := n.api.CoreV1().Pods("default").Delete(t.Context(), "web", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			t.Fatal(err)
		}
		after(3 * time.Second)
		if list, _ := rt.List(t.Context()); len(list) != 0 {
			t.Errorf("3 s after the pod was forced away its sandbox is still there: %+v", list)
		}
	})
}

func TestAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, rt := newAPI(t), simulated.New(simulated.Config{})
		first := startNode(t, a, rt)
		first.create(newPod("stays"))
		first.create(newPod("goes"))
		before := first.pod("stays").Status
		first.stop()
		if err := a.CoreV1().Pods("default").Delete(t.Context(), "goes", metav1.DeleteOptions{GracePeriodSeconds: new(int64(0))}); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if list, _ := rt.List(t.Context()); len(list) != 2 {
			t.Fatalf("%d sandboxes run without a kubelet, want 2", len(list))
		}

		second := startNode(t, a, rt)
		after(5 * time.Second)
		now := second.pod("stays").Status
		if now.ContainerStatuses[0].ContainerID != before.ContainerStatuses[0].ContainerID || now.ContainerStatuses[0].RestartCount != 0 {
			t.Errorf("the container was %+v and is %+v", before.ContainerStatuses[0], now.ContainerStatuses[0])
		}
		list, _ := rt.List(t.Context())
		if len(list) != 1 || list[0].Spec.PodName != "stays" {
			t.Errorf("the sandbox of the pod that went is still there: %+v", list)
		}
		if err := rt.Exit(list[0].Containers[0].ID, 1); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if c := second.pod("stays").Status.ContainerStatuses[0]; c.RestartCount != 1 || c.State.Running == nil {
			t.Errorf("after its end: %+v", c)
		}
	})
}

func TestJobPodSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := simulated.New(simulated.Config{Script: behaviour(simulated.Behaviour{Exits: true, ExitAfter: 30 * time.Second})})
		n := startNode(t, newAPI(t), rt)
		pod := newPod("job")
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		n.create(pod)
		ip := n.pod("job").Status.PodIP
		after(time.Minute)
		s := n.pod("job").Status
		if s.Phase != corev1.PodSucceeded || s.ContainerStatuses[0].State.Terminated.Reason != "Completed" || s.PodIP != ip {
			t.Errorf("status %+v", s)
		}
		if condition(n.pod("job"), corev1.PodReady) != corev1.ConditionFalse {
			t.Error("a pod that has succeeded is ready")
		}
		n.delete("job")
		if !n.gone("job") {
			t.Error("the pod is still there")
		}
	})
}

func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newAPI(t), simulated.New(simulated.Config{}))
		pod := newPod("web")
		pod.Spec.ActiveDeadlineSeconds = new(int64(60))
		n.create(pod)
		after(59 * time.Second)
		if phase := n.pod("web").Status.Phase; phase != corev1.PodRunning {
			t.Errorf("phase after 59 s is %s", phase)
		}
		after(2 * time.Second)
		if s := n.pod("web").Status; s.Phase != corev1.PodFailed || s.Reason != "DeadlineExceeded" {
			t.Errorf("after 61 s: %s %s", s.Phase, s.Reason)
		}
	})
}

func TestAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newAPI(t), simulated.New(simulated.Config{}))
		for name, edit := range map[string]func(*corev1.Pod){
			"OutOfcpu": func(p *corev1.Pod) {
				p.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: *quantity("100")}
			},
			"NodeAffinity": func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "fast"} },
		} {
			pod := newPod(strings.ToLower(name))
			edit(pod)
			n.create(pod)
			if s := n.pod(pod.Name).Status; s.Phase != corev1.PodFailed || s.Reason != name {
				t.Errorf("%s: phase %s, reason %s, %s", name, s.Phase, s.Reason, s.Message)
			}
		}
	})
}

func TestMissingConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(t)
		n := startNode(t, a, simulated.New(simulated.Config{}))
		pod := newPod("web")
		pod.Spec.Volumes = []corev1.Volume{{Name: "cfg", VolumeSource: corev1.VolumeSource{
			ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}},
		}}}
		pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "cfg", MountPath: "/cfg"}}
		pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "V", ValueFrom: &corev1.EnvVarSource{
			ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: "cfg"}, Key: "k"},
		}}}
		n.create(pod)
		after(time.Second)
		if s := n.pod("web").Status; s.Phase != corev1.PodPending || s.ContainerStatuses[0].State.Waiting.Reason != "ContainerCreating" {
			t.Errorf("without the config map: %+v", s)
		}
		if !slices.Contains(n.events("web"), "FailedMount") {
			t.Errorf("events %v", n.events("web"))
		}
		cfg := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "cfg", Namespace: "default"}}
		if _, err := a.CoreV1().ConfigMaps("default").Create(t.Context(), cfg, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		after(5 * time.Second)
		if s := n.pod("web").Status.ContainerStatuses[0].State.Waiting; s == nil || s.Reason != "CreateContainerConfigError" || !strings.Contains(s.Message, "couldn't find key k") {
			t.Errorf("without the key: %+v", s)
		}
		cfg.Data = map[string]string{"k": "v"}
		if _, err := a.CoreV1().ConfigMaps("default").Update(t.Context(), cfg, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		after(15 * time.Second)
		if s := n.pod("web").Status; s.Phase != corev1.PodRunning {
			t.Errorf("with the key: %+v", s)
		}
	})
}

func TestInitAndSidecar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		rt := simulated.New(simulated.Config{Script: func(_ kubelet.SandboxSpec, c kubelet.ContainerSpec) simulated.Behaviour {
			order = append(order, c.Name)
			if c.Name == "init" {
				return simulated.Behaviour{Exits: true, ExitAfter: 10 * time.Second}
			}
			return simulated.Behaviour{StopTime: time.Second}
		}})
		n := startNode(t, newAPI(t), rt)
		always := corev1.ContainerRestartPolicyAlways
		pod := newPod("web")
		pod.Spec.InitContainers = []corev1.Container{{Name: "side", Image: "i", RestartPolicy: &always}, {Name: "init", Image: "i"}}
		n.create(pod)
		after(time.Second)
		s := n.pod("web").Status
		if s.Phase != corev1.PodPending || s.ContainerStatuses[0].State.Waiting.Reason != "PodInitializing" || condition(n.pod("web"), corev1.PodInitialized) != corev1.ConditionFalse {
			t.Errorf("while initializing: %+v", s)
		}
		after(10 * time.Second)
		if s := n.pod("web").Status; s.Phase != corev1.PodRunning || condition(n.pod("web"), corev1.PodInitialized) != corev1.ConditionTrue || !s.InitContainerStatuses[0].Ready {
			t.Errorf("initialized: %+v", s)
		}
		if got := strings.Join(order, " "); got != "side init app" {
			t.Errorf("started in the order %q", got)
		}
		n.delete("web")
		after(1500 * time.Millisecond)
		if n.gone("web") {
			t.Error("the sidecar was stopped together with the others")
		}
		after(time.Second)
		if !n.gone("web") {
			t.Errorf("the pod is still there: %+v", n.pod("web").Status)
		}
	})
}

func TestSandboxThatFailsIsNotHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		rt := simulated.New(simulated.Config{SandboxError: func(kubelet.SandboxSpec) error {
			if tries.Add(1) <= 3 {
				return errors.New("no room")
			}
			return nil
		}})
		n := startNode(t, newAPI(t), rt)
		n.create(newPod("web"))
		after(5 * time.Second)
		if tries.Load() != 1 || condition(n.pod("web"), corev1.PodReadyToStartContainers) != corev1.ConditionFalse {
			t.Errorf("%d tries in 5 s", tries.Load())
		}
		if !slices.Contains(n.events("web"), "FailedCreatePodSandBox") {
			t.Errorf("events %v", n.events("web"))
		}
		after(26 * time.Second)
		if tries.Load() != 4 || n.pod("web").Status.Phase != corev1.PodRunning {
			t.Errorf("after 31 s: %d tries, %+v", tries.Load(), n.pod("web").Status)
		}
	})
}

func TestRefusedPodHasNoContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, newAPI(t), simulated.New(simulated.Config{}))
		pod := newPod("web")
		pod.Spec.NodeSelector = map[string]string{"disk": "fast"}
		n.create(pod)
		if s := n.pod("web").Status; s.Phase != corev1.PodFailed || len(s.ContainerStatuses) != 0 {
			t.Errorf("status %+v", s)
		}
		n.delete("web")
		if !n.gone("web") {
			t.Errorf("the pod is still there: %+v", n.pod("web").Status)
		}
	})
}
