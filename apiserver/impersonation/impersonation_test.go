package impersonation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/impersonation"
)

func TestRequested(t *testing.T) {
	h := http.Header{}
	h.Set("Impersonate-User", "ann")
	h.Set("Impersonate-Uid", "7")
	h.Add("Impersonate-Group", "a")
	h.Add("Impersonate-Group", "b")
	h.Add("Impersonate-Extra-Example.com%2fScope", "x")
	h.Set("Accept", "y")
	got, err := impersonation.Requested(h)
	want := &user.DefaultInfo{Name: "ann", UID: "7", Groups: []string{"a", "b"}, Extra: map[string][]string{"example.com/scope": {"x"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if len(h) != 1 {
		t.Errorf("headers are left: %v", h)
	}
	if got, err := impersonation.Requested(h); got != nil || err != nil {
		t.Errorf("without headers: %v, %v", got, err)
	}
	for _, name := range []string{"Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-X"} {
		if _, err := impersonation.Requested(http.Header{name: {"x"}}); err == nil || !strings.Contains(err.Error(), "without impersonating a user name") {
			t.Errorf("%s alone: %v", name, err)
		}
	}
}

// rights are "verb group/resource[/subresource] [namespace/]name" each.
type rights []string

func (r rights) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	what := a.GetVerb() + " " + a.GetAPIGroup() + "/" + a.GetResource()
	if s := a.GetSubresource(); s != "" {
		what += "/" + s
	}
	what += " "
	if ns := a.GetNamespace(); ns != "" {
		what += ns + "/"
	}
	what += a.GetName()
	for _, one := range r {
		if one == what {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func TestAllowed(t *testing.T) {
	const auth = "authentication.k8s.io"
	account := &user.DefaultInfo{Name: "system:serviceaccount:ns:agent", Extra: map[string][]string{"authentication.kubernetes.io/node-name": {"n1"}}}
	ann := &user.DefaultInfo{Name: "ann"}
	onPods := func(mode string) string { return "impersonate-on:" + mode + ":list /pods x" }
	for _, c := range []struct {
		name      string
		requestor *user.DefaultInfo
		rights    rights
		wanted    user.DefaultInfo
		groups    []string
		refused   string
	}{
		{"a user, for all requests", ann, rights{"impersonate /users bob"}, user.DefaultInfo{Name: "bob"}, []string{"system:authenticated"}, ""},
		{"no right", ann, nil, user.DefaultInfo{Name: "bob"}, nil, "impersonate-on:user-info:list pods"},
		{"groups", ann, rights{"impersonate /users bob", "impersonate /groups dev"}, user.DefaultInfo{Name: "bob", Groups: []string{"dev"}}, []string{"dev", "system:authenticated"}, ""},
		{"a group too many", ann, rights{"impersonate /users bob"}, user.DefaultInfo{Name: "bob", Groups: []string{"dev"}}, nil, "impersonate-on:user-info"},
		{"nobody", ann, rights{"impersonate /users system:anonymous"}, user.DefaultInfo{Name: "system:anonymous"}, []string{"system:unauthenticated"}, ""},
		{"somebody unauthenticated", ann, rights{"impersonate /users bob", "impersonate /groups system:unauthenticated"}, user.DefaultInfo{Name: "bob", Groups: []string{"system:unauthenticated"}}, []string{"system:unauthenticated"}, ""},
		{"a service account", ann, rights{"impersonate /serviceaccounts ns/sa"}, user.DefaultInfo{Name: "system:serviceaccount:ns:sa"}, []string{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"}, ""},
		{"uid and extra", ann, rights{"impersonate /users bob", "impersonate " + auth + "/uids 7", "impersonate " + auth + "/userextras/scope x"},
			user.DefaultInfo{Name: "bob", UID: "7", Extra: map[string][]string{"scope": {"x"}}}, []string{"system:authenticated"}, ""},
		{"a uid too many", ann, rights{"impersonate /users bob"}, user.DefaultInfo{Name: "bob", UID: "7"}, nil, "impersonate-on:user-info"},

		{"a user, to list pods", ann, rights{onPods("user-info"), "impersonate:user-info " + auth + "/users bob"}, user.DefaultInfo{Name: "bob"}, []string{"system:authenticated"}, ""},
		{"not that user", ann, rights{onPods("user-info")}, user.DefaultInfo{Name: "bob"}, nil, "impersonate:user-info users"},
		{"never the masters", ann, rights{onPods("user-info"), "impersonate:user-info " + auth + "/users bob", "impersonate:user-info " + auth + "/groups system:masters"},
			user.DefaultInfo{Name: "bob", Groups: []string{"system:masters"}}, nil, "impersonating the system:masters group is not allowed"},
		{"many groups at once", ann, rights{onPods("user-info"), "impersonate:user-info " + auth + "/users bob", "impersonate:user-info " + auth + "/groups *"},
			user.DefaultInfo{Name: "bob", Groups: []string{"a", "b", "c", "d"}}, []string{"a", "b", "c", "d", "system:authenticated"}, ""},
		{"extra keys have a domain", ann, rights{onPods("user-info"), "impersonate:user-info " + auth + "/users bob"},
			user.DefaultInfo{Name: "bob", Extra: map[string][]string{"scope": {"x"}}}, nil, "impersonating an invalid key in extra is not allowed"},
		{"extra", ann, rights{onPods("user-info"), "impersonate:user-info " + auth + "/users bob", "impersonate:user-info " + auth + "/userextras/example.com/scope x"},
			user.DefaultInfo{Name: "bob", Extra: map[string][]string{"example.com/scope": {"x"}}}, []string{"system:authenticated"}, ""},
		{"an account, to list pods", ann, rights{onPods("serviceaccount"), "impersonate:serviceaccount " + auth + "/serviceaccounts ns/sa"},
			user.DefaultInfo{Name: "system:serviceaccount:ns:sa"}, []string{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"}, ""},
		{"accounts are no users", ann, rights{onPods("user-info"), "impersonate:user-info " + auth + "/users system:serviceaccount:ns:sa"}, user.DefaultInfo{Name: "system:serviceaccount:ns:sa"}, nil, "impersonate-on:serviceaccount"},
		{"any node", ann, rights{onPods("arbitrary-node"), "impersonate:arbitrary-node " + auth + "/nodes n2"}, user.DefaultInfo{Name: "system:node:n2"}, []string{"system:nodes", "system:authenticated"}, ""},
		{"its own node", account, rights{onPods("associated-node"), "impersonate:associated-node " + auth + "/nodes *"}, user.DefaultInfo{Name: "system:node:n1"}, []string{"system:nodes", "system:authenticated"}, ""},
		{"another node", account, rights{onPods("associated-node"), "impersonate:associated-node " + auth + "/nodes *"}, user.DefaultInfo{Name: "system:node:n2"}, nil, "impersonate-on:arbitrary-node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			gate := impersonation.Gate{Authorizer: c.rights, Forbidden: func(a authorizer.Attributes, reason string) error {
				return fmt.Errorf("%s %s: %s", a.GetVerb(), a.GetResource(), reason)
			}}
			request := authorizer.AttributesRecord{User: c.requestor, Verb: "list", Resource: "pods", Name: "x", ResourceRequest: true}
			wanted := c.wanted
			got, err := gate.Allowed(t.Context(), request, &wanted)
			switch {
			case c.refused != "":
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("error is %v, want %q", err, c.refused)
				}
			case err != nil:
				t.Error(err)
			case got.GetName() != c.wanted.Name || got.GetUID() != c.wanted.UID || !reflect.DeepEqual(got.GetGroups(), c.groups) || !reflect.DeepEqual(got.GetExtra(), c.wanted.Extra):
				t.Errorf("is %+v, want groups %v", got, c.groups)
			}
		})
	}
}

func TestNobodyIsAsked(t *testing.T) {
	got, err := impersonation.Gate{Forbidden: func(authorizer.Attributes, string) error { return errors.New("no") }}.Allowed(t.Context(),
		authorizer.AttributesRecord{User: &user.DefaultInfo{Name: "ann"}}, &user.DefaultInfo{Name: "bob"})
	if err != nil || got.GetName() != "bob" {
		t.Errorf("%v, %v", got, err)
	}
}
