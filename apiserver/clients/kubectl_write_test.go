package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keelson-project/keelson/internal/kubectltest"
)

const app = `apiVersion: v1
kind: Service
metadata:
  name: app
spec:
  selector: {app: app}
  ports:
  - {name: http, port: 80, targetPort: 8080}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app
spec:
  replicas: %d
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: c, image: "%s", ports: [{containerPort: 8080}]}
`

// manifest writes a file of a service and a deployment.
func manifest(t *testing.T, replicas int, image string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, app, replicas, image), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func (k *kubectl) apply(t *testing.T) {
	first := manifest(t, 1, "one")
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", first, "--dry-run=server"), "service/app created (server dry run)", "deployment.apps/app created (server dry run)")
	if out := k.Run(t, "get", "deployment,service", "-l", "none=none", "-o", "name"); out != "" {
		t.Errorf("a dry run left %q", out)
	}
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", first), "service/app created", "deployment.apps/app created")
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", first), "service/app unchanged", "deployment.apps/app unchanged")
	second := manifest(t, 2, "two")
	out, err := k.Try("", "diff", "-f", second)
	if kubectltest.ExitCode(err) != 1 {
		t.Errorf("diff: %v", err)
	}
	kubectltest.WantContains(t, out, "-  replicas: 1", "+  replicas: 2", "-      - image: one", "+      - image: two")
	kubectltest.WantContains(t, k.Run(t, "apply", "-f", second), "service/app unchanged", "deployment.apps/app configured")
	if _, err := k.Try("", "diff", "-f", second); err != nil {
		t.Errorf("diff after apply: %v", err)
	}
	kubectltest.WantContains(t, k.Run(t, "apply", "view-last-applied", "deployment", "app"), "image: two")
	// What is dropped from the file is dropped from the object.
	k.RunWith(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"pruned","labels":{"a":"b"}},"data":{"x":"1","y":"2"}}`, "apply", "-f", "-")
	k.Run(t, "patch", "cm", "pruned", "-p", `{"data":{"z":"3"}}`)
	k.RunWith(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"pruned"},"data":{"x":"1"}}`, "apply", "-f", "-")
	if got := k.Value(t, ".data", "cm", "pruned"); got != `{"x":"1","z":"3"}` {
		t.Errorf("after apply: %s", got)
	}
	if got := k.Value(t, ".metadata.labels", "cm", "pruned"); got != "" {
		t.Errorf("labels after apply: %s", got)
	}
}

func (k *kubectl) serverSide(t *testing.T) {
	apply := func(manager, data string, more ...string) (string, error) {
		return k.Try(fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ssa"},"data":%s}`, data),
			append([]string{"apply", "--server-side", "--field-manager=" + manager, "-f", "-"}, more...)...)
	}
	if out, err := apply("a", `{"x":"1","y":"1"}`); err != nil || !strings.Contains(out, "configmap/ssa serverside-applied") {
		t.Fatalf("first apply: %q, %v", out, err)
	}
	if _, err := apply("b", `{"y":"2","z":"2"}`); err == nil || !strings.Contains(err.Error(), `conflict with "a": .data.y`) {
		t.Errorf("an apply that conflicts: %v", err)
	}
	if _, err := apply("b", `{"y":"2","z":"2"}`, "--force-conflicts"); err != nil {
		t.Error(err)
	}
	if _, err := apply("a", `{"x":"1"}`); err != nil {
		t.Error(err)
	}
	if got := k.Value(t, ".data", "cm", "ssa"); got != `{"x":"1","y":"2","z":"2"}` {
		t.Errorf("data: %s", got)
	}
	if _, err := apply("b", `{}`); err != nil {
		t.Error(err)
	}
	if got := k.Value(t, ".data", "cm", "ssa"); got != `{"x":"1"}` {
		t.Errorf("data without b: %s", got)
	}
	kubectltest.WantContains(t, k.Run(t, "apply", "--server-side", "--force-conflicts", "-f", manifest(t, 3, "three")), "deployment.apps/app serverside-applied")
	if _, err := k.Try("", "diff", "--server-side", "-f", manifest(t, 4, "three")); kubectltest.ExitCode(err) != 1 {
		t.Errorf("server-side diff: %v", err)
	}
}

