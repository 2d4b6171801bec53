package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/internal/imagebuild/debian"
)

// serveImages starts a registry with the images of the tests.
func serveImages(t *testing.T) *imagebuild.Registry {
	t.Helper()
	httpd, err := debian.Apache(t.Context())
	if err != nil {
		t.Skip(err)
	}
	busybox, err := debian.Busybox(t.Context())
	if err != nil {
		t.Skip(err)
	}
	registry, err := imagebuild.Serve(t.Context(), map[string]v1.Image{
		"library/httpd:latest": httpd, "library/httpd:2.4": httpd, "library/busybox:latest": busybox,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registry.Close(); err != nil {
			t.Error(err)
		}
	})
	return registry
}

// mirror is the flag that makes a registry stand for docker.io.
func mirror(r *imagebuild.Registry) string { return "docker.io=http://" + r.Addr() }

// journey is what the steps of the transcript share.
type journey struct {
	*instance
	*shell
	registry *imagebuild.Registry
}

// The transcript of the README, with real containers, in order.
func TestTranscript(t *testing.T) {
	registry := serveImages(t)
	i := start(t, t.TempDir(), "-registry", mirror(registry))
	j := &journey{instance: i, shell: i.shell(), registry: registry}
	for _, step := range []struct {
		name string
		run  func(*journey, *testing.T)
	}{
		{"kubeconfig", (*journey).kubeconfigIsPrivate},
		{"anonymous", (*journey).anonymous},
		{"create", (*journey).create},
		{"look", (*journey).look},
		{"busybox", (*journey).runClient},
		{"expose", (*journey).expose},
		{"exec", (*journey).exec},
		{"logs", (*journey).logs},
		{"port-forward", (*journey).portForward},
		{"cp", (*journey).copyFiles},
		{"crash", (*journey).crash},
		{"replace", (*journey).replace},
		{"scale", (*journey).scale},
		{"rollout", (*journey).rollout},
		{"apply", (*journey).apply},
		{"namespace", (*journey).namespace},
		{"probes", (*journey).probes},
		{"pull", (*journey).pull},
		{"delete", (*journey).remove},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(j, t) }) {
			t.Logf("pods after %s:\n%s", step.name, j.describe(context.WithoutCancel(t.Context())))
		}
	}
}

// describe is what one wants to see of a cluster where something went wrong.
func (j *journey) describe(ctx context.Context) string {
	pods, _ := j.try(ctx, "", "get", "pod", "-A", "-o", "wide")
	events, _ := j.try(ctx, "", "get", "events")
	return pods + tail(events, 12)
}

func (j *journey) kubeconfigIsPrivate(t *testing.T) {
	info, err := os.Stat(j.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode of the kubeconfig is %o, want 600", got)
	}
}

func (j *journey) anonymous(t *testing.T) {
	server := strings.TrimSpace(j.run(t, "config", "view", "-o", "jsonpath={.clusters[0].cluster.server}"))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for path, want := range map[string]int{
		"/livez": 200, "/readyz": 200, "/healthz": 200, "/version": 200,
		"/api": 403, "/api/v1/pods": 403, "/apis/apps/v1/deployments": 403, "/metrics": 403,
	} {
		status, body, err := get(t.Context(), client, server+path)
		if err != nil {
			t.Error(err)
			continue
		}
		if status != want {
			t.Errorf("GET %s: %d, want %d: %s", path, status, want, body)
		}
	}
}

