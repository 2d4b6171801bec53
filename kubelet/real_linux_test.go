package kubelet_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"

	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/internal/imagebuild/debian"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
	netsim "github.com/keelson-project/keelson/netplugin/simulated"
)

func TestMain(m *testing.M) {
	if containerd.RunAsShim() {
		return
	}
	os.Exit(m.Run())
}

// realNode is a kubelet over real containers. Its network hands out addresses
// and moves no packet.
type realNode struct {
	t    *testing.T
	api  *api
	cfg  kubelet.Config
	base string
	stop func()
}

func newRealNode(t *testing.T) *realNode {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("running containers needs root")
	}
	for _, program := range []string{"runc", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: apt-get install runc busybox-static", program)
		}
	}
	img, err := debian.Busybox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := imagebuild.WriteArchive(&archive, map[string]v1.Image{"busybox:1": img}); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	rt, err := containerd.Start(t.Context(), containerd.Config{RootDir: filepath.Join(base, "containerd"), StateDir: filepath.Join(base, "state")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		list, err := rt.List(ctx)
		if err != nil {
			t.Error(err)
		}
		for _, s := range list {
			if err := rt.RemoveSandbox(ctx, s.ID); err != nil {
				t.Error(err)
			}
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := rt.Import(t.Context(), &archive); err != nil {
		t.Fatal(err)
	}
	network, err := netsim.New(netsim.Config{PodCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}})
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t)
	a.PrependReactor("create", "serviceaccounts", func(action clienttesting.Action) (bool, runtime.Object, error) {
		request := action.(clienttesting.CreateAction).GetObject().(*authenticationv1.TokenRequest)
		request.Status = authenticationv1.TokenRequestStatus{Token: "a-token", ExpirationTimestamp: metav1.NewTime(time.Now().Add(time.Hour))}
		return true, request, nil
	})
	n := &realNode{t: t, api: a, base: base, cfg: kubelet.Config{
		Client: a, NodeName: "node-1", Runtime: rt, Network: network, RootDir: filepath.Join(base, "kubelet"),
		NodeIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, ClusterDNS: []string{"10.96.0.10"},
		ImageGC: kubelet.ImageGCConfig{HighPercent: 100},
	}}
	if testing.Verbose() {
		n.cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	n.start()
	t.Cleanup(func() { n.stop() })
	return n
}

// start runs a kubelet over the runtime; stop ends it.
func (n *realNode) start() {
	n.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.cfg.Server.Listener = listener
	k, err := kubelet.New(n.cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	select {
	case <-k.Ready():
	case err := <-done:
		n.t.Fatalf("Run: %v", err)
	}
	stopped := false
	n.stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-done; err != nil {
				n.t.Errorf("Run: %v", err)
			}
		}
	}
}

// await waits until a pod is as wanted; nil is a pod that is gone.
func (n *realNode) await(name, what string, ok func(*corev1.Pod) bool) *corev1.Pod {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	w, err := n.api.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{})
	if err != nil {
		n.t.Fatal(err)
	}
	defer w.Stop()
	pod, err := n.api.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		pod = nil
	}
	for !ok(pod) {
		select {
		case event := <-w.ResultChan():
			got, isPod := event.Object.(*corev1.Pod)
			if !isPod || got.Name != name {
				continue
			}
			if pod = got; event.Type == watch.Deleted {
				pod = nil
			}
		case <-ctx.Done():
			n.t.Fatalf("pod %s is never %s: %+v", name, what, pod)
		}
	}
	return pod
}

func isReady(pod *corev1.Pod) bool {
	return pod != nil && pod.Status.Phase == corev1.PodRunning && condition(pod, corev1.PodReady) == corev1.ConditionTrue
}

func (n *realNode) url(path string, q url.Values) *url.URL {
	return &url.URL{Scheme: "http", Host: n.cfg.Server.Listener.Addr().String(), Path: path, RawQuery: q.Encode()}
}