func (k *kubectl) replace(t *testing.T) {
	kubectltest.WantContains(t, k.Run(t, "replace", "-f", manifest(t, 5, "five")), "service/app replaced", "deployment.apps/app replaced")
	if got := k.Value(t, ".spec.replicas", "deployment", "app"); got != "5" {
		t.Errorf("replaced: %s replicas", got)
	}
	was := k.Value(t, ".metadata.uid", "service", "app")
	k.Run(t, "replace", "--force", "-f", manifest(t, 1, "one"))
	if is := k.Value(t, ".metadata.uid", "service", "app"); is == was || is == "" {
		t.Errorf("replaced by force: uid %s, then %s", was, is)
	}
	stale := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ssa","resourceVersion":"1"}}`
	if _, err := k.Try(stale, "replace", "-f", "-"); err == nil || !strings.Contains(err.Error(), "the object has been modified; please apply your changes to the latest version and try again") {
		t.Errorf("a stale replace: %v", err)
	}
}

func (k *kubectl) edit(t *testing.T) {
	t.Setenv("KUBE_EDITOR", "sed -i s/replicas:.1/replicas:\\ 6/")
	kubectltest.WantContains(t, k.Run(t, "edit", "deployment", "app"), "deployment.apps/app edited")
	if got := k.Value(t, ".spec.replicas", "deployment", "app"); got != "6" {
		t.Errorf("edited: %s replicas", got)
	}
	t.Setenv("KUBE_EDITOR", "sed -i s/phase:.*/phase:\\ Failed/")
	kubectltest.WantContains(t, k.Run(t, "edit", "pod", "shown", "--subresource=status"), "pod/shown edited")
	if got := k.Value(t, ".status.phase", "pod", "shown"); got != "Failed" {
		t.Errorf("edited status: %s", got)
	}
	t.Setenv("KUBE_EDITOR", "true")
	was := k.Value(t, ".metadata.resourceVersion", "deployment", "app")
	k.Run(t, "edit", "deployment", "app")
	if is := k.Value(t, ".metadata.resourceVersion", "deployment", "app"); is != was {
		t.Errorf("an edit without a change made version %s of %s", is, was)
	}
}

func (k *kubectl) patch(t *testing.T) {
	patch := func(kind, text string, more ...string) {
		t.Helper()
		kubectltest.WantContains(t, k.Run(t, append([]string{"patch", "deployment", "app", "--type=" + kind, "-p", text}, more...)...), "/app patched")
	}
	containers := func() string {
		return k.Value(t, ".spec.template.spec.containers[*].name", "deployment", "app")
	}
	patch("strategic", `{"spec":{"template":{"spec":{"containers":[{"name":"d","image":"side"}]}}}}`)
	if got := containers(); got != "d c" {
		t.Errorf("strategic merge: %s", got)
	}
	patch("strategic", `{"spec":{"template":{"spec":{"containers":[{"name":"d","$patch":"delete"}]}}}}`)
	patch("json", `[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"e","image":"end"}},{"op":"test","path":"/metadata/name","value":"app"}]`)
	if got := containers(); got != "c e" {
		t.Errorf("JSON patch: %s", got)
	}
	patch("merge", `{"spec":{"template":{"spec":{"containers":[{"name":"only","image":"one"}]}}}}`)
	if got := containers(); got != "only" {
		t.Errorf("merge: %s", got)
	}
	patch("merge", `{"spec":{"replicas":8}}`, "--subresource=scale")
	if got := k.Value(t, ".spec.replicas", "deployment", "app"); got != "8" {
		t.Errorf("patched scale: %s", got)
	}
	if _, err := k.Try("", "patch", "deployment", "app", "--type=json", "-p", `[{"op":"test","path":"/metadata/name","value":"other"}]`); err == nil {
		t.Error("a test that fails passes")
	}
	k.Run(t, "label", "deployment", "app", "tier=web", "zone-")
	k.Run(t, "annotate", "deployment", "app", "note=here", "--overwrite")
	kubectltest.WantContains(t, k.Run(t, "set", "env", "deployment/app", "A=b"), "env updated")
	kubectltest.WantContains(t, k.Run(t, "set", "resources", "deployment/app", "--limits=cpu=100m"), "resource requirements updated")
	kubectltest.WantContains(t, k.Run(t, "get", "deployment", "-l", "tier=web", "-o", "yaml"), "note: here", "cpu: 100m", "name: A")
}