func (j *journey) create(t *testing.T) {
	j.run(t, "wait", "--for=condition=Ready", "node/node", "--timeout=30s")
	j.run(t, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=40s")
	began := time.Now()
	out := j.run(t, "create", "deployment", "httpd-app", "--image=httpd", "--replicas=2")
	wantContains(t, out, "deployment.apps/httpd-app created")
	j.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=40s")
	t.Logf("two replicas with a pull: %.2f s", time.Since(began).Seconds())
	began = time.Now()
	j.run(t, "create", "deployment", "present", "--image=httpd", "--replicas=2")
	created := time.Now()
	j.run(t, "rollout", "status", "deployment/present", "--timeout=40s")
	t.Logf("two replicas with the image present: %.2f s, of which kubectl create took %.2f s",
		time.Since(began).Seconds(), created.Sub(began).Seconds())
	j.run(t, "delete", "deployment", "present")
}

func (j *journey) look(t *testing.T) {
	out := j.run(t, "get", "deployment")
	wantHeader(t, out, "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE")
	wantContains(t, strings.Join(strings.Fields(out), " "), "httpd-app 2/2 2 2")

	eventually(t, 40*time.Second, func() error {
		out, err := j.try(t.Context(), "", "get", "pod", "-o", "name")
		if n := len(strings.Fields(out)); err != nil || n != 2 {
			return fmt.Errorf("%d pods, want 2: %w", n, err)
		}
		return nil
	})
	out = j.run(t, "get", "pod", "-o", "wide")
	wantHeader(t, out, "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES")
	for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
		f := strings.Fields(line)
		if len(f) != 9 || f[1] != "1/1" || f[2] != "Running" || f[3] != "0" || !strings.HasPrefix(f[5], "10.244.") || f[6] != "node" {
			t.Errorf("pod is %q", line)
		}
	}
	out = j.run(t, "get", "pod", "--all-namespaces", "-o", "wide")
	wantHeader(t, out, "NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES")
	wantContains(t, out, "kube-system   coredns-")

	out = j.run(t, "get", "nodes", "-o", "wide")
	wantHeader(t, out, "NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME")
	wantContains(t, out, " Ready ", "v1.37", nodeAddress, "containerd://")

	out = j.run(t, "get", "events")
	wantHeader(t, out, "LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
	wantContains(t, out, "ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Pulling", "Pulled", "Created", "Started")

	pod := j.aPod(t)
	out = j.run(t, "describe", "pod", pod)
	wantContains(t, out, "Controlled By:  ReplicaSet/httpd-app-", "Container ID:   containerd://", "Image ID:", "State:          Running",
		"Successfully assigned default/"+pod+" to node", "kube-api-access", "QoS Class:")
	wantContains(t, j.run(t, "describe", "node", "node"), "Allocated resources:", "coredns-", "PodCIDR:")
	wantContains(t, j.run(t, "describe", "deployment", "httpd-app"), "2 desired | 2 updated | 2 total | 2 available | 0 unavailable")

	out = j.run(t, "get", "all", "-A")
	wantContains(t, out, "pod/coredns-", "service/kubernetes ", "service/kube-dns ", "deployment.apps/httpd-app", "replicaset.apps/httpd-app-")
}

// aPod is one of the deployment's pods that is not on its way out.
func (j *journey) aPod(t *testing.T) string {
	t.Helper()
	names := j.pods(t, "app=httpd-app")
	if len(names) == 0 {
		t.Fatal("httpd-app has no pods")
	}
	return names[0]
}

// pods are the names of those with the labels that are to stay.
func (j *journey) pods(t *testing.T, selector string) []string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
		}
	}
	if err := json.Unmarshal([]byte(j.run(t, "get", "pod", "-l", selector, "-o", "json")), &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == "" {
			names = append(names, p.Metadata.Name)
		}
	}
	return names
}

func (j *journey) runClient(t *testing.T) {
	wantContains(t, j.run(t, "run", "client", "--image=busybox", "--restart=Never", "--", "sleep", "3600"), "pod/client created")
	j.run(t, "wait", "--for=condition=Ready", "pod/client", "--timeout=40s")
}

// fromClient gets a URL inside the pod "client".
func (j *journey) fromClient(ctx context.Context, url string) (string, error) {
	return j.try(ctx, "", "exec", "client", "--", "timeout", "5", "wget", "-q", "-O", "-", url)
}