// exec runs a shell command in container app of a pod, by one of two protocols.
func (n *realNode) exec(pod, command, stdin string, protocol string) (string, error) {
	n.t.Helper()
	q := url.Values{"command": {"sh", "-c", command}, "output": {"1"}, "error": {"1"}}
	var in io.Reader
	if stdin != "" {
		q.Set("input", "1")
		in = strings.NewReader(stdin)
	}
	target := n.url("/exec/default/"+pod+"/app", q)
	executor, err := remotecommand.NewSPDYExecutor(&rest.Config{}, "POST", target)
	if protocol == "websocket" {
		executor, err = remotecommand.NewWebSocketExecutor(&rest.Config{}, "GET", target.String())
	}
	if err != nil {
		n.t.Fatal(err)
	}
	var out, errOut bytes.Buffer
	err = executor.StreamWithContext(n.t.Context(), remotecommand.StreamOptions{Stdin: in, Stdout: &out, Stderr: &errOut})
	return out.String() + errOut.String(), err
}

// get asks the kubelet's server.
func (n *realNode) get(path string, q url.Values) string {
	n.t.Helper()
	resp, err := http.Get(n.url(path, q).String())
	if err != nil {
		n.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return string(data)
}

func TestRealPod(t *testing.T) {
	n := newRealNode(t)
	ctx := t.Context()
	core := n.api.CoreV1()
	cfg := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "cfg", Namespace: "default"}, Data: map[string]string{"key": "one"}}
	if _, err := core.ConfigMaps("default").Create(ctx, cfg, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes", Namespace: "default"},
		Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1", Ports: []corev1.ServicePort{{Port: 443}}}}
	if _, err := core.Services("default").Create(ctx, service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ref := corev1.LocalObjectReference{Name: "cfg"}
	pod := newPod("web", corev1.Container{
		Name: "app", Image: "busybox:1", TerminationMessagePath: "/dev/termination-log",
		Command: []string{"sh", "-c", "echo hello $(WHO); trap 'echo bye > /dev/termination-log; exit 3' TERM; while :; do sleep 0.05; done"},
		Env: []corev1.EnvVar{
			{Name: "WHO", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref, Key: "key"}}},
			{Name: "IP", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
		},
		Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: *quantity("64Mi"), corev1.ResourceCPU: *quantity("500m")}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "cfg", MountPath: "/cfg"}, {Name: "memory", MountPath: "/memory"}, {Name: "work", MountPath: "/work", SubPath: "a/b"},
			{Name: "token", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
		},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"test", "-f", "/cfg/key"}}}},
	})
	pod.Spec.Volumes = []corev1.Volume{
		{Name: "cfg", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref}}},
		{Name: "memory", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}},
		{Name: "work", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}},
		}}}},
	}
	pod.Spec.HostAliases = []corev1.HostAlias{{IP: "192.0.2.9", Hostnames: []string{"alias"}}}
	begin := time.Now()
	if _, err := core.Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	ready := n.await("web", "ready", isReady)
	t.Logf("ready after %v", time.Since(begin))
	if c := ready.Status.ContainerStatuses[0]; !strings.HasPrefix(c.ContainerID, "containerd://") || !strings.Contains(c.ImageID, "sha256:") {
		t.Errorf("container ID %q, image ID %q", c.ContainerID, c.ImageID)
	}

	t.Run("inside", func(t *testing.T) {
		for command, want := range map[string]string{
			"cat /cfg/key":                  "one",
			"echo $IP":                      ready.Status.PodIP,
			"hostname":                      "web",
			"cat /etc/hostname":             "web",
			"cat /etc/hosts":                ready.Status.PodIP + "\tweb",
			"grep alias /etc/hosts":         "192.0.2.9",
			"cat /etc/resolv.conf":          "search default.svc.cluster.local svc.cluster.local cluster.local",
			"grep ' /memory ' /proc/mounts": "tmpfs",
			"touch /work/file && ls /work":  "file",
			"cat /var/run/secrets/kubernetes.io/serviceaccount/token": "a-token",
			"echo $KUBERNETES_SERVICE_HOST":                           "10.96.0.1",
			"touch /cfg/x 2>&1 || true":                               "Read-only file system",
		} {
			got, err := n.exec("web", command, "", "spdy")
			if err != nil || !strings.Contains(got, want) {
				t.Errorf("%s: %q, %v; want %q", command, got, err, want)
			}
		}
		for _, protocol := range []string{"spdy", "websocket"} {
			if got, err := n.exec("web", "cat", "through "+protocol, protocol); err != nil || got != "through "+protocol {
				t.Errorf("cat by %s: %q, %v", protocol, got, err)
			}
			_, err := n.exec("web", "exit 5", "", protocol)
			if code, ok := err.(utilexec.CodeExitError); !ok || code.Code != 5 {
				t.Errorf("exit 5 by %s: %v", protocol, err)
			}
		}
	})
	t.Run("log", func(t *testing.T) {
		if got := n.get("/containerLogs/default/web/app", url.Values{"tailLines": {"1"}}); got != "hello one\n" {
			t.Errorf("log: %q", got)
		}
		if got := n.get("/containerLogs/default/web/none", nil); !strings.Contains(got, `container "none" not found in pod "web"`) {
			t.Errorf("log of no container: %q", got)
		}
	})
	t.Run("pods and statistics", func(t *testing.T) {
		var list corev1.PodList
		if err := json.Unmarshal([]byte(n.get("/pods", nil)), &list); err != nil || len(list.Items) != 1 || list.Items[0].Status.Phase != corev1.PodRunning {
			t.Errorf("/pods: %d pods, %v", len(list.Items), err)
		}
		if got := n.get("/stats/summary", nil); !strings.Contains(got, `"name":"app"`) {
			t.Errorf("/stats/summary: %s", got)
		}
		if got := n.get("/metrics", nil); !strings.Contains(got, "kubelet_running_pods 1\n") {
			t.Errorf("/metrics: %s", got)
		}
	})
	t.Run("live update", func(t *testing.T) {
		cfg.Data["key"] = "two"
		if _, err := core.ConfigMaps("default").Update(ctx, cfg, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if got, err := n.exec("web", "until grep two /cfg/key; do sleep 0.05; done", "", "spdy"); err != nil || got != "two\n" {
			t.Errorf("after the update: %q, %v", got, err)
		}
	})
	t.Run("adoption", func(t *testing.T) {
		n.stop()
		n.start()
		again := n.await("web", "ready", isReady)
		if c := again.Status.ContainerStatuses[0]; c.ContainerID != ready.Status.ContainerStatuses[0].ContainerID || c.RestartCount != 0 {
			t.Errorf("the container was restarted: %+v", c)
		}
	})
	t.Run("termination", func(t *testing.T) {
		if err := core.Pods("default").Delete(ctx, "web", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		last := n.await("web", "terminated", func(p *corev1.Pod) bool {
			return p == nil || p.Status.ContainerStatuses[0].State.Terminated != nil
		})
		if last != nil {
			if end := last.Status.ContainerStatuses[0].State.Terminated; end.ExitCode != 3 || end.Message != "bye\n" {
				t.Errorf("it ended as %+v", end)
			}
		}
		n.await("web", "gone", func(p *corev1.Pod) bool { return p == nil })
		if left, err := os.ReadDir(filepath.Join(n.base, "kubelet", "pods")); err != nil || len(left) != 0 {
			t.Errorf("%d pod directories are left, %v", len(left), err)
		}
		for _, controller := range []string{"", "cpu", "memory"} {
			left, err := filepath.Glob(filepath.Join("/sys/fs/cgroup", controller, "kubepods", "*", "pod"+string(ready.UID)))
			if err != nil || len(left) != 0 {
				t.Errorf("cgroups are left: %v, %v", left, err)
			}
		}
	})
}
