package podsecurity_test

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/podsecurity"
)

func namespace(name string, labels ...string) string {
	var pairs []string
	for i := 0; i < len(labels); i += 2 {
		pairs = append(pairs, fmt.Sprintf("%q:%q", "pod-security.kubernetes.io/"+labels[i], labels[i+1]))
	}
	return `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + name + `","labels":{` + strings.Join(pairs, ",") + `}}}`
}

func pod(namespace, spec string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"` + namespace + `"},"spec":{"containers":[{"name":"c","image":"i"}]` + spec + `}}`
}

// step knows a few namespaces, whose names say what their labels do, and pods
// in all of them.
func step(t *testing.T, standards podsecurity.Standards, pods ...string) *podsecurity.Plugin {
	t.Helper()
	known := map[string]string{
		"plain":    namespace("plain"),
		"baseline": namespace("baseline", "enforce", "baseline"),
		"old":      namespace("old", "enforce", "baseline", "enforce-version", "v1.0"),
		"warned":   namespace("warned", "warn", "baseline", "audit", "restricted", "audit-version", "v1.30"),
		"wrong":    namespace("wrong", "enforce", "high"),
	}
	var all []*corev1.Pod
	for _, text := range pods {
		all = append(all, admissiontest.Decode(t, text).(*corev1.Pod))
	}
	p, err := podsecurity.New(podsecurity.Config{
		Namespace: func(_ context.Context, name string) (*corev1.Namespace, error) {
			if text, ok := known[name]; ok {
				return admissiontest.Decode(t, text).(*corev1.Namespace), nil
			}
			return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
		},
		Pods:      func(context.Context, string) (iter.Seq[*corev1.Pod], error) { return slices.Values(all), nil },
		Standards: standards,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	hostNetwork = `,"hostNetwork":true`
	violates    = `host namespaces (hostNetwork=true)`
)

func TestPods(t *testing.T) {
	const byPolicy = `{"pod-security.kubernetes.io/enforce-policy":"baseline:latest"}`
	admissiontest.Run(t, step(t, podsecurity.Standards{}), []admissiontest.Case{
		{Name: "anything", Object: pod("plain", hostNetwork), Annotated: `{"pod-security.kubernetes.io/enforce-policy":"privileged:latest"}`},
		{Name: "kept to", Object: pod("baseline", ""), Annotated: byPolicy},
		{Name: "violated", Object: pod("baseline", hostNetwork), Refused: `pods "p" is forbidden: violates PodSecurity "baseline:latest": ` + violates},
		{Name: "of a version", Object: pod("old", hostNetwork), Refused: `violates PodSecurity "baseline:v1.0"`},
		{Name: "warned and audited", Object: pod("warned", hostNetwork), Warned: `would violate PodSecurity "baseline:latest": ` + violates, Annotated: `{
			"pod-security.kubernetes.io/enforce-policy":"privileged:latest",
			"pod-security.kubernetes.io/audit-violations":"would violate PodSecurity \"restricted:v1.30\": host namespaces (hostNetwork=true), allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"}`},
		{Name: "labels that cannot be read", Object: pod("wrong", ""), Refused: `violates PodSecurity "restricted:latest"`},
		{Name: "no namespace", Object: pod("none", ""), Refused: `failed to lookup namespace "none"`},
		{Name: "update of something else", Object: pod("baseline", hostNetwork), Old: pod("baseline", hostNetwork)},
		{Name: "update of an image", Object: pod("baseline", hostNetwork), Old: strings.Replace(pod("baseline", hostNetwork), `"i"`, `"old"`, 1), Refused: violates},
		{Name: "ephemeral container", Object: pod("baseline", `,"ephemeralContainers":[{"name":"e","securityContext":{"privileged":true}}]`), Old: pod("baseline", ""), Subresource: "ephemeralcontainers", Refused: `privileged (container "e" must not set securityContext.privileged=true)`},
		{Name: "ephemeral container that was there", Object: pod("baseline", `,"ephemeralContainers":[{"name":"e","securityContext":{"privileged":true}}]`), Old: pod("baseline", `,"ephemeralContainers":[{"name":"e"}]`), Subresource: "ephemeralcontainers"},
		{Name: "status", Object: pod("baseline", hostNetwork), Old: pod("baseline", ``), Subresource: "status"},
	})
}

func TestTemplates(t *testing.T) {
	const spec = `{"spec":{"hostNetwork":true,"containers":[{"name":"c","image":"i"}]}}`
	of := func(version, kind, body string) string {
		return `{"apiVersion":"` + version + `","kind":"` + kind + `","metadata":{"name":"x","namespace":"baseline"},` + body + `}`
	}
	var cases []admissiontest.Case
	for _, c := range []struct{ version, kind, body string }{
		{"v1", "PodTemplate", `"template":` + spec},
		{"v1", "ReplicationController", `"spec":{"template":` + spec + `}`},
		{"apps/v1", "ReplicaSet", `"spec":{"template":` + spec + `}`},
		{"apps/v1", "Deployment", `"spec":{"template":` + spec + `}`},
		{"apps/v1", "DaemonSet", `"spec":{"template":` + spec + `}`},
		{"apps/v1", "StatefulSet", `"spec":{"template":` + spec + `}`},
		{"batch/v1", "Job", `"spec":{"template":` + spec + `}`},
		{"batch/v1", "CronJob", `"spec":{"jobTemplate":{"spec":{"template":` + spec + `}}}`},
	} {
		cases = append(cases, admissiontest.Case{Name: c.kind, Object: of(c.version, c.kind, c.body), Warned: `would violate PodSecurity "baseline:latest": ` + violates})
	}
	admissiontest.Run(t, step(t, podsecurity.Standards{}), append(cases,
		admissiontest.Case{Name: "no template", Object: of("v1", "ReplicationController", `"spec":{}`)},
		admissiontest.Case{Name: "status", Object: of("apps/v1", "Deployment", `"spec":{"template":`+spec+`}`), Old: of("apps/v1", "Deployment", `"spec":{}`), Subresource: "status"},
	))
}

func TestNamespaces(t *testing.T) {
	owned := func(name, spec string) string {
		return strings.Replace(pod("n", spec), `"name":"p"`, `"name":"`+name+`","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u","controller":true}]`, 1)
	}
	named := func(name, spec string) string {
		return strings.Replace(pod("n", spec), `"name":"p"`, `"name":"`+name+`"`, 1)
	}
	s := step(t, podsecurity.Standards{}, named("b", hostNetwork), owned("a", hostNetwork), owned("c", hostNetwork), named("d", `,"hostPID":true`), named("e", `,"hostIPC":true,"hostPID":true`), named("f", `,"hostIPC":true,"hostPID":true`))
	admissiontest.Run(t, s, []admissiontest.Case{
		{Name: "good labels", Object: namespace("n", "enforce", "restricted", "warn-version", "v1.25")},
		{Name: "unknown level", Object: namespace("n", "enforce", "high"), Refused: `Namespace "n" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "high": must be one of privileged, baseline, restricted`},
		{Name: "unknown version", Object: namespace("n", "audit-version", "1.2"), Refused: `must be "latest" or "v1.x"`},
		{Name: "was wrong before", Object: namespace("n", "enforce", "high"), Old: namespace("n", "enforce", "high")},
		{Name: "becomes wrong", Object: namespace("n", "enforce", "high"), Old: namespace("n"), Refused: "must be one of"},
		{Name: "raised", Object: namespace("n", "enforce", "baseline"), Old: namespace("n"), Warned: `existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"
