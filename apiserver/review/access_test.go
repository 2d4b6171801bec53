package review

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/registry"
)

// told is an authorizer that allows all and remembers what it was asked.
type told struct{ authorizer.Attributes }

func (a *told) asAuthorizer() authorizer.Authorizer {
	return authorizer.AuthorizerFunc(func(_ context.Context, asked authorizer.Attributes) (authorizer.Decision, string, error) {
		a.Attributes = asked
		return authorizer.DecisionAllow, "so it is", nil
	})
}

type noRules struct{}

func (noRules) RulesFor(_ context.Context, who user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	return []authorizer.ResourceRuleInfo{&authorizer.DefaultResourceRuleInfo{Verbs: []string{who.GetName()}, Resources: []string{namespace}}}, nil, true, errors.New("some are not known")
}

// reviews makes the resources, and a function that asks one of them in JSON.
func reviews(t *testing.T, c Config) func(resource, namespace, body string) (runtime.Object, error) {
	t.Helper()
	all, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx := request.WithUser(t.Context(), &user.DefaultInfo{Name: "jane"})
	return func(resource, namespace, body string) (runtime.Object, error) {
		t.Helper()
		for i := range all {
			if all[i].Resource != resource {
				continue
			}
			h := all[i].Handler.(registry.Creater)
			obj := h.New()
			if err := json.Unmarshal([]byte(body), obj); err != nil {
				t.Fatal(err)
			}
			return h.Create(ctx, namespace, "", obj, &metav1.CreateOptions{}, func(context.Context, runtime.Object) error { return nil })
		}
		t.Fatal("no resource " + resource)
		return nil, nil
	}
}

func nobody(*http.Request) (*authenticator.Response, bool, error) { return nil, false, nil }

func TestAccessRefused(t *testing.T) {
	ask := reviews(t, Config{Tokens: authenticator.RequestFunc(nobody), Authorizer: (&told{}).asAuthorizer(), Rules: noRules{}})
	for _, c := range []struct{ resource, body, want string }{
		{"subjectaccessreviews", `{}`, `.authorization.k8s.io "" is invalid: [spec: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified, spec.user: Invalid value: "": at least one of user or group must be specified]`},
		{"subjectaccessreviews", `{"spec":{"user":"u","resourceAttributes":{},"nonResourceAttributes":{"path":"/a"}}}`, `spec: Invalid value: {"Path":"/a","Verb":""}: exactly one of`},
		{"subjectaccessreviews", `{"metadata":{"name":"x"},"spec":{"user":"u","resourceAttributes":{}}}`, `metadata: Invalid value: {"name":"x"}: must be empty`},
		{"subjectaccessreviews", `{"spec":{"user":"u","resourceAttributes":{"fieldSelector":{}}}}`, `spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required`},
		{"subjectaccessreviews", `{"spec":{"user":"u","resourceAttributes":{"labelSelector":{"rawSelector":"a=b","requirements":[{"key":"a","operator":"In","values":["b"]}]}}}}`, `spec.resourceAttributes.labelSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements`},
		{"subjectaccessreviews", `{"spec":{"user":"u","resourceAttributes":{"labelSelector":{"requirements":[{"key":"a","operator":"In"}]}}}}`, "spec.resourceAttributes.labelSelector.requirements[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'"},
		{"subjectaccessreviews", `{"spec":{"user":"u","resourceAttributes":{"fieldSelector":{"requirements":[{"operator":"Exists"}]}}}}`, "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value"},
		{"selfsubjectaccessreviews", `{}`, `.authorization.k8s.io "" is invalid: spec: Invalid value: null: exactly one of`},
		{"selfsubjectaccessreviews", `{"metadata":{"labels":{"a":"b"}},"spec":{"resourceAttributes":{}}}`, `metadata: Invalid value: {"labels":{"a":"b"}}: must be empty`},
		{"localsubjectaccessreviews", `{"metadata":{"namespace":"ns"},"spec":{"user":"u","resourceAttributes":{}}}`, `spec.resourceAttributes.namespace: Invalid value: "": must match metadata.namespace`},
		{"localsubjectaccessreviews", `{"metadata":{"namespace":"ns"},"spec":{"user":"u","nonResourceAttributes":{}}}`, `spec.nonResourceAttributes: Invalid value: {"Path":"","Verb":""}: disallowed on this kind of request`},
		{"localsubjectaccessreviews", `{"metadata":{"namespace":"ns","name":"x"},"spec":{"user":"u","resourceAttributes":{"namespace":"ns"}}}`, `must be empty except for namespace`},
		{"localsubjectaccessreviews", `{"metadata":{"namespace":"other"},"spec":{"user":"u","resourceAttributes":{"namespace":"other"}}}`, `spec.resourceAttributes.namespace must match namespace: ns`},
		{"selfsubjectrulesreviews", `{}`, `no namespace on request`},
	} {
		t.Run(c.resource+" "+c.want, func(t *testing.T) {
			_, err := ask(c.resource, "ns", c.body)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
			var status apierrors.APIStatus
			if errors.As(err, &status) && status.Status().Details != nil && status.Status().Details.Kind != "" {
				t.Errorf("names kind %s", status.Status().Details.Kind)
			}
		})
	}
}

