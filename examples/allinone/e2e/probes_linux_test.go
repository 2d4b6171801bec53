package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// probed are two pods of a service that are ready once they have a page
// /ready, and pods whose liveness probes act in each of the ways there are.
const probed = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: probed}
spec:
  replicas: 2
  selector: {matchLabels: {app: probed}}
  template:
    metadata: {labels: {app: probed}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: httpd
        image: httpd
        readinessProbe: {httpGet: {path: /ready, port: 80}, periodSeconds: 1, failureThreshold: 1}
        livenessProbe: {tcpSocket: {port: 80}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: probed}
spec:
  selector: {app: probed}
  ports: [{port: 80}]
---
apiVersion: v1
kind: Pod
metadata: {name: live-exec}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    args: [sh, -c, "touch /tmp/alive; exec sleep 3600"]
    startupProbe: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1}
    livenessProbe: {exec: {command: [cat, /tmp/alive]}, periodSeconds: 1, failureThreshold: 1}
    readinessProbe: {exec: {command: [cat, /tmp/alive]}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: live-http}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: httpd
    livenessProbe: {httpGet: {path: /none, port: 80}, periodSeconds: 1, failureThreshold: 2}
---
apiVersion: v1
kind: Pod
metadata: {name: live-tcp}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    args: [httpd, -f, -p, "8080"]
    livenessProbe: {tcpSocket: {port: 8081}, periodSeconds: 1, failureThreshold: 2}
    readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}
`

func (j *journey) probes(t *testing.T) {
	j.runWith(t, probed, "apply", "-f", "-")
	j.run(t, "wait", "--for=condition=Ready", "pod/live-exec", "--timeout=30s")
	j.run(t, "exec", "live-exec", "--", "rm", "/tmp/alive")
	for _, p := range []struct{ pod, says string }{
		{"live-exec", "Liveness probe failed: cat: can't open '/tmp/alive'"},
		{"live-http", "Liveness probe failed: HTTP probe failed with statuscode: 404"},
		{"live-tcp", "Liveness probe failed: dial tcp"},
	} {
		eventually(t, 30*time.Second, func() error {
			out, err := j.try(t.Context(), "", "get", "pod", p.pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
			if err != nil || out == "0" || out == "" {
				return fmt.Errorf("%s has restarted %q times: %w", p.pod, out, err)
			}
			return nil
		})
		wantContains(t, j.run(t, "get", "events", "--field-selector", "involvedObject.name="+p.pod), "Unhealthy", p.says, "Killing",
			"failed liveness probe, will be restarted")
	}
	j.run(t, "wait", "--for=condition=Ready", "pod/live-exec", "--timeout=30s")
	j.run(t, "delete", "pod", "live-exec", "live-http", "live-tcp", "--now")

	// Neither is ready yet: the service has nobody to send anyone to.
	names := j.pods(t, "app=probed")
	if len(names) != 2 {
		t.Fatalf("pods are %v, want 2", names)
	}
	for _, name := range names {
		eventually(t, 20*time.Second, func() error {
			out, err := j.try(t.Context(), "", "get", "pod", name, "--no-headers")
			if !strings.Contains(strings.Join(strings.Fields(out), " "), "0/1 Running 0") {
				return fmt.Errorf("pod is %q, want 0/1 Running 0: %w", out, err)
			}
			return nil
		})
	}
	service := "http://" + j.value(t, ".spec.clusterIP", "service", "probed") + "/ready"
	if body, err := page(t.Context(), service); err == nil {
		t.Errorf("a service without ready pods answers %q", body)
	}
	chosen := names[0]
	j.writePage(t, chosen, "ready", chosen)
	j.run(t, "wait", "--for=condition=Ready", "pod/"+chosen, "--timeout=20s")
	eventually(t, 10*time.Second, func() error {
		_, err := page(t.Context(), service)
		return err
	})
	for range 20 {
		if body, err := page(t.Context(), service); err != nil || strings.TrimSpace(body) != chosen {
			t.Fatalf("the service leads to %q, want only %s: %v", body, chosen, err)
		}
	}
	// Readiness comes, and goes.
	j.writePage(t, names[1], "ready", names[1])
	eventually(t, 20*time.Second, func() error {
		body, err := page(t.Context(), service)
		if err == nil && strings.TrimSpace(body) != names[1] {
			err = fmt.Errorf("the service never leads to %s", names[1])
		}
		return err
	})
	j.removePage(t, chosen, "ready")
	j.run(t, "wait", "--for=condition=Ready=false", "pod/"+chosen, "--timeout=20s")
	eventually(t, 20*time.Second, func() error {
		for range 10 {
			if body, err := page(t.Context(), service); err != nil || strings.TrimSpace(body) != names[1] {
				return errors.Join(err, fmt.Errorf("the service leads to %q, want only %s", body, names[1]))
			}
		}
		return nil
	})
	wantContains(t, j.run(t, "get", "events", "--field-selector", "involvedObject.name="+chosen), "Readiness probe failed: HTTP probe failed with statuscode: 404")
	j.runWith(t, probed, "delete", "--now", "--ignore-not-found", "-f", "-")
}

// pages is where Apache's image has them.
const pages = "/usr/local/apache2/htdocs/"

// writePage gives a pod's Apache a page. Its image has no shell: the file is
// written through the root directory of its process.
func (j *journey) writePage(t *testing.T, pod, name, content string) {
	t.Helper()
	if err := os.WriteFile(j.rootOf(t, pod)+pages+name, []byte(content+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (j *journey) removePage(t *testing.T, pod, name string) {
	t.Helper()
	if err := os.Remove(j.rootOf(t, pod) + pages + name); err != nil {
		t.Fatal(err)
	}
}

// rootOf is where a pod's root directory can be seen.
func (j *journey) rootOf(t *testing.T, pod string) string {
	t.Helper()
	pid, err := firstProcess(j.value(t, ".status.containerStatuses[0].containerID", "pod", pod))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%d/root", pid)
}
