package authz_test

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/authz"
)

func says(name string, decision authorizer.Decision, reason string, err error) authz.Named {
	return authz.Named{Name: name, UnconditionalAuthorizer: authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
		return decision, reason, err
	})}
}

func TestUnion(t *testing.T) {
	const none, allow, deny = authorizer.DecisionNoOpinion, authorizer.DecisionAllow, authorizer.DecisionDeny
	for _, c := range []struct {
		name     string
		of       []authz.Named
		groups   []string
		decision authorizer.Decision
		reason   string
		err      string
	}{
		{"nobody to ask", nil, nil, none, "", ""},
		{"no opinions", []authz.Named{says("a", none, "x", nil), says("b", none, "", nil), says("c", none, "y", errors.New("broken"))}, nil, none, "a: x\nc: y", "broken"},
		{"the first opinion counts", []authz.Named{says("a", none, "x", nil), says("b", deny, "no", nil), says("c", allow, "yes", nil)}, nil, deny, "no", ""},
		{"allowed", []authz.Named{says("a", none, "x", errors.New("broken")), says("c", allow, "yes", nil)}, nil, allow, "yes", ""},
		{"masters are not asked about", []authz.Named{says("a", deny, "no", nil)}, []string{"system:masters"}, allow, "", ""},
	} {
		decision, reason, err := authz.Union(c.of...).Authorize(t.Context(), authorizer.AttributesRecord{User: &user.DefaultInfo{Groups: c.groups}})
		text := ""
		if err != nil {
			text = err.Error()
		}
		if decision != c.decision || reason != c.reason || text != c.err {
			t.Errorf("%s: %v, %q, %q", c.name, decision, reason, text)
		}
	}
}