func TestAccessAsked(t *testing.T) {
	a := &told{}
	ask := reviews(t, Config{Tokens: authenticator.RequestFunc(nobody), Authorizer: a.asAuthorizer(), Rules: noRules{}})
	for _, c := range []struct{ attributes, asked, trouble string }{
		{`"nonResourceAttributes":{"path":"/p","verb":"get"}`, `jane get /p`, ""},
		{`"resourceAttributes":{"verb":"list","resource":"pods","namespace":"n"}`, `jane list pods in n of *; fields [], labels []`, ""},
		{`"resourceAttributes":{"version":"v1","fieldSelector":{"rawSelector":"a=b,c!=d"}}`, `jane   in  of v1; fields [{= a b} {!= c d}], labels []`, ""},
		{`"resourceAttributes":{"version":"v1","fieldSelector":{"requirements":[{"key":"a","operator":"In","values":["b"]},{"key":"c","operator":"NotIn","values":["d"]}]}}`, `jane   in  of v1; fields [{= a b} {!= c d}], labels []`, ""},
		{`"resourceAttributes":{"version":"v1","fieldSelector":{"requirements":[{"key":"a","operator":"In","values":["b"]},{"key":"c","operator":"Exists"},{"key":"c","operator":"In","values":["1","2"]}]}}`, `jane   in  of v1; fields [{= a b}], labels []`, "spec.resourceAttributes.fieldSelector partially ignored due to parse error"},
		{`"resourceAttributes":{"version":"v1","labelSelector":{"rawSelector":"a in (b,c),!d"}}`, `jane   in  of v1; fields [], labels [a in (b,c) !d]`, ""},
		{`"resourceAttributes":{"version":"v1","labelSelector":{"requirements":[{"key":"a","operator":"Exists"},{"key":"d","operator":"NotIn","values":["e"]}]}}`, `jane   in  of v1; fields [], labels [a d notin (e)]`, ""},
		{`"resourceAttributes":{"version":"v1","labelSelector":{"requirements":[{"key":"a","operator":"Like"}]},"fieldSelector":{"rawSelector":"a"}}`, `jane   in  of v1; fields [], labels []`, "spec.resourceAttributes.fieldSelector ignored due to parse error; spec.resourceAttributes.labelSelector ignored due to parse error"},
	} {
		t.Run(c.attributes, func(t *testing.T) {
			obj, err := ask("selfsubjectaccessreviews", "", `{"spec":{`+c.attributes+`}}`)
			if err != nil {
				t.Fatal(err)
			}
			asked := a.GetUser().GetName() + " " + a.GetVerb() + " " + a.GetPath()
			if a.IsResourceRequest() {
				byField, _ := a.GetFieldSelector()
				byLabel, _ := a.GetLabelSelector()
				fields := []string{}
				for _, r := range byField {
					fields = append(fields, fmt.Sprintf("{%v %s %s}", r.Operator, r.Field, r.Value))
				}
				labels := []string{}
				for _, r := range byLabel {
					labels = append(labels, r.String())
				}
				asked = fmt.Sprintf("%s %s %s in %s of %s; fields %v, labels %v", a.GetUser().GetName(), a.GetVerb(), a.GetResource(), a.GetNamespace(), a.GetAPIVersion(), fields, labels)
			}
			status := obj.(*authorizationv1.SelfSubjectAccessReview).Status
			if asked != c.asked || !status.Allowed || status.Reason != "so it is" || status.EvaluationError != c.trouble {
				t.Errorf("asked %q, answered %+v, want %q and %q", asked, status, c.asked, c.trouble)
			}
		})
	}
	if _, err := ask("subjectaccessreviews", "", `{"spec":{"user":"u","groups":["g"],"extra":{"k":["v"]},"resourceAttributes":{}}}`); err != nil || a.GetUser().GetName() != "u" || a.GetUser().GetExtra()["k"][0] != "v" {
		t.Errorf("asked about %v, %v", a.GetUser(), err)
	}
}

