package clients

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/internal/kubectltest"
)

// kubectl is one for a server of its own.
type kubectl struct {
	*kubectltest.Kubectl
	kubeconfig string
}

func newKubectl(t *testing.T) *kubectl {
	t.Helper()
	kubeconfig := serve(t)
	return &kubectl{kubectltest.New(t, kubeconfig), kubeconfig}
}

func TestKubectl(t *testing.T) {
	k := newKubectl(t)
	for _, step := range []struct {
		name string
		run  func(*kubectl, *testing.T)
	}{
		{"explain", (*kubectl).explain},
		{"api-resources", (*kubectl).resources},
		{"generators", (*kubectl).generators},
		{"get", (*kubectl).get},
		{"selectors", (*kubectl).selectors},
		{"watch", (*kubectl).watch},
		{"apply", (*kubectl).apply},
		{"server-side", (*kubectl).serverSide},
		{"replace", (*kubectl).replace},
		{"edit", (*kubectl).edit},
		{"patch", (*kubectl).patch},
		{"wait", (*kubectl).wait},
		{"validation", (*kubectl).validation},
		{"auth", (*kubectl).auth},
		{"delete", (*kubectl).remove},
	} {
		t.Run(step.name, func(t *testing.T) { step.run(k, t) })
	}
}

func (k *kubectl) explain(t *testing.T) {
	kubectltest.WantContains(t, k.Run(t, "explain", "pods"), "KIND:       Pod", "VERSION:    v1", "spec\t<PodSpec>", "Pod is a collection of containers")
	kubectltest.WantContains(t, k.Run(t, "explain", "deploy.spec.strategy.rollingUpdate"), "GROUP:      apps", "maxSurge\t<IntOrString>", "maxUnavailable\t<IntOrString>")
	kubectltest.WantContains(t, k.Run(t, "explain", "ingress.spec", "--api-version=networking.k8s.io/v1"), "defaultBackend\t<IngressBackend>", "rules\t<[]IngressRule>")
	kubectltest.WantContains(t, k.Run(t, "explain", "hpa", "--recursive"), "VERSION:    v2", "stabilizationWindowSeconds\t<integer>")
	if _, err := k.Try("", "explain", "pods.spec.none"); kubectltest.ExitCode(err) != 1 || !strings.Contains(err.Error(), `field "none" does not exist`) {
		t.Errorf("a field that is not there: %v", err)
	}
}

func (k *kubectl) resources(t *testing.T) {
	out := k.Run(t, "api-resources", "--no-headers", "-o", "wide")
	for _, want := range []string{
		"pods po v1 true Pod create,delete,deletecollection,get,list,patch,update,watch all",
		"namespaces ns v1 false Namespace create,delete,get,list,patch,update,watch",
		"bindings v1 true Binding create",
		"deployments deploy apps/v1 true Deployment create,delete,deletecollection,get,list,patch,update,watch all",
		"horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler create,delete,deletecollection,get,list,patch,update,watch all",
		"selfsubjectreviews authentication.k8s.io/v1 false SelfSubjectReview create",
		"events ev events.k8s.io/v1 true Event create,delete,deletecollection,get,list,patch,update,watch",
	} {
		found := false
		for line := range strings.Lines(out) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q", want)
		}
	}
	kubectltest.WantContains(t, k.Run(t, "api-versions"), "apps/v1\n", "autoscaling/v1\n", "autoscaling/v2\n", "v1\n")
	if out := k.Run(t, "api-resources", "--api-group=apps", "--namespaced", "-o", "name"); len(strings.Fields(out)) != 5 {
		t.Errorf("resources of apps: %q", out)
	}
}

