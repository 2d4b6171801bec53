package admissionregistration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	v1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func policyWith(k *v1.ParamKind) *v1.ValidatingAdmissionPolicy {
	p := &v1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "p"},
		Spec: v1.ValidatingAdmissionPolicySpec{
			ParamKind: k, Validations: []v1.Validation{{Expression: "true"}},
			MatchConstraints: &v1.MatchResources{ResourceRules: []v1.NamedRuleWithOperations{{RuleWithOperations: v1.RuleWithOperations{
				Operations: []v1.OperationType{v1.Create}, Rule: v1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}}}},
		},
	}
	validatingAdmissionPolicy().Default(p)
	return p
}

func bindingTo(policy string, ref *v1.ParamRef) *v1.MutatingAdmissionPolicyBinding {
	b := &v1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
	b.Spec = v1.MutatingAdmissionPolicyBindingSpec{PolicyName: policy, ParamRef: ref}
	if ref != nil {
		action := v1.DenyAction
		ref.ParameterNotFoundAction = &action
	}
	return b
}

// TestWritersNeedAccess: what a writer must be allowed, and what is said if not.
func TestWritersNeedAccess(t *testing.T) {
	configMaps := &v1.ParamKind{APIVersion: "v1", Kind: "ConfigMap"}
	for _, c := range []struct {
		what     string
		obj, old kinds.Object
		groups   []string
		asked    string
		refused  string
	}{
		{what: "no parameters", obj: policyWith(nil)},
		{what: "an administrator", obj: policyWith(configMaps), groups: []string{user.SystemPrivilegedGroup}},
		{what: "the same kind as before", obj: policyWith(configMaps), old: policyWith(configMaps)},
		{what: "allowed", obj: policyWith(&v1.ParamKind{APIVersion: "allowed.io/v1", Kind: "K"}), asked: "get allowed.io/v1/* */*"},
		{
			what: "a known kind", obj: policyWith(configMaps), asked: "get /v1/configmaps */*",
			refused: `spec.paramKind: Forbidden: user &{jane  [] map[]} must have "get" permission on all objects of the referenced paramKind (kind=ConfigMap, apiVersion=v1)`,
		},
		{
			what: "another kind than before", obj: policyWith(&v1.ParamKind{APIVersion: "g/v1", Kind: "K"}), old: policyWith(configMaps),
			asked: "get g/v1/* */*", refused: "spec.paramKind: Forbidden: user",
		},
		{
			what: "an object", obj: bindingTo("params", &v1.ParamRef{Name: "n", Namespace: "ns"}), asked: "get /v1/configmaps ns/n",
			refused: `spec.paramRef: Forbidden: user &{jane  [] map[]} does not have "get" permission on the object referenced by paramRef`,
		},
		{
			what: "objects", obj: bindingTo("params", &v1.ParamRef{Selector: &metav1.LabelSelector{}}), asked: "list /v1/configmaps /",
			refused: `spec.paramRef: Forbidden: user &{jane  [] map[]} does not have "list" permission`,
		},
		{
			what: "an unknown policy", obj: bindingTo("missing", &v1.ParamRef{Name: "n"}), asked: "get */*/* /n",
			refused: `spec.paramRef: Forbidden: unable to get policy missing to determine minimum required permissions and user &{jane  [] map[]} does not have "get" permission for all`,
		},
		{
			what: "an unknown kind", obj: bindingTo("odd", &v1.ParamRef{Name: "n"}), asked: "get g/v1/* /n",
			refused: `spec.paramRef: Forbidden: unable to resolve paramKind &{g/v1 K} to determine`,
		},
		{what: "a binding without parameters", obj: bindingTo("params", nil)},
	} {
		t.Run(c.what, func(t *testing.T) {
			asked := ""
			a := Access{
				Authorizer: authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
					asked = fmt.Sprintf("%s %s/%s/%s %s/%s", a.GetVerb(), a.GetAPIGroup(), a.GetAPIVersion(), a.GetResource(), a.GetNamespace(), a.GetName())
					if a.GetAPIGroup() == "allowed.io" {
						return authorizer.DecisionAllow, "", nil
					}
					return authorizer.DecisionNoOpinion, "", nil
				}),
				Resource: func(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
					return schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, gvk == schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
				},
				ParamKind: func(_ context.Context, kind, name string) (*v1.ParamKind, error) {
					if kind != "MutatingAdmissionPolicy" {
						t.Errorf("asked for a %s", kind)
					}
					switch name {
					case "params":
						return configMaps, nil
					case "odd":
						return &v1.ParamKind{APIVersion: "g/v1", Kind: "K"}, nil
					}
					return nil, errors.New("not found")
				},
			}
			all := Kinds()
			a.Install(all)
			ctx := genericrequest.WithUser(context.Background(), &user.DefaultInfo{Name: "jane", Groups: c.groups})
			k := all[2]
			if _, ok := c.obj.(*v1.MutatingAdmissionPolicyBinding); ok {
				k = all[5]
			}
			errs := k.Validate(ctx, c.obj)
			if c.old != nil {
				asked = ""
				errs = k.ValidateUpdate(ctx, c.obj, c.old)
			}
			if asked != c.asked {
				t.Errorf("asked for %q, want %q", asked, c.asked)
			}
			if c.refused == "" && len(errs) > 0 || c.refused != "" && (len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), c.refused)) {
				t.Errorf("%v, want %s", errs, c.refused)
			}
		})
	}
}
