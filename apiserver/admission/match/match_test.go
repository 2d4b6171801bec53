package match

import (
	"context"
	"errors"
	"strings"
	"testing"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/admission"
)

func on(resource, subresource, namespace string, op admission.Operation) *admission.Attributes {
	gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: resource}
	if resource == "namespaces" {
		gvr.Group = ""
	}
	return &admission.Attributes{Operation: op, Resource: gvr, Kind: gvr.GroupVersion().WithKind("It"), Subresource: subresource, Namespace: namespace, Name: "it"}
}

func rule(resources ...string) v1.RuleWithOperations {
	return v1.RuleWithOperations{
		Operations: []v1.OperationType{v1.Create, v1.Update}, Rule: v1.Rule{APIGroups: []string{"apps", ""}, APIVersions: []string{"v1"}, Resources: resources},
	}
}

func scoped(r v1.RuleWithOperations, s v1.ScopeType) v1.RuleWithOperations {
	r.Scope = &s
	return r
}

func TestRule(t *testing.T) {
	any1 := v1.RuleWithOperations{Operations: []v1.OperationType{"*"}, Rule: v1.Rule{APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"*/*"}}}
	for _, c := range []struct {
		what string
		rule v1.RuleWithOperations
		a    *admission.Attributes
		want bool
	}{
		{"named", rule("deployments"), on("deployments", "", "ns", admission.Create), true},
		{"another operation", rule("deployments"), on("deployments", "", "ns", admission.Delete), false},
		{"another resource", rule("deployments"), on("pods", "", "ns", admission.Create), false},
		{"a part is not the whole", rule("deployments"), on("deployments", "scale", "ns", admission.Update), false},
		{"the whole is not a part", rule("deployments/scale"), on("deployments", "", "ns", admission.Update), false},
		{"a part", rule("deployments/scale"), on("deployments", "scale", "ns", admission.Update), true},
		{"any part", rule("deployments/*"), on("deployments", "scale", "ns", admission.Update), true},
		{"a part of any", rule("*/scale"), on("deployments", "scale", "ns", admission.Update), true},
		{"any resource", rule("*"), on("deployments", "", "ns", admission.Update), true},
		{"any resource but no part", rule("*"), on("deployments", "scale", "ns", admission.Update), false},
		{"everything", any1, on("deployments", "scale", "ns", admission.Connect), true},
		{"namespaced", scoped(any1, v1.NamespacedScope), on("deployments", "", "ns", admission.Create), true},
		{"not namespaced", scoped(any1, v1.NamespacedScope), on("nodes", "", "", admission.Create), false},
		{"namespaces are the cluster's", scoped(any1, v1.NamespacedScope), on("namespaces", "", "it", admission.Create), false},
		{"namespaces", scoped(any1, v1.ClusterScope), on("namespaces", "", "it", admission.Create), true},
		{"the cluster's", scoped(any1, v1.ClusterScope), on("nodes", "", "", admission.Create), true},
		{"not the cluster's", scoped(any1, v1.ClusterScope), on("deployments", "", "ns", admission.Create), false},
		{"either", scoped(any1, v1.AllScopes), on("deployments", "", "ns", admission.Create), true},
	} {
		if got := Rule(&c.rule, c.a, c.a.Resource); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
}

