package cluster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keelson-project/keelson/cluster"
	"github.com/keelson-project/keelson/internal/kubectltest"
)

// The transcript of the README on a memory store and simulated nodes, with the
// kubectl that is linked in. What it needs real containers for is tested with
// examples/allinone.
func TestTranscript(t *testing.T) {
	began := time.Now()
	k := serving(t, cluster.Options{SimulatedNodes: 2})

	kubectltest.WantContains(t, k.Run(t, "create", "deployment", "httpd-app", "--image=httpd", "--replicas=2"), "deployment.apps/httpd-app created")
	kubectltest.WantContains(t, k.Run(t, "rollout", "status", "deployment/httpd-app", "--timeout=10s"), "successfully rolled out")
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
	out := k.Run(t, "get", "deployment")
	kubectltest.WantHeader(t, out, "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE")
	kubectltest.WantContains(t, strings.Join(strings.Fields(out), " "), "httpd-app 2/2 2 2")
	out = k.Run(t, "get", "pod", "-o", "wide")
	kubectltest.WantHeader(t, out, "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES")
	if n := strings.Count(out, "1/1     Running   0 "); n != 2 {
		t.Errorf("%d pods run, want 2:\n%s", n, out)
	}
	out = k.Run(t, "get", "nodes", "-o", "wide")
	kubectltest.WantHeader(t, out, "NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME")
	kubectltest.WantContains(t, out, "node-1", "node-2", " Ready ", "simulated://")
	k.Eventually(t, "Scheduled Scheduled", "get", "events", "--field-selector", "reason=Scheduled", "-o", "jsonpath={.items[*].reason}")
	out = k.Run(t, "get", "events")
	kubectltest.WantHeader(t, out, "LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")
	kubectltest.WantContains(t, out, "ScalingReplicaSet", "SuccessfulCreate")

	pod := k.Value(t, ".items[0].metadata.name", "pod")
	kubectltest.WantContains(t, k.Run(t, "describe", "pod", pod), "Controlled By:  ReplicaSet/httpd-app-", "State:          Running", "Successfully assigned default/"+pod+" to node-")
	kubectltest.WantContains(t, k.Run(t, "describe", "node", "node-1"), "Allocated resources:", "PodCIDR:", "InternalIP:")
	kubectltest.WantContains(t, k.Run(t, "get", "all", "-A"), "pod/httpd-app-", "deployment.apps/httpd-app", "replicaset.apps/httpd-app-")
	kubectltest.WantContains(t, k.Run(t, "api-resources"), "deployments", "deploy", "apps/v1", "poddisruptionbudgets")
	kubectltest.WantContains(t, k.Run(t, "explain", "deployment.spec.replicas"), "FIELD: replicas <integer>", "Number of desired pods")
	if _, err := k.Try("", "get", "pod", "nobody"); kubectltest.ExitCode(err) != 1 || !strings.Contains(err.Error(), `Error from server (NotFound): pods "nobody" not found`) {
		t.Errorf("a pod that is not there: %v", err)
	}
	if out := k.Run(t, "auth", "can-i", "delete", "nodes"); strings.TrimSpace(out) != "yes" {
		t.Errorf("can I: %q", out)
	}
}

func (k *kubectl) expose(t *testing.T) {
	kubectltest.WantContains(t, k.Run(t, "expose", "deployment", "httpd-app", "--port=80"), "service/httpd-app exposed")
	out := k.Run(t, "get", "service", "httpd-app")
	kubectltest.WantHeader(t, out, "NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE")
	kubectltest.WantContains(t, out, "ClusterIP", "10.96.", "80/TCP")
	k.Run(t, "scale", "deployment", "httpd-app", "--replicas=5")
	k.Run(t, "rollout", "status", "deployment/httpd-app", "--timeout=10s")
	k.Eventually(t, "true true true true true", "get", "endpointslice", "-l", "kubernetes.io/service-name=httpd-app",
		"-o", "jsonpath={.items[*].endpoints[*].conditions.ready}")
}

