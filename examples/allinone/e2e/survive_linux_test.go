package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"testing"
	"time"
)

// Killing the program loses nothing: containers run on, and the next start
// finds them.
func TestKill(t *testing.T) {
	registry := serveImages(t)
	dir := t.TempDir()
	args := []string{"-registry", mirror(registry), "-listen", "127.0.0.1:6443"}
	first := start(t, dir, args...)
	sh := first.shell()
	sh.run(t, "create", "deployment", "httpd-app", "--image=httpd", "--replicas=2")
	sh.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=40s")
	sh.run(t, "-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=40s")
	sh.run(t, "expose", "deployment", "httpd-app", "--port=80")
	service := "http://" + sh.value(t, ".spec.clusterIP", "service", "httpd-app") + "/"
	eventually(t, 10*time.Second, func() error { return works(t.Context(), service) })
	before := sh.containers(t)
	if len(before) != 3 {
		t.Fatalf("containers are %v, want 3", before)
	}
	first.kill()
	if err := works(t.Context(), service); err != nil {
		t.Errorf("with the program killed: %v", err)
	}

	began := time.Now()
	launch(t, dir, args...)
	var listed string
	eventually(t, 5*time.Second, func() error {
		out, err := sh.try(t.Context(), "", "get", "pod", "-o", "name", "--request-timeout=1s")
		listed = out
		return err
	})
	t.Logf("kubectl works again after %.2f s: %q", time.Since(began).Seconds(), listed)
	eventually(t, 20*time.Second, func() error {
		out, err := sh.try(t.Context(), "", "rollout", "status", "deployment/httpd-app", "--timeout=5s")
		if err != nil {
			return fmt.Errorf("%s: %w", out, err)
		}
		return works(t.Context(), service)
	})
	// The kubelet has looked at every pod once it has started another.
	sh.run(t, "run", "after", "--image=httpd")
	sh.run(t, "wait", "--for=condition=Ready", "pod/after", "--timeout=30s")
	sh.run(t, "delete", "pod", "after", "--now")
	if after := sh.containers(t); !maps.Equal(before, after) {
		t.Errorf("containers were %v, and are %v after the kill", before, after)
	}
	if err := works(t.Context(), service); err != nil {
		t.Error(err)
	}
	sh.run(t, "scale", "deployment", "httpd-app", "--replicas=3")
	sh.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=30s")
}

// containers are the IDs of all containers, with how often each was
// restarted, by their pods' names.
func (s *shell) containers(t *testing.T) map[string]string {
	t.Helper()
	var pods struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				ContainerStatuses []struct {
					ContainerID  string
					RestartCount int
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(s.run(t, "get", "pod", "-A", "-o", "json")), &pods); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, p := range pods.Items {
		for _, c := range p.Status.ContainerStatuses {
			out[p.Metadata.Name] = fmt.Sprintf("%s, %d restarts", c.ContainerID, c.RestartCount)
		}
	}
	return out
}