a (and 5 other pods): host namespaces`},
		{Name: "lowered", Object: namespace("n", "enforce", "baseline"), Old: namespace("n", "enforce", "restricted")},
		{Name: "another version", Object: namespace("n", "enforce", "baseline", "enforce-version", "v1.20"), Old: namespace("n", "enforce", "restricted"), Warned: `level "baseline:v1.20"`},
		{Name: "status", Object: namespace("n", "enforce", "high"), Old: namespace("n"), Subresource: "status"},
	})
}

func TestStandards(t *testing.T) {
	s := step(t, podsecurity.Standards{
		Enforce: "baseline:v1.30", Warn: "restricted", ExemptNamespaces: []string{"old"}, ExemptUsers: []string{"ann"}, ExemptRuntimeClasses: []string{"vm"},
	})
	enforced := `{"pod-security.kubernetes.io/enforce-policy":"baseline:v1.30"}`
	exempt := func(why string) string { return `{"pod-security.kubernetes.io/exempt":"` + why + `"}` }
	admissiontest.Run(t, s, []admissiontest.Case{
		{Name: "the default level", Object: pod("plain", hostNetwork), Refused: `violates PodSecurity "baseline:v1.30"`},
		{Name: "the default warning", Object: pod("plain", ``), Warned: `would violate PodSecurity "restricted:latest"`, Annotated: enforced},
		{Name: "exempt namespace", Object: pod("old", hostNetwork), Annotated: exempt("namespace")},
		{Name: "exempt user", Object: pod("plain", hostNetwork), User: &user.DefaultInfo{Name: "ann"}, Annotated: exempt("user")},
		{Name: "exempt class", Object: pod("plain", hostNetwork+`,"runtimeClassName":"vm"`), Annotated: exempt("runtimeClass")},
		{Name: "labels without effect", Object: namespace("old", "enforce", "restricted"), Warned: `namespace "old" is exempt from Pod Security, and the policy (enforce=restricted:v1.30) will be ignored`},
	})
	for _, level := range []string{"high", "baseline:1", "baseline:"} {
		if _, err := podsecurity.New(podsecurity.Config{
			Namespace: func(context.Context, string) (*corev1.Namespace, error) { return nil, nil },
			Pods:      func(context.Context, string) (iter.Seq[*corev1.Pod], error) { return nil, nil },
			Standards: podsecurity.Standards{Audit: level},
		}); err == nil || !strings.Contains(err.Error(), level) {
			t.Errorf("level %q: %v", level, err)
		}
	}
}