func (j *journey) expose(t *testing.T) {
	wantContains(t, j.run(t, "expose", "deployment", "httpd-app", "--port=80"), "service/httpd-app exposed")
	wantHeader(t, j.run(t, "get", "service", "httpd-app"), "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE")
	clusterIP := j.value(t, ".spec.clusterIP", "service", "httpd-app")
	podIP := j.value(t, ".status.podIP", "pod", j.aPod(t))
	for _, url := range []string{"http://" + podIP + "/", "http://" + clusterIP + "/"} {
		eventually(t, 10*time.Second, func() error { return works(t.Context(), url) })
	}
	for _, url := range []string{"http://" + podIP + "/", "http://" + clusterIP + "/", "http://httpd-app.default.svc.cluster.local/", "http://httpd-app/"} {
		eventually(t, 20*time.Second, func() error {
			out, err := j.fromClient(t.Context(), url)
			if err != nil || !strings.Contains(out, "It works!") {
				return fmt.Errorf("GET %s inside a pod: %q: %w", url, out, err)
			}
			return nil
		})
	}
	if out, err := j.fromClient(t.Context(), "http://nobody.default.svc.cluster.local/"); err == nil {
		t.Errorf("a name that no service has is answered: %q", out)
	}
}

// get does one request.
func get(ctx context.Context, client *http.Client, url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(data), err
}

// works gets a page of Apache's by a connection of its own.
func works(ctx context.Context, url string) error {
	body, err := page(ctx, url)
	if err == nil && !strings.Contains(body, "It works!") {
		err = fmt.Errorf("GET %s: %q", url, body)
	}
	return err
}

func page(ctx context.Context, url string) (string, error) {
	status, body, err := get(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, url)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d: %s", url, status, body)
	}
	return body, err
}

func (j *journey) exec(t *testing.T) {
	out := j.run(t, "exec", "client", "--", "sh", "-c", "hostname; echo $KUBERNETES_SERVICE_HOST; id -u")
	if out != "client\n10.96.0.1\n0\n" {
		t.Errorf("exec printed %q", out)
	}
	if out := j.runWith(t, "through the pod", "exec", "-i", "client", "--", "cat"); out != "through the pod" {
		t.Errorf("cat gave %q", out)
	}
	_, err := j.try(t.Context(), "", "exec", "client", "--", "sh", "-c", "exit 7")
	if err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("exit 7 in the pod: %v", err)
	}
	if _, err := j.try(t.Context(), "", "exec", "client", "--", "no-such-program"); err == nil || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("a program that is not there: %v", err)
	}
}

func (j *journey) logs(t *testing.T) {
	pod := j.aPod(t)
	ctx, cancel := context.WithCancel(t.Context())
	follow := j.command(ctx, "logs", "-f", pod)
	seen := newOutput()
	follow.Stdout, follow.Stderr = seen, seen
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = follow.Wait() // it was killed
	}()
	url := "http://" + j.value(t, ".status.podIP", "pod", pod) + "/"
	if err := works(t.Context(), url+"?one"); err != nil {
		t.Fatal(err)
	}
	limited, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for _, query := range []string{"one", "two"} {
		if err := works(t.Context(), url+"?"+query); err != nil {
			t.Fatal(err)
		}
		if err := seen.await(limited, "GET /?"+query); err != nil {
			t.Fatalf("logs -f: %v:\n%s", err, seen)
		}
	}
	wantContains(t, j.run(t, "logs", pod), "resuming normal operations", "GET /?two HTTP/1.1")
	if out := j.run(t, "logs", "--tail=1", pod); strings.Count(out, "\n") != 1 {
		t.Errorf("logs --tail=1: %q", out)
	}
	wantContains(t, j.run(t, "logs", "deployment/httpd-app", "--all-pods=true", "--prefix"), "[pod/"+pod+"/httpd]")
}

func (j *journey) portForward(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	forward := j.command(ctx, "port-forward", "svc/httpd-app", "8080:80")
	seen := newOutput()
	forward.Stdout, forward.Stderr = seen, seen
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = forward.Wait() // it was killed
	}()
	limited, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := seen.await(limited, "Forwarding from 127.0.0.1:8080 -> 80"); err != nil {
		t.Fatalf("%v:\n%s", err, seen)
	}
	for range 3 {
		if err := works(t.Context(), "http://127.0.0.1:8080/"); err != nil {
			t.Errorf("%v:\n%s", err, seen)
		}
	}
}

