package rbac

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

func TestDefaultPolicy(t *testing.T) {
	p, err := DefaultPolicy()
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]*rbacv1.ClusterRole{}
	for _, r := range p.ClusterRoles {
		if roles[r.Name] != nil {
			t.Errorf("cluster role %s stands twice", r.Name)
		}
		roles[r.Name] = r
		if r.AggregationRule == nil && len(r.Rules) == 0 {
			t.Errorf("cluster role %s allows nothing", r.Name)
		}
	}
	for _, b := range p.ClusterRoleBindings {
		if roles[b.RoleRef.Name] == nil {
			t.Errorf("cluster role binding %s leads to no role (%s)", b.Name, b.RoleRef.Name)
		}
		if len(b.Subjects) == 0 && b.Name != "system:node" { // nodes have an authorizer of their own
			t.Errorf("cluster role binding %s has no subjects", b.Name)
		}
	}
	if got := roles["admin"].AggregationRule.ClusterRoleSelectors[0].MatchLabels; got[aggregateTo+"admin"] != "true" {
		t.Errorf("admin is aggregated from %v", got)
	}
	if got := roles["edit"].Labels; got[aggregateTo+"admin"] != "true" {
		t.Errorf("edit has labels %v: it should go into admin", got)
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"rule before role", "  get core pods", "line 1: a role must come first"},
		{"odd role", "role a into", "line 1: want: role"},
		{"short rule", "role a\n  get pods", "line 2: want: VERBS"},
		{"unknown subject", "role a\n  get core pods\n  to robot r2", `line 3: subject "robot r2"`},
		{"nameless subject", "role a\n  to user", `has no name`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parsePolicy(test.text); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestAllows(t *testing.T) {
	resource := func(verb, group, resource, sub, name string) authorizer.Attributes {
		return authorizer.AttributesRecord{User: &user.DefaultInfo{Name: "u"}, Verb: verb, APIGroup: group, Resource: resource, Subresource: sub, Name: name, ResourceRequest: true}
	}
	path := func(verb, path string) authorizer.Attributes {
		return authorizer.AttributesRecord{Verb: verb, Path: path}
	}
	for _, test := range []struct {
		name, rule string
		request    authorizer.Attributes
		want       bool
	}{
		{"plain", "get core pods", resource("get", "", "pods", "", "a"), true},
		{"other verb", "get core pods", resource("list", "", "pods", "", ""), false},
		{"other group", "get core pods", resource("get", "apps", "pods", "", "a"), false},
		{"all verbs", "* core pods", resource("delete", "", "pods", "", "a"), true},
		{"subresource needs its name", "get core pods", resource("get", "", "pods", "log", "a"), false},
		{"subresource", "get core pods/log", resource("get", "", "pods", "log", "a"), true},
		{"subresource of any kind", "update * */scale", resource("update", "apps", "deployments", "scale", "a"), true},
		{"star slash needs a subresource", "update * */scale", resource("update", "apps", "deployments", "", "a"), false},
		{"all resources", "get * *", resource("get", "x", "ys", "z", "a"), true},
		{"named", "get core pods named a,b", resource("get", "", "pods", "", "b"), true},
		{"not named", "get core pods named a,b", resource("get", "", "pods", "", "c"), false},
		{"named and a list", "list core pods named a", resource("list", "", "pods", "", ""), false},
		{"path", "get url /healthz", path("get", "/healthz"), true},
		{"path below", "get url /healthz/*", path("get", "/healthz/ping"), true},
		{"path beside", "get url /healthz/*", path("get", "/healthzz"), false},
		{"path is no resource", "* * *", path("get", "/healthz"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := parsePolicy("role r\n  " + test.rule)
			if err != nil {
				t.Fatal(err)
			}
			if got := Allows(&p.ClusterRoles[0].Rules[0], test.request); got != test.want {
				t.Errorf("%s: allows = %v, want %v", test.rule, got, test.want)
			}
		})
	}
}