// generators creates one of every kind that kubectl has a generator for.
func (k *kubectl) generators(t *testing.T) {
	k.Run(t, "create", "namespace", "made")
	// Elsewhere a controller makes them.
	k.Run(t, "create", "serviceaccount", "default")
	k.Run(t, "-n", "made", "create", "serviceaccount", "default")
	dir := t.TempDir()
	file := filepath.Join(dir, "key")
	if err := os.WriteFile(file, []byte("value"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"clusterrole", "reader", "--verb=get,list", "--resource=pods,deployments.apps/scale"},
		{"clusterrolebinding", "readers", "--clusterrole=reader", "--group=readers"},
		{"configmap", "cm", "--from-literal=a=b", "--from-file=" + file},
		{"cronjob", "tick", "--image=busybox", "--schedule=*/5 * * * *", "--", "date"},
		{"deployment", "web", "--image=httpd", "--replicas=3", "--port=80"},
		{"ingress", "in", "--rule=example.com/path*=web:80", "--class=none"},
		{"job", "once", "--image=busybox", "--", "date"},
		{"poddisruptionbudget", "pdb", "--selector=app=web", "--min-available=50%"},
		{"priorityclass", "high", "--value=1000", "--description=for tests"},
		{"quota", "quota", "--hard=pods=100,services=10"},
		{"role", "writer", "--verb=create,update", "--resource=configmaps", "--resource-name=cm"},
		{"rolebinding", "writers", "--role=writer", "--serviceaccount=made:robot"},
		{"secret", "generic", "s", "--from-literal=user=me"},
		{"secret", "docker-registry", "pull", "--docker-server=registry.test", "--docker-username=u", "--docker-password=p"},
		{"service", "clusterip", "web", "--tcp=80:8080"},
		{"service", "nodeport", "out", "--tcp=80"},
		{"service", "loadbalancer", "lb", "--tcp=80"},
		{"service", "externalname", "ext", "--external-name=example.com"},
		{"serviceaccount", "robot"},
	} {
		out := k.Run(t, append([]string{"-n", "made", "create"}, args...)...)
		kubectltest.WantContains(t, out, " created")
	}
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "create", "job", "again", "--from=cronjob/tick"), "job.batch/again created")
	if token := k.Run(t, "-n", "made", "create", "token", "robot", "--duration=1h"); strings.Count(token, ".") != 2 {
		t.Errorf("token is %q", token)
	}
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "run", "one", "--image=busybox", "--env=A=b", "--labels=x=y", "--restart=Never"), "pod/one created")
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "expose", "pod", "one", "--port=80", "--name=exposed"), "service/exposed exposed")
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "autoscale", "deployment", "web", "--min=1", "--max=5", "--cpu=80%"), "horizontalpodautoscaler.autoscaling/web autoscaled")
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "scale", "deployment", "web", "--replicas=7", "--current-replicas=3"), "scaled")
	if got := k.Value(t, ".spec.replicas", "-n", "made", "deployment", "web"); got != "7" {
		t.Errorf("scaled to %s", got)
	}
	kubectltest.WantContains(t, k.Run(t, "-n", "made", "get", "ingress,cronjob,pdb,quota,sa,svc,job,hpa"),
		"ingress.networking.k8s.io/in", "cronjob.batch/tick", "poddisruptionbudget.policy/pdb", "resourcequota/quota", "serviceaccount/robot",
		"service/ext", "job.batch/once", "horizontalpodautoscaler.autoscaling/web")
}