func (j *journey) copyFiles(t *testing.T) {
	dir := t.TempDir()
	content := strings.Repeat("a line of some length\n", 20_000)
	if err := os.WriteFile(filepath.Join(dir, "there"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	j.run(t, "cp", filepath.Join(dir, "there"), "client:/tmp/file")
	if out := j.run(t, "exec", "client", "--", "wc", "-c", "/tmp/file"); !strings.HasPrefix(out, fmt.Sprint(len(content), " ")) {
		t.Errorf("in the pod it has %q, want %d bytes", out, len(content))
	}
	j.run(t, "cp", "client:/tmp/file", filepath.Join(dir, "back"))
	back, err := os.ReadFile(filepath.Join(dir, "back"))
	if err != nil || string(back) != content {
		t.Errorf("%d bytes came back, want %d: %v", len(back), len(content), err)
	}
}

// firstProcess is the process that a container began with.
func firstProcess(containerID string) (int, error) {
	_, id, ok := strings.Cut(containerID, "://")
	if !ok {
		return 0, fmt.Errorf("%q is no container ID", containerID)
	}
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return 0, err
	}
	inside := map[string]bool{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(data), id) {
			inside[filepath.Base(filepath.Dir(f))] = true
		}
	}
	for pid := range inside {
		status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(status), "\nPPid:")
		if parent := strings.Fields(rest)[0]; !inside[parent] {
			var n int
			_, err := fmt.Sscan(pid, &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("no process is in a cgroup of container %s", id)
}

func (j *journey) crash(t *testing.T) {
	pod := j.aPod(t)
	before := j.value(t, ".status.containerStatuses[0].containerID", "pod", pod)
	pid, err := firstProcess(before)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	j.run(t, "wait", "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "pod/"+pod, "--timeout=30s")
	j.run(t, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=30s")
	if after := j.value(t, ".status.containerStatuses[0].containerID", "pod", pod); after == before {
		t.Errorf("the container is still %s", after)
	}
	fields := strings.Fields(j.run(t, "get", "pod", pod, "--no-headers"))
	if len(fields) < 5 || fields[1] != "1/1" || fields[3] != "1" || !strings.HasPrefix(fields[4], "(") {
		t.Errorf("pod is %q, want RESTARTS 1 (… ago)", fields)
	}
	last := j.value(t, ".status.containerStatuses[0].lastState.terminated.exitCode", "pod", pod)
	if last != "137" {
		t.Errorf("exit code of the last state is %q, want 137", last)
	}

	// One that ends at once is held back, longer each time.
	j.run(t, "run", "crashing", "--image=busybox", "--", "false")
	eventually(t, 30*time.Second, func() error {
		out, err := j.try(t.Context(), "", "get", "pod", "crashing", "--no-headers")
		if !strings.Contains(out, "CrashLoopBackOff") {
			return fmt.Errorf("pod is %q: %w", out, err)
		}
		return nil
	})
	wantContains(t, j.run(t, "get", "events", "--field-selector", "involvedObject.name=crashing"), "BackOff", "Back-off restarting failed container")
	j.run(t, "delete", "pod", "crashing", "--now")
}

func (j *journey) replace(t *testing.T) {
	gone := j.aPod(t)
	wantContains(t, j.run(t, "delete", "pod", gone), fmt.Sprintf("pod %q deleted", gone))
	j.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=40s")
	names := j.pods(t, "app=httpd-app")
	if len(names) != 2 || strings.Contains(strings.Join(names, " "), gone) {
		t.Errorf("pods are %v, want two others than %s", names, gone)
	}
}

func (j *journey) scale(t *testing.T) {
	wantContains(t, j.run(t, "scale", "deployment", "httpd-app", "--replicas=5"), "deployment.apps/httpd-app scaled")
	j.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=60s")
	if names := j.pods(t, "app=httpd-app"); len(names) != 5 {
		t.Errorf("pods are %v, want 5", names)
	}
	eventually(t, 10*time.Second, func() error {
		var slices struct {
			Items []struct{ Endpoints []struct{} }
		}
		out, err := j.try(t.Context(), "", "get", "endpointslices", "-l", "kubernetes.io/service-name=httpd-app", "-o", "json")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(out), &slices); err != nil {
			return err
		}
		if len(slices.Items) != 1 || len(slices.Items[0].Endpoints) != 5 {
			return fmt.Errorf("endpoint slices are %+v, want one with 5 endpoints", slices)
		}
		return nil
	})
}

func (j *journey) rollout(t *testing.T) {
	j.run(t, "scale", "deployment", "httpd-app", "--replicas=2")
	wantContains(t, j.run(t, "set", "image", "deployment/httpd-app", "httpd=httpd:2.4"), "deployment.apps/httpd-app image updated")
	wantContains(t, j.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=60s"), "successfully rolled out")
	history := j.run(t, "rollout", "history", "deployment/httpd-app")
	wantContains(t, history, "REVISION  CHANGE-CAUSE", "1         <none>", "2         <none>")
	wantContains(t, j.run(t, "rollout", "history", "deployment/httpd-app", "--revision=2"), "httpd:2.4")
	image := func() string {
		return j.value(t, ".spec.template.spec.containers[0].image", "deployment", "httpd-app")
	}
	if got := image(); got != "httpd:2.4" {
		t.Errorf("image is %s", got)
	}
	wantContains(t, j.run(t, "rollout", "undo", "deployment/httpd-app"), "rolled back")
	j.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=60s")
	if got := image(); got != "httpd" {
		t.Errorf("image after undo is %s", got)
	}
	j.run(t, "rollout", "restart", "deployment/httpd-app")
	j.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=60s")
	eventually(t, 10*time.Second, func() error {
		return works(t.Context(), "http://"+j.value(t, ".spec.clusterIP", "service", "httpd-app")+"/")
	})
}

const settings = `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: %s
`

func (j *journey) apply(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(colour string) {
		if err := os.WriteFile(file, fmt.Appendf(nil, settings, colour), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	colour := func() string { return j.value(t, ".data.colour", "configmap", "settings") }
	write("green")
	wantContains(t, j.run(t, "apply", "-f", file), "configmap/settings created")
	wantContains(t, j.run(t, "apply", "-f", file), "configmap/settings unchanged")
	write("blue")
	// diff ends with 1 if there is a difference.
	out, err := j.try(t.Context(), "", "diff", "-f", file)
	if err == nil || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("diff: %v", err)
	}
	wantContains(t, out, "-  colour: green", "+  colour: blue")
	wantContains(t, j.run(t, "apply", "-f", file), "configmap/settings configured")
	if _, err := j.try(t.Context(), "", "diff", "-f", file); err != nil {
		t.Errorf("diff of what is applied: %v", err)
	}
	wantContains(t, j.run(t, "apply", "--server-side", "--force-conflicts", "-f", file), "serverside-applied")

	editor := &shell{kubeconfig: j.kubeconfig, env: []string{"KUBE_EDITOR=sed -i s/blue/red/"}}
	wantContains(t, editor.run(t, "edit", "configmap", "settings"), "configmap/settings edited")
	if got := colour(); got != "red" {
		t.Errorf("after edit it is %q", got)
	}
	wantContains(t, j.run(t, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"colour":"white"}}`), "patched")
	wantContains(t, j.run(t, "patch", "configmap", "settings", "--type=json", "-p", `[{"op":"test","path":"/data/colour","value":"white"},{"op":"replace","path":"/data/colour","value":"black"}]`), "patched")
	if got := colour(); got != "black" {
		t.Errorf("after patches it is %q", got)
	}
	j.run(t, "label", "configmap", "settings", "tier=test")
	j.run(t, "annotate", "configmap", "settings", "note=hello")
	wantContains(t, j.run(t, "get", "configmap", "-l", "tier=test", "-o", "yaml"), "note: hello", "name: settings")

	ctx, cancel := context.WithCancel(t.Context())
	watch := j.command(ctx, "get", "configmap", "settings", "-w", "-o", "jsonpath={.data.colour}{'\\n'}")
	seen := newOutput()
	watch.Stdout, watch.Stderr = seen, seen
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = watch.Wait() // it was killed
	}()
	limited, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := seen.await(limited, "black"); err != nil {
		t.Fatal(err)
	}
	j.run(t, "patch", "configmap", "settings", "-p", `{"data":{"colour":"gold"}}`)
	if err := seen.await(limited, "gold"); err != nil {
		t.Errorf("get -w: %v:\n%s", err, seen)
	}
	j.run(t, "delete", "-f", file)
}

func (j *journey) namespace(t *testing.T) {
	j.run(t, "create", "namespace", "short-lived")
	j.run(t, "-n", "short-lived", "create", "configmap", "inside", "--from-literal=a=b")
	j.run(t, "-n", "short-lived", "create", "deployment", "inside", "--image=httpd")
	j.run(t, "-n", "short-lived", "rollout", "status", "deployment/inside", "--timeout=40s")
	wantContains(t, j.run(t, "delete", "ns", "short-lived", "--timeout=50s"), `namespace "short-lived" deleted`)
	if out := j.run(t, "get", "all,configmap", "-n", "short-lived"); out != "" {
		t.Errorf("it has left %s", out)
	}
}

func (j *journey) pull(t *testing.T) {
	j.run(t, "run", "late", "--image=late")
	var waiting string
	eventually(t, 30*time.Second, func() error {
		out, err := j.try(t.Context(), "", "get", "pod", "late", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		if waiting = out; out != "ErrImagePull" && out != "ImagePullBackOff" {
			return fmt.Errorf("it waits for %q: %w", out, err)
		}
		return nil
	})
	eventually(t, 30*time.Second, func() error {
		out, err := j.try(t.Context(), "", "get", "pod", "late", "--no-headers")
		if !strings.Contains(out, "ImagePullBackOff") {
			return fmt.Errorf("pod is %q (first it was %s): %w", out, waiting, err)
		}
		return nil
	})
	events := j.run(t, "get", "events", "--field-selector", "involvedObject.name=late")
	wantContains(t, events, `Failed to pull image "late"`, "not found", "Error: ErrImagePull", "Error: ImagePullBackOff", `Back-off pulling image "late"`)
	busybox, err := debian.Busybox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := imagebuild.Push(t.Context(), j.registry.Addr()+"/library/late:latest", busybox); err != nil {
		t.Fatal(err)
	}
	j.run(t, "wait", "--for=jsonpath={.status.containerStatuses[0].imageID}", "pod/late", "--timeout=45s")
	j.run(t, "delete", "pod", "late", "--now")
}

func (j *journey) remove(t *testing.T) {
	wantContains(t, j.run(t, "delete", "deployment", "httpd-app"), `deployment.apps "httpd-app" deleted`)
	eventually(t, 40*time.Second, func() error {
		out, err := j.try(t.Context(), "", "get", "replicaset,pod", "-l", "app=httpd-app", "-o", "name")
		if err != nil || out != "" {
			return fmt.Errorf("still there: %q: %w", out, err)
		}
		return nil
	})
	clusterIP := j.value(t, ".spec.clusterIP", "service", "httpd-app")
	eventually(t, 5*time.Second, func() error {
		dialer := net.Dialer{Timeout: 2 * time.Second}
		c, err := dialer.DialContext(t.Context(), "tcp", clusterIP+":80")
		if err == nil {
			c.Close()
			return errors.New("the service without pods accepts a connection")
		}
		if !errors.Is(err, unix.ECONNREFUSED) {
			return fmt.Errorf("connecting to a service without pods: %w, want it refused", err)
		}
		return nil
	})
}