func TestRules(t *testing.T) {
	ask := reviews(t, Config{Tokens: authenticator.RequestFunc(nobody), Authorizer: (&told{}).asAuthorizer(), Rules: noRules{}})
	obj, err := ask("selfsubjectrulesreviews", "", `{"spec":{"namespace":"ns"}}`)
	if err != nil {
		t.Fatal(err)
	}
	r := obj.(*authorizationv1.SelfSubjectRulesReview)
	if !r.Status.Incomplete || r.Status.EvaluationError != "some are not known" || r.Status.ResourceRules[0].Verbs[0] != "jane" || r.Status.ResourceRules[0].Resources[0] != "ns" || r.Status.NonResourceRules == nil {
		t.Errorf("answered %+v", r.Status)
	}
	if r.Spec.Namespace != "" {
		t.Error("the answer repeats the question")
	}
}

func TestTokens(t *testing.T) {
	ask := reviews(t, Config{
		Audiences: authenticator.Audiences{"here"}, Authorizer: (&told{}).asAuthorizer(), Rules: noRules{},
		Tokens: authenticator.RequestFunc(func(r *http.Request) (*authenticator.Response, bool, error) {
			audiences, _ := authenticator.AudiencesFrom(r.Context())
			if token := r.Header.Get("Authorization"); token != "Bearer good" {
				return nil, false, errors.New("no " + token)
			}
			return &authenticator.Response{User: &user.DefaultInfo{Name: "ali"}, Audiences: audiences}, true, nil
		}),
	})
	for body, want := range map[string]authenticationv1.TokenReviewStatus{
		`{"spec":{"token":"good"}}`:                       {Authenticated: true, Audiences: []string{"here"}, User: authenticationv1.UserInfo{Username: "ali"}},
		`{"spec":{"token":"good","audiences":["there"]}}`: {Authenticated: true, Audiences: []string{"there"}, User: authenticationv1.UserInfo{Username: "ali"}},
		`{"spec":{"token":"bad"}}`:                        {Error: "[invalid bearer token, no Bearer bad]"},
	} {
		obj, err := ask("tokenreviews", "", body)
		if err != nil {
			t.Fatal(err)
		}
		if got := obj.(*authenticationv1.TokenReview).Status; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
	for _, c := range []struct{ namespace, body, want string }{
		{"", `{"spec":{}}`, "token is required for TokenReview in authentication"},
		{"ns", `{"spec":{"token":"good"}}`, "namespace is not allowed on this type: ns"},
	} {
		if _, err := ask("tokenreviews", c.namespace, c.body); !apierrors.IsBadRequest(err) || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}