func (k *kubectl) wait(t *testing.T) {
	kubectltest.WantContains(t, k.Run(t, "wait", "--for=jsonpath={.spec.replicas}=8", "deployment/app", "--timeout=5s"), "condition met")
	kubectltest.WantContains(t, k.Run(t, "wait", "--for=jsonpath={.spec.clusterIP}", "service/app", "--timeout=5s"), "condition met")
	k.Run(t, "patch", "pod", "shown", "--subresource=status", "--type=merge", "-p", `{"status":{"conditions":[{"type":"Ready","status":"True"}]}}`)
	kubectltest.WantContains(t, k.Run(t, "wait", "--for=condition=Ready", "pod/shown", "--timeout=5s"), "condition met")
	if _, err := k.Try("", "wait", "--for=jsonpath={.spec.replicas}=9", "deployment/app", "--timeout=100ms"); err == nil || !strings.Contains(err.Error(), "timed out waiting") {
		t.Errorf("a wait in vain: %v", err)
	}
	k.Run(t, "delete", "pod", "shown", "--wait=false", "--grace-period=0", "--force")
	kubectltest.WantContains(t, k.Run(t, "wait", "--for=delete", "pod/shown", "--timeout=5s"), "")
}

func (k *kubectl) validation(t *testing.T) {
	unknown := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"odd"},"dta":{"a":"b"}}`
	if _, err := k.Try(unknown, "create", "-f", "-"); err == nil || !strings.Contains(err.Error(), `unknown field "dta"`) {
		t.Errorf("an unknown field: %v", err)
	}
	kubectltest.WantContains(t, k.RunWith(t, unknown, "create", "--validate=warn", "-f", "-"), "configmap/odd created")
	if _, err := k.Try(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"Bad_Name"},"spec":{"containers":[{"name":"c"}]}}`, "create", "-f", "-"); err == nil ||
		!strings.Contains(err.Error(), `The Pod "Bad_Name" is invalid`) || !strings.Contains(err.Error(), "spec.containers[0].image: Required value") {
		t.Errorf("an invalid pod: %v", err)
	}
	if _, err := k.Try(`{"apiVersion":"none.test/v1","kind":"None","metadata":{"name":"n"}}`, "create", "-f", "-"); err == nil || !strings.Contains(err.Error(), `no matches for kind "None" in version "none.test/v1"`) {
		t.Errorf("an unknown kind: %v", err)
	}
}

func (k *kubectl) auth(t *testing.T) {
	if out := k.Run(t, "auth", "can-i", "create", "pods"); strings.TrimSpace(out) != "yes" {
		t.Errorf("can I: %q", out)
	}
	kubectltest.WantContains(t, k.Run(t, "auth", "whoami"), "Username", "kubernetes-admin")
	kubectltest.WantContains(t, k.Run(t, "auth", "can-i", "--list", "--as=system:serviceaccount:made:robot", "-n", "made"), "configmaps", "[cm]", "[create update]")
}

func (k *kubectl) remove(t *testing.T) {
	kubectltest.WantContains(t, k.Run(t, "delete", "cm", "-l", "set=many"), `configmap "many-0" deleted`, `configmap "many-6" deleted`)
	kubectltest.WantContains(t, k.Run(t, "delete", "deployment", "app", "--now"), `deployment.apps "app" deleted`)
	kubectltest.WantContains(t, k.Run(t, "delete", "cm", "ssa", "--dry-run=server"), `configmap "ssa" deleted`, "(server dry run)")
	if got := k.Value(t, ".metadata.name", "cm", "ssa"); got != "ssa" {
		t.Errorf("a dry run deleted it: %q", got)
	}
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "delete", "configmap,secret,service", "--all"), `service "web" deleted`)
	if _, err := k.Try("", "delete", "cm", "none"); err == nil || !strings.Contains(err.Error(), `configmaps "none" not found`) {
		t.Errorf("deleting what is not there: %v", err)
	}
	kubectltest.WantContains(t, k.Run(t, "delete", "cm", "none", "--ignore-not-found"), "")
}
