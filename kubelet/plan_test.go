package kubelet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// aPod makes a pod of containers written as "name", with ":sidecar" or
// ":init" after those that run first.
func aPod(policy corev1.RestartPolicy, containers ...string) *corev1.Pod {
	pod := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: policy}}
	pod.Name, pod.Namespace, pod.UID = "p", "ns", "uid"
	always := corev1.ContainerRestartPolicyAlways
	for _, text := range containers {
		name, kind, _ := strings.Cut(text, ":")
		c := corev1.Container{Name: name, Image: "image"}
		switch kind {
		case "sidecar":
			c.RestartPolicy = &always
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		case "init":
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		default:
			pod.Spec.Containers = append(pod.Spec.Containers, c)
		}
	}
	return pod
}

// aSandbox makes a running sandbox of containers written as "name run",
// "name exit CODE" or "name created", each a later attempt of its name.
func aSandbox(pod *corev1.Pod, containers ...string) Sandbox {
	s := Sandbox{ID: "s", State: StateRunning}
	count := make(map[string]uint32)
	for i, text := range containers {
		words := strings.Fields(text)
		c := Container{
			ID: fmt.Sprintf("%s-%d", words[0], count[words[0]]), Name: words[0], Attempt: count[words[0]],
			State: StateRunning, CreatedAt: epoch.Add(time.Duration(i) * time.Second), StartedAt: epoch,
			Annotations: map[string]string{},
		}
		if spec := findContainer(pod, c.Name); spec != nil {
			c.Annotations[annotationHash] = containerHash(spec)
		}
		switch words[1] {
		case "created":
			c.State = StateCreated
		case "exit":
			c.State, c.FinishedAt = StateExited, epoch.Add(time.Minute)
			fmt.Sscan(words[2], &c.ExitCode)
		}
		count[words[0]]++
		s.Containers = append(s.Containers, c)
	}
	return s
}

// describe writes a plan in a few words.
func (p plan) describe() string {
	var words []string
	if p.finished {
		words = append(words, "finished")
	}
	for _, k := range p.kill {
		words = append(words, "kill "+k.container.Name)
	}
	if p.newSandbox {
		words = append(words, fmt.Sprintf("sandbox %d", p.attempt))
	}
	for _, s := range p.start {
		words = append(words, fmt.Sprintf("start %s %d", s.container.Name, s.attempt))
	}
	for name, why := range p.waiting {
		words = append(words, name+" waits "+why.reason)
	}
	return strings.Join(words, ", ")
}