func (k *kubectl) get(t *testing.T) {
	for i := range 7 {
		k.RunWith(t, fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"many-%d","labels":{"set":"many"}},"data":{"n":"%d"}}`, i, 9-i), "create", "-f", "-")
	}
	k.Run(t, "run", "shown", "--image=busybox")
	out := k.Run(t, "get", "pod", "shown", "-o", "wide")
	kubectltest.WantHeader(t, out, "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED", "NODE", "READINESS", "GATES")
	kubectltest.WantContains(t, out, "shown   0/1     Pending   0 ", "<none>")
	kubectltest.WantContains(t, k.Run(t, "get", "pod", "shown", "-o", "yaml"), "apiVersion: v1\nkind: Pod\n", "uid: ", "  phase: Pending")
	var pod struct {
		Kind string
		Spec struct{ Containers []struct{ Image string } }
	}
	if err := json.Unmarshal([]byte(k.Run(t, "get", "pod", "shown", "-o", "json")), &pod); err != nil || pod.Kind != "Pod" || pod.Spec.Containers[0].Image != "busybox" {
		t.Errorf("as JSON: %+v, %v", pod, err)
	}
	kubectltest.WantContains(t, k.Run(t, "get", "pod", "shown", "--show-managed-fields", "-o", "yaml"), "manager: kubectl-run", "operation: Update")
	if got := k.Run(t, "get", "cm", "-l", "set=many", "-o", "jsonpath={range .items[*]}{.metadata.name}={.data.n} {end}"); got != "many-0=9 many-1=8 many-2=7 many-3=6 many-4=5 many-5=4 many-6=3 " {
		t.Errorf("jsonpath: %q", got)
	}
	out = k.Run(t, "get", "cm", "-l", "set=many", "--sort-by={.data.n}", "-o", "custom-columns=NAME:.metadata.name,N:.data.n")
	if got := strings.Join(strings.Fields(out), " "); got != "NAME N many-6 3 many-5 4 many-4 5 many-3 6 many-2 7 many-1 8 many-0 9" {
		t.Errorf("sorted columns: %q", got)
	}
	out = k.Run(t, "get", "cm", "-l", "set=many", "--sort-by=.metadata.name")
	if n := strings.Count(out, "many-"); n != 7 {
		t.Errorf("sorted table:\n%s", out)
	}
	for _, size := range []string{"0", "1", "2", "3", "500"} {
		if n := strings.Count(k.Run(t, "get", "cm", "-l", "set=many", "--chunk-size="+size, "-o", "name"), "configmap/many-"); n != 7 {
			t.Errorf("with chunks of %s: %d", size, n)
		}
		if n := strings.Count(k.Run(t, "get", "cm", "-l", "set=many", "--chunk-size="+size), "many-"); n != 7 {
			t.Errorf("table with chunks of %s: %d", size, n)
		}
	}
	kubectltest.WantContains(t, k.Run(t, "get", "--raw", "/api/v1/namespaces/default/configmaps?limit=1"), `"remainingItemCount":`, `"continue":"`)
	kubectltest.WantContains(t, k.Run(t, "get", "pod", "shown", "-o", "go-template={{.metadata.name}}"), "shown")
	kubectltest.WantContains(t, k.Run(t, "describe", "pod", "shown"), "Status:           Pending", "Image:        busybox", "QoS Class:                   BestEffort")
	kubectltest.WantContains(t, k.Run(t, "get", "cm", "--show-labels", "-L", "set"), "set=many", "SET")
}

func (k *kubectl) selectors(t *testing.T) {
	for selector, want := range map[string]int{
		"set=many": 7, "set!=many": 1, "set in (many,none)": 7, "set notin (many)": 1, "set": 7, "!set": 1, "set,other": 0,
	} {
		out := k.Run(t, "get", "cm", "-l", selector, "-o", "name")
		if n := len(strings.Fields(out)); n != want && !(want == 1 && n == 0) { // kube-root-ca.crt is a controller's
			t.Errorf("%s: %q", selector, out)
		}
	}
	for selector, want := range map[string]string{
		"metadata.name=many-3": "configmap/many-3", "metadata.name=many-3,metadata.namespace=default": "configmap/many-3", "metadata.name=none": "",
	} {
		if out := strings.TrimSpace(k.Run(t, "get", "cm", "--field-selector", selector, "-o", "name")); out != want {
			t.Errorf("%s: %q", selector, out)
		}
	}
	if out := strings.TrimSpace(k.Run(t, "get", "pod", "-A", "--field-selector", "status.phase=Pending,spec.nodeName=,spec.restartPolicy=Never", "-o", "name")); out != "pod/one" {
		t.Errorf("fields of pods: %q", out)
	}
	if _, err := k.Try("", "get", "pod", "--field-selector", "spec.none=x"); err == nil || !strings.Contains(err.Error(), `field label not supported: spec.none`) {
		t.Errorf("an unknown field: %v", err)
	}
}

// watch follows an object that somebody else changes all the time, until
// kubectl's own limit ends it.
func (k *kubectl) watch(t *testing.T) {
	client, err := kubernetes.NewForConfig(config(t, k.kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var changes sync.WaitGroup
	changes.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			patch := fmt.Appendf(nil, `{"data":{"n":"changed-%d"}}`, n)
			if _, err := client.CoreV1().ConfigMaps("default").Patch(ctx, "many-0", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	out, err := k.Try("", "get", "cm", "many-0", "-w", "--output-watch-events", "-o", "jsonpath={.type} {.object.data.n}{'\\n'}", "--request-timeout=2s")
	cancel()
	changes.Wait()
	if err != nil || !strings.HasPrefix(out, "ADDED ") || !strings.Contains(out, "MODIFIED changed-") {
		t.Errorf("watched %q, %v", out, err)
	}
}