func TestResources(t *testing.T) {
	none := &metav1.LabelSelector{}
	has := func(key string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: key, Operator: metav1.LabelSelectorOpExists}}}
	}
	named := func(r v1.RuleWithOperations, names ...string) []v1.NamedRuleWithOperations {
		return []v1.NamedRuleWithOperations{{RuleWithOperations: r, ResourceNames: names}}
	}
	equivalent, exact := v1.Equivalent, v1.Exact
	old := rule("deployments")
	old.APIVersions = []string{"v1beta1"}
	world := &World{
		Namespace: func(_ context.Context, name string) (*corev1.Namespace, error) {
			if name == "gone" {
				return nil, errors.New("not found")
			}
			return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{name: ""}}}, nil
		},
		Equivalent: func(r schema.GroupVersionResource, _ string) []Version {
			r.Version = "v1beta1"
			return []Version{{Resource: r, Kind: r.GroupVersion().WithKind("Old")}}
		},
	}
	create := func(namespace string, labels, was map[string]string) *admission.Attributes {
		a := on("deployments", "", namespace, admission.Create)
		a.Object = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: labels}}
		if was != nil {
			a.OldObject = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Labels: was}}
		}
		return a
	}
	namespace := on("namespaces", "", "it", admission.Create)
	namespace.Object = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"x": ""}}}
	x := map[string]string{"x": ""}
	for _, c := range []struct {
		what    string
		m       v1.MatchResources
		a       *admission.Attributes
		want    string // the kind it is seen as
		problem string
	}{
		{"no rules are all", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none}, create("ns", nil, nil), "It", ""},
		{"rule", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ResourceRules: named(rule("deployments"))}, create("ns", nil, nil), "It", ""},
		{"no rule", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ResourceRules: named(rule("pods"))}, create("ns", nil, nil), "", ""},
		{"by name", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ResourceRules: named(rule("*"), "a", "it")}, create("ns", nil, nil), "It", ""},
		{"not by name", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ResourceRules: named(rule("*"), "a")}, create("ns", nil, nil), "", ""},
		{"excluded", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ExcludeResourceRules: named(rule("*"))}, create("ns", nil, nil), "", ""},
		{"equivalent", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ResourceRules: named(old), MatchPolicy: &equivalent}, create("ns", nil, nil), "Old", ""},
		{"exact", v1.MatchResources{NamespaceSelector: none, ObjectSelector: none, ResourceRules: named(old), MatchPolicy: &exact}, create("ns", nil, nil), "", ""},
		{"object", v1.MatchResources{NamespaceSelector: none, ObjectSelector: has("x")}, create("ns", x, nil), "It", ""},
		{"object as it was", v1.MatchResources{NamespaceSelector: none, ObjectSelector: has("x")}, create("ns", nil, x), "It", ""},
		{"another object", v1.MatchResources{NamespaceSelector: none, ObjectSelector: has("x")}, create("ns", nil, nil), "", ""},
		{"namespace", v1.MatchResources{NamespaceSelector: has("ns"), ObjectSelector: none}, create("ns", nil, nil), "It", ""},
		{"another namespace", v1.MatchResources{NamespaceSelector: has("ns"), ObjectSelector: none}, create("other", nil, nil), "", ""},
		{"no namespace", v1.MatchResources{NamespaceSelector: has("ns"), ObjectSelector: none}, create("", nil, nil), "It", ""},
		{"a namespace itself", v1.MatchResources{NamespaceSelector: has("x"), ObjectSelector: none}, namespace, "It", ""},
		{"a missing namespace", v1.MatchResources{NamespaceSelector: has("x"), ObjectSelector: none}, create("gone", nil, nil), "", "not found"},
		{"a missing selector", v1.MatchResources{ObjectSelector: none}, create("ns", nil, nil), "", "a nil namespace selector"},
		{"a missing selector elsewhere", v1.MatchResources{ObjectSelector: none, ResourceRules: named(rule("pods"))}, create("ns", nil, nil), "", ""},
	} {
		as, ok, err := NewResources(&c.m).Match(t.Context(), c.a, world)
		got := as.Kind.Kind
		if !ok {
			got = ""
		}
		if got != c.want || (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%s: %q, %v, want %q, %s", c.what, got, err, c.want, c.problem)
		}
	}
}

func TestUnasked(t *testing.T) {
	if !Unasked(schema.GroupResource{Group: "authorization.k8s.io", Resource: "subjectaccessreviews"}) || Unasked(schema.GroupResource{Resource: "pods"}) {
		t.Error("reviews are asked about, or pods are not")
	}
}