func TestPlan(t *testing.T) {
	const always, onFailure, never = corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever
	fit := map[string]health{"a-0": {started: true, ready: true}, "side-0": {started: true}}
	for _, c := range []struct {
		name   string
		pod    *corev1.Pod
		have   []string // nil: no sandbox
		dead   bool     // the sandbox has ended
		health map[string]health
		crash  backoff
		want   string
	}{
		{name: "new pod", pod: aPod(always, "a"), want: "sandbox 0"},
		{name: "empty sandbox", pod: aPod(always, "a", "b"), have: []string{}, want: "start a 0, start b 0"},
		{name: "all run", pod: aPod(always, "a"), have: []string{"a run"}, health: fit, want: ""},
		{name: "one is missing", pod: aPod(always, "a", "b"), have: []string{"a run"}, health: fit, want: "start b 0"},
		{name: "crashed once", pod: aPod(always, "a"), have: []string{"a exit 1"}, want: "start a 1"},
		{name: "crashed again", pod: aPod(always, "a"), have: []string{"a exit 1", "a exit 1"},
			crash: backoff{"a": {10 * time.Second, epoch}}, want: "a waits CrashLoopBackOff"},
		{name: "ended well, always", pod: aPod(always, "a"), have: []string{"a exit 0"}, want: "start a 1"},
		{name: "ended well, on failure", pod: aPod(onFailure, "a"), have: []string{"a exit 0"}, want: "finished"},
		{name: "failed, on failure", pod: aPod(onFailure, "a"), have: []string{"a exit 2"}, want: "start a 1"},
		{name: "failed, never", pod: aPod(never, "a"), have: []string{"a exit 2"}, want: "finished"},
		{name: "one of two ended, never", pod: aPod(never, "a", "b"), have: []string{"a run", "b exit 1"}, health: fit, want: ""},
		{name: "left over before its start", pod: aPod(always, "a"), have: []string{"a created"}, want: "start a 0"},
		{name: "sandbox died", pod: aPod(always, "a"), have: []string{"a exit 137"}, dead: true, want: "sandbox 1"},
		{name: "sandbox died, never", pod: aPod(never, "a"), have: []string{"a exit 137"}, dead: true, want: "finished"},
		{name: "sandbox died before anything ran, never", pod: aPod(never, "a"), have: []string{}, dead: true, want: "sandbox 1"},
		{name: "sandbox died when done", pod: aPod(onFailure, "a"), have: []string{"a exit 0"}, dead: true, want: "finished"},
		{name: "liveness failed", pod: aPod(always, "a"), have: []string{"a run"}, health: map[string]health{"a-0": {failed: "liveness"}}, want: "kill a"},
		{name: "init first", pod: aPod(always, "i:init", "j:init", "a"), have: []string{}, want: "start i 0"},
		{name: "init runs", pod: aPod(always, "i:init", "a"), have: []string{"i run"}, want: ""},
		{name: "next init", pod: aPod(always, "i:init", "j:init", "a"), have: []string{"i exit 0"}, want: "start j 0"},
		{name: "init done", pod: aPod(always, "i:init", "a"), have: []string{"i exit 0"}, want: "start a 0"},
		{name: "init failed", pod: aPod(always, "i:init", "a"), have: []string{"i exit 1"}, want: "start i 1"},
		{name: "init failed, never", pod: aPod(never, "i:init", "a"), have: []string{"i exit 1"}, want: "finished"},
		{name: "init record gone", pod: aPod(always, "i:init", "a"), have: []string{"a run"}, health: fit, want: ""},
		{name: "sidecar first", pod: aPod(always, "side:sidecar", "a"), have: []string{}, want: "start side 0"},
		{name: "sidecar not started", pod: aPod(always, "side:sidecar", "a"), have: []string{"side run"}, want: ""},
		{name: "sidecar started", pod: aPod(always, "side:sidecar", "a"), have: []string{"side run"}, health: fit, want: "start a 0"},
		{name: "sidecar crashed beside", pod: aPod(always, "side:sidecar", "a"), have: []string{"side exit 1", "a run"}, health: fit, want: "start side 1"},
		{name: "sidecar alone is no reason to run", pod: aPod(never, "side:sidecar", "a"), have: []string{"side run", "a exit 0"}, health: fit, want: "finished"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := planInput{pod: c.pod, health: c.health, crashes: c.crash, now: epoch.Add(time.Minute + time.Second)}
			if c.have != nil {
				s := aSandbox(c.pod, c.have...)
				if c.dead {
					s.State = StateExited
				}
				in.sandboxes = []Sandbox{s}
			}
			if got := makePlan(in).describe(); got != c.want {
				t.Errorf("plan is %q, want %q", got, c.want)
			}
		})
	}
}

func TestPlanChangedImage(t *testing.T) {
	pod := aPod(corev1.RestartPolicyNever, "a")
	s := aSandbox(pod, "a run")
	pod.Spec.Containers[0].Image = "other"
	p := makePlan(planInput{pod: pod, sandboxes: []Sandbox{s}, now: epoch})
	if p.describe() != "kill a" || p.kill[0].message != "Container a definition changed, will be restarted" {
		t.Errorf("plan is %q: %+v", p.describe(), p.kill)
	}
}

func TestPlanWakesAtTheEndOfTheBackoff(t *testing.T) {
	pod := aPod(corev1.RestartPolicyAlways, "a")
	p := makePlan(planInput{
		pod: pod, sandboxes: []Sandbox{aSandbox(pod, "a exit 1")},
		crashes: backoff{"a": {40 * time.Second, epoch}}, now: epoch.Add(70 * time.Second),
	})
	if want := epoch.Add(100 * time.Second); !p.wake.Equal(want) {
		t.Errorf("wakes at %v, want %v", p.wake, want)
	}
	if want := "back-off 40s restarting failed container=a pod=p_ns(uid)"; p.waiting["a"].message != want {
		t.Errorf("message %q, want %q", p.waiting["a"].message, want)
	}
}

func TestBackoffGrowsAndIsForgotten(t *testing.T) {
	b := make(backoff)
	var delays []time.Duration
	now := epoch
	for range 7 {
		b.next("a", now, now)
		until, delay := b.until("a", now)
		delays = append(delays, delay)
		now = until
	}
	want := []time.Duration{10, 20, 40, 80, 160, 300, 300}
	for i := range want {
		want[i] *= time.Second
	}
	if !slices.Equal(delays, want) {
		t.Errorf("delays %v, want %v", delays, want)
	}
	later := now.Add(11 * time.Minute)
	if _, delay := b.until("a", later); delay != 0 {
		t.Errorf("after 11 quiet minutes the delay is %v", delay)
	}
	b.next("a", later, later)
	if _, delay := b.until("a", later); delay != 10*time.Second {
		t.Errorf("the delay begins again at %v", delay)
	}
}

