package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keelson-project/keelson/cluster"
)

// The transcript of the README on a memory store and simulated nodes, with the
// kubectl that is linked in. What it needs real containers for is tested with
// examples/allinone.
func TestTranscript(t *testing.T) {
	began := time.Now()
	_, config := serving(t, cluster.Options{SimulatedNodes: 2})
	k := &kubectl{kubeconfig: config, cache: t.TempDir()}

	wantContains(t, k.run(t, "create", "deployment", "httpd-app", "--image=httpd", "--replicas=2"), "deployment.apps/httpd-app created")
	wantContains(t, k.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=10s"), "successfully rolled out")
	for _, step := range []struct {
		name string
		run  func(*kubectl, *testing.T)
	}{
		{"look", (*kubectl).look},
		{"expose", (*kubectl).expose},
		{"rollout", (*kubectl).rollout},
		{"apply", (*kubectl).apply},
		{"replace", (*kubectl).replace},
		{"delete", (*kubectl).remove},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(k, t) })
	}
	t.Logf("the transcript took %.1f s", time.Since(began).Seconds())
}

func (k *kubectl) look(t *testing.T) {
	out := k.run(t, "get", "deployment")
	wantHeader(t, out, "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE")
	wantContains(t, strings.Join(strings.Fields(out), " "), "httpd-app 2/2 2 2")
	out = k.run(t, "get", "pod", "-o", "wide")
	wantHeader(t, out, "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES")
	if n := strings.Count(out, "1/1     Running   0 "); n != 2 {
		t.Errorf("%d pods run, want 2:\n%s", n, out)
	}
	out = k.run(t, "get", "nodes", "-o", "wide")
	wantHeader(t, out, "NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME")
	wantContains(t, out, "node-1", "node-2", " Ready ", "simulated://")
	k.eventually(t, "Scheduled Scheduled", "get", "events", "--field-selector", "reason=Scheduled", "-o", "jsonpath={.items[*].reason}")
	out = k.run(t, "get", "events")
	wantHeader(t, out, "LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
	wantContains(t, out, "ScalingReplicaSet", "SuccessfulCreate")

	pod := k.value(t, ".items[0].metadata.name", "pod")
	wantContains(t, k.run(t, "describe", "pod", pod), "Controlled By:  ReplicaSet/httpd-app-", "State:          Running", "Successfully assigned default/"+pod+" to node-")
	wantContains(t, k.run(t, "describe", "node", "node-1"), "Allocated resources:", "PodCIDR:", "InternalIP:")
	wantContains(t, k.run(t, "get", "all", "-A"), "pod/httpd-app-", "deployment.apps/httpd-app", "replicaset.apps/httpd-app-")
	wantContains(t, k.run(t, "api-resources"), "deployments", "deploy", "apps/v1", "poddisruptionbudgets")
	wantContains(t, k.run(t, "explain", "deployment.spec.replicas"), "FIELD: replicas <integer>", "Number of desired pods")
	if _, err := k.try("", "get", "pod", "nobody"); exitCode(err) != 1 || !strings.Contains(err.Error(), `Error from server (NotFound): pods "nobody" not found`) {
		t.Errorf("a pod that is not there: %v", err)
	}
	if out := k.run(t, "auth", "can-i", "delete", "nodes"); strings.TrimSpace(out) != "yes" {
		t.Errorf("can I: %q", out)
	}
}

func (k *kubectl) expose(t *testing.T) {
	wantContains(t, k.run(t, "expose", "deployment", "httpd-app", "--port=80"), "service/httpd-app exposed")
	out := k.run(t, "get", "service", "httpd-app")
	wantHeader(t, out, "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE")
	wantContains(t, out, "ClusterIP", "10.96.", "80/TCP")
	k.run(t, "scale", "deployment", "httpd-app", "--replicas=5")
	k.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=10s")
	k.eventually(t, "true true true true true", "get", "endpointslice", "-l", "kubernetes.io/service-name=httpd-app",
		"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
}

func (k *kubectl) rollout(t *testing.T) {
	k.run(t, "set", "image", "deployment/httpd-app", "httpd=httpd:2.4")
	wantContains(t, k.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=20s"), "successfully rolled out")
	wantContains(t, k.run(t, "rollout", "history", "deployment/httpd-app"), "REVISION  CHANGE-CAUSE", "1         <none>", "2         <none>")
	wantContains(t, k.run(t, "rollout", "undo", "deployment/httpd-app"), "rolled back")
	k.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=20s")
	if got := k.value(t, ".spec.template.spec.containers[0].image", "deployment", "httpd-app"); got != "httpd" {
		t.Errorf("image after undo is %s", got)
	}
}

const settings = `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: %s
`

func (k *kubectl) apply(t *testing.T) {
	file := filepath.Join(t.TempDir(), "settings.yaml")
	write := func(colour string) {
		if err := os.WriteFile(file, fmt.Appendf(nil, settings, colour), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	colour := func() string { return k.value(t, ".data.colour", "configmap", "settings") }
	write("green")
	wantContains(t, k.run(t, "apply", "-f", file), "configmap/settings created")
	wantContains(t, k.run(t, "apply", "-f", file), "configmap/settings unchanged")
	write("blue")
	out, err := k.try("", "diff", "-f", file)
	if exitCode(err) != 1 {
		t.Errorf("diff: %v", err)
	}
	wantContains(t, out, "-  colour: green", "+  colour: blue")
	wantContains(t, k.run(t, "apply", "-f", file), "configmap/settings configured")
	wantContains(t, k.run(t, "apply", "--server-side", "--force-conflicts", "-f", file), "serverside-applied")
	t.Setenv("KUBE_EDITOR", "sed -i s/blue/red/")
	wantContains(t, k.run(t, "edit", "configmap", "settings"), "configmap/settings edited")
	if got := colour(); got != "red" {
		t.Errorf("after edit it is %q", got)
	}
	k.run(t, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"colour":"white"}}`)
	k.run(t, "patch", "configmap", "settings", "--type=json", "-p", `[{"op":"test","path":"/data/colour","value":"white"},{"op":"replace","path":"/data/colour","value":"black"}]`)
	if got := colour(); got != "black" {
		t.Errorf("after patches it is %q", got)
	}
	k.run(t, "label", "configmap", "settings", "tier=test")
	k.run(t, "annotate", "configmap", "settings", "note=hello")
	wantContains(t, k.run(t, "get", "configmap", "-l", "tier=test", "-o", "yaml"), "note: hello", "name: settings")
	wantContains(t, k.run(t, "wait", "--for=jsonpath={.data.colour}=black", "configmap/settings", "--timeout=5s"), "condition met")
	wantContains(t, k.run(t, "delete", "-f", file), `configmap "settings" deleted`)
}

func (k *kubectl) replace(t *testing.T) {
	wantContains(t, k.run(t, "run", "alone", "--image=busybox"), "pod/alone created")
	k.run(t, "wait", "--for=condition=Ready", "pod/alone", "--timeout=10s")
	wantContains(t, k.run(t, "delete", "pod", "alone"), `pod "alone" deleted`)
	gone := k.value(t, ".items[0].metadata.name", "pod", "-l", "app=httpd-app")
	k.run(t, "delete", "pod", gone)
	k.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=10s")
	if left := k.value(t, ".items[*].metadata.name", "pod", "-l", "app=httpd-app"); strings.Contains(left, gone) || len(strings.Fields(left)) != 5 {
		t.Errorf("pods are %s, want five others than %s", left, gone)
	}
	k.run(t, "create", "namespace", "short-lived")
	k.run(t, "-n", "short-lived", "create", "deployment", "inside", "--image=httpd")
	k.run(t, "-n", "short-lived", "rollout", "status", "deployment/inside", "--timeout=10s")
	wantContains(t, k.run(t, "delete", "ns", "short-lived", "--timeout=10s"), `namespace "short-lived" deleted`)
}

func (k *kubectl) remove(t *testing.T) {
	k.run(t, "delete", "deployment", "httpd-app")
	k.eventually(t, "", "get", "replicaset,pod", "-l", "app=httpd-app", "-o", "name")
}