func (k *kubectl) rollout(t *testing.T) {
	k.Run(t, "set", "image", "deployment/httpd-app", "httpd=httpd:2.4")
	kubectltest.WantContains(t, k.Run(t, "rollout", "status", "deployment/httpd-app", "--timeout=20s"), "successfully rolled out")
	kubectltest.WantContains(t, k.Run(t, "rollout", "history", "deployment/httpd-app"), "REVISION  CHANGE-CAUSE", "1         <none>", "2         <none>")
	kubectltest.WantContains(t, k.Run(t, "rollout", "undo", "deployment/httpd-app"), "rolled back")
	k.Run(t, "rollout", "status", "deployment/httpd-app", "--timeout=20s")
	if got := k.Value(t, ".spec.template.spec.containers[0].image", "deployment", "httpd-app"); got != "httpd" {
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
	colour := func() string { return k.Value(t, ".data.colour", "configmap", "settings") }
	write("green")
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", file), "configmap/settings created")
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", file), "configmap/settings unchanged")
	write("blue")
	out, err := k.Try("", "diff", "-f", file)
	if kubectltest.ExitCode(err) != 1 {
		t.Errorf("diff: %v", err)
	}
	kubectltest.WantContains(t, out, "-  colour: green", "+  colour: blue")
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", file), "configmap/settings configured")
	kubectltest.WantContains(t, k.Run(t, "apply", "--server-side", "--force-conflicts", "-f", file), "serverside-applied")
	t.Setenv("KUBE_EDITOR", "sed -i s/blue/red/")
	kubectltest.WantContains(t, k.Run(t, "edit", "configmap", "settings"), "configmap/settings edited")
	if got := colour(); got != "red" {
		t.Errorf("after edit it is %q", got)
	}
	k.Run(t, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"colour":"white"}}`)
	k.Run(t, "patch", "configmap", "settings", "--type=json", "-p", `[{"op":"test","path":"/data/colour","value":"white"},{"op":"replace","path":"/data/colour","value":"black"}]`)
	if got := colour(); got != "black" {
		t.Errorf("after patches it is %q", got)
	}
	k.Run(t, "label", "configmap", "settings", "tier=test")
	k.Run(t, "annotate", "configmap", "settings", "note=hello")
	kubectltest.WantContains(t, k.Run(t, "get", "configmap", "-l", "tier=test", "-o", "yaml"), "note: hello", "name: settings")
	kubectltest.WantContains(t, k.Run(t, "wait", "--for=jsonpath={.data.colour}=black", "configmap/settings", "--timeout=5s"), "condition met")
	kubectltest.WantContains(t, k.Run(t, "delete", "-f", file), `configmap "settings" deleted`)
}

func (k *kubectl) replace(t *testing.T) {
	kubectltest.WantContains(t, k.Run(t, "run", "alone", "--image=busybox"), "pod/alone created")
	k.Run(t, "wait", "--for=condition=Ready", "pod/alone", "--timeout=10s")
	kubectltest.WantContains(t, k.Run(t, "delete", "pod", "alone"), `pod "alone" deleted`)
	gone := k.Value(t, ".items[0].metadata.name", "pod", "-l", "app=httpd-app")
	k.Run(t, "delete", "pod", gone)
	k.Run(t, "rollout", "status", "deployment/httpd-app", "--timeout=10s")
	if left := k.Value(t, ".items[*].metadata.name", "pod", "-l", "app=httpd-app"); strings.Contains(left, gone) || len(strings.Fields(left)) != 5 {
		t.Errorf("pods are %s, want five others than %s", left, gone)
	}
	k.Run(t, "create", "namespace", "short-lived")
	k.Run(t, "-n", "short-lived", "create", "deployment", "inside", "--image=httpd")
	k.Run(t, "-n", "short-lived", "rollout", "status", "deployment/inside", "--timeout=10s")
	kubectltest.WantContains(t, k.Run(t, "delete", "ns", "short-lived", "--timeout=10s"), `namespace "short-lived" deleted`)
}

func (k *kubectl) remove(t *testing.T) {
	k.Run(t, "delete", "deployment", "httpd-app")
	k.Eventually(t, "", "get", "replicaset,pod", "-l", "app=httpd-app", "-o", "name")
}