func TestPhase(t *testing.T) {
	const always, never = corev1.RestartPolicyAlways, corev1.RestartPolicyNever
	for _, c := range []struct {
		name   string
		pod    *corev1.Pod
		have   []string
		ending bool
		want   corev1.PodPhase
	}{
		{"nothing yet", aPod(always, "a"), nil, false, corev1.PodPending},
		{"running", aPod(always, "a"), []string{"a run"}, false, corev1.PodRunning},
		{"half", aPod(always, "a", "b"), []string{"a run"}, false, corev1.PodPending},
		{"crashing", aPod(always, "a"), []string{"a exit 1"}, false, corev1.PodRunning},
		{"succeeded", aPod(never, "a"), []string{"a exit 0"}, false, corev1.PodSucceeded},
		{"failed", aPod(never, "a", "b"), []string{"a exit 0", "b exit 1"}, false, corev1.PodFailed},
		{"stopped well", aPod(always, "a"), []string{"a exit 0"}, true, corev1.PodSucceeded},
		{"killed", aPod(always, "a"), []string{"a exit 137"}, true, corev1.PodFailed},
		{"in init", aPod(always, "i:init", "a"), []string{"i run"}, false, corev1.PodPending},
		{"init failed", aPod(never, "i:init", "a"), []string{"i exit 1"}, false, corev1.PodFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := makeStatus(statusInput{
				pod: c.pod, old: &corev1.PodStatus{}, ending: c.ending, now: epoch,
				sandboxes: []Sandbox{aSandbox(c.pod, c.have...)},
			})
			if s.Phase != c.want {
				t.Errorf("phase is %s, want %s", s.Phase, c.want)
			}
		})
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"A": "1", "B": "$(A)"}
	lookup := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	for text, want := range map[string]string{
		"plain": "plain", "$(A)": "1", "x$(A)y$(A)": "x1y1", "$(B)": "$(A)", "$$(A)": "$(A)", "$(NONE)": "$(NONE)",
		"$(A": "$(A", "$": "$", "a$b": "a$b", "$$$(A)": "$1",
	} {
		if got := expand(text, lookup); got != want {
			t.Errorf("expand(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestServiceVariables(t *testing.T) {
	service := func(ns, name, ip string, port int32) *corev1.Service {
		s := &corev1.Service{Spec: corev1.ServiceSpec{ClusterIP: ip, Ports: []corev1.ServicePort{{Name: "http", Port: port, Protocol: "TCP"}}}}
		s.Namespace, s.Name = ns, name
		return s
	}
	all := []*corev1.Service{
		service("default", "kubernetes", "10.0.0.1", 443), service("ns", "my-app", "10.0.0.2", 80),
		service("other", "hidden", "10.0.0.3", 80), service("ns", "headless", "None", 80),
	}
	vars := serviceVariables(all, "ns", true)
	for name, want := range map[string]string{
		"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "MY_APP_SERVICE_HOST": "10.0.0.2",
		"MY_APP_SERVICE_PORT_HTTP": "80", "MY_APP_PORT": "tcp://10.0.0.2:80", "MY_APP_PORT_80_TCP_ADDR": "10.0.0.2",
		"HIDDEN_SERVICE_HOST": "", "HEADLESS_SERVICE_HOST": "",
	} {
		if vars[name] != want {
			t.Errorf("%s=%q, want %q", name, vars[name], want)
		}
	}
	if vars := serviceVariables(all, "ns", false); vars["MY_APP_SERVICE_HOST"] != "" || vars["KUBERNETES_SERVICE_HOST"] == "" {
		t.Errorf("without links: %v", vars)
	}
}

func TestPodResolver(t *testing.T) {
	pod := aPod(corev1.RestartPolicyAlways, "a")
	host := parseResolver("# comment\nnameserver 192.0.2.53\nsearch corp.test\noptions edns0\n")
	got := podResolver(pod, host, []string{"10.0.0.10"}, "cluster.local").String()
	if want := "search ns.svc.cluster.local svc.cluster.local cluster.local corp.test\nnameserver 10.0.0.10\noptions ndots:5\n"; got != want {
		t.Errorf("ClusterFirst:\n%swant:\n%s", got, want)
	}
	pod.Spec.DNSPolicy = corev1.DNSDefault
	if got := podResolver(pod, host, []string{"10.0.0.10"}, "cluster.local").String(); got != "search corp.test\nnameserver 192.0.2.53\noptions edns0\n" {
		t.Errorf("Default:\n%s", got)
	}
	pod.Spec.DNSPolicy = corev1.DNSNone
	pod.Spec.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"1.1.1.1"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: new("2")}}}
	if got := podResolver(pod, host, nil, "cluster.local").String(); got != "nameserver 1.1.1.1\noptions ndots:2\n" {
		t.Errorf("None:\n%s", got)
	}
}
