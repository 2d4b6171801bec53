package policy

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/match"
	"github.com/keelson-project/keelson/apiserver/admission/view"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/admissionregistration"
)

// limits are the parameters that there are: config maps.
type limits []*corev1.ConfigMap

func (limits) Namespaced() bool { return true }

func (l limits) Find(_ context.Context, namespace, name string) (kinds.Object, error) {
	for _, m := range l {
		if m.Namespace == namespace && m.Name == name {
			return m, nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("configmaps"), name)
}

func (l limits) FindAll(_ context.Context, namespace string, selector labels.Selector) (found []kinds.Object, err error) {
	for _, m := range l {
		if m.Namespace == namespace && selector.Matches(labels.Set(m.Labels)) {
			found = append(found, m)
		}
	}
	return found, nil
}

// classes are parameters outside namespaces, of which there are none.
type classes struct{ limits }

func (classes) Namespaced() bool { return false }

func limit(name string, set map[string]string, most string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: set}, Data: map[string]string{"max": most}}
}

func world() *World {
	return &World{World: view.World{
		World: match.World{
			Namespace: func(_ context.Context, name string) (*corev1.Namespace, error) {
				if name == "gone" {
					return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
				}
				return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/metadata.name": name}}}, nil
			},
			Equivalent: func(schema.GroupVersionResource, string) []match.Version { return nil },
		},
		Authorizer: authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			if a.GetVerb() == "create" && a.GetResource() == "configmaps" {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionDeny, "", nil
		}),
		Convert: func(obj runtime.Object, _, _ match.Version, _ string) (runtime.Object, error) { return obj, nil },
		Settle: func(obj runtime.Object, _ match.Version) error {
			if m, ok := obj.(*corev1.ConfigMap); ok && m.Data["defaulted"] == "" && m.Data["default"] != "" {
				m.Data["defaulted"] = "yes"
			}
			return nil
		},
	}, Params: func(gvk schema.GroupVersionKind) Params {
		switch gvk.Kind {
		case "ConfigMap":
			return limits{limit("three", nil, "3"), limit("a", map[string]string{"limit": "yes"}, "5"), limit("b", map[string]string{"limit": "yes"}, "7")}
		case "PriorityClass":
			return classes{}
		}
		return nil
	}}
}

// read sorts what is written down as YAML into policies and bindings, which
// get their defaults and have to be valid.
func read[P, B kinds.Object](t testing.TB, texts []string) (policies []P, bindings []B) {
	t.Helper()
	for _, text := range texts {
		obj := admissiontest.Decode(t, "apiVersion: admissionregistration.k8s.io/v1\n"+text)
		gvk := obj.GetObjectKind().GroupVersionKind()
		for _, k := range admissionregistration.Kinds() {
			if k.GroupVersionKind == gvk {
				k.Default(obj.(kinds.Object))
				if errs := k.Validate(t.Context(), obj.(kinds.Object)); len(errs) > 0 {
					t.Fatal(errs)
				}
			}
		}
		switch o := obj.(type) {
		case P:
			policies = append(policies, o)
		case B:
			bindings = append(bindings, o)
		default:
			t.Fatalf("a %T", obj)
		}
	}
	return policies, bindings
}

func constant[T any, V any](compute func(iter.Seq[T]) V, all []T) func(context.Context) (V, error) {
	v := compute(slices.Values(all))
	return func(context.Context) (V, error) { return v, nil }
}

func validatingStep(t testing.TB, texts ...string) *Validating {
	t.Helper()
	policies, bindings := read[*v1.ValidatingAdmissionPolicy, *v1.ValidatingAdmissionPolicyBinding](t, texts)
	return &Validating{World: world(), Source: &Source[*v1.ValidatingAdmissionPolicy, *v1.ValidatingAdmissionPolicyBinding]{
		Policies: constant(NewPolicies(ValidatingSpec), policies), Bindings: constant(NewBindings(ValidatingBinding), bindings),
	}}
}

func mutatingStep(t *testing.T, texts ...string) *Mutating {
	t.Helper()
	policies, bindings := read[*v1.MutatingAdmissionPolicy, *v1.MutatingAdmissionPolicyBinding](t, texts)
	return &Mutating{
		World: world(), Types: func(match.Version) managedfields.TypeConverter {
			return applyconfigurations.NewTypeConverter(scheme.Scheme)
		},
		Source: &Source[*v1.MutatingAdmissionPolicy, *v1.MutatingAdmissionPolicyBinding]{
			Policies: constant(NewPolicies(MutatingSpec), policies), Bindings: constant(NewBindings(MutatingBinding), bindings),
		},
	}
}

const aboutMaps = `
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: ["*"], resources: [configmaps]}]
`

func vap(name, rest string) string {
	return "kind: ValidatingAdmissionPolicy\nmetadata: {name: " + name + "}\nspec:" + aboutMaps + rest
}

func vapBinding(name, policy, rest string) string {
	return fmt.Sprintf("kind: ValidatingAdmissionPolicyBinding\nmetadata: {name: %s}\nspec:\n  policyName: %s\n%s", name, policy, rest)
}

func mapolicy(name, rest string) string {
	return "kind: MutatingAdmissionPolicy\nmetadata: {name: " + name + "}\nspec:" + aboutMaps + rest
}

func mapBinding(name, policy, rest string) string {
	return fmt.Sprintf("kind: MutatingAdmissionPolicyBinding\nmetadata: {name: %s}\nspec:\n  policyName: %s\n%s", name, policy, rest)
}

func configMap(data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: ns, name: c}\ndata: " + data
}

const deny = "  validationActions: [Deny]\n"

func TestValidating(t *testing.T) {
	step := validatingStep(t,
		vap("p", `
  matchConditions: [{name: free, expression: "!('free' in object.?data.orValue({}))"}]
  variables: [{name: data, expression: "object.?data.orValue({})"}]
  validations:
  - {expression: "variables.data.?a.orValue('') != 'no'", message: " a is no ", reason: Forbidden}
  - {expression: "size(variables.data.?b.orValue('')) < 3", messageExpression: "'b has ' + string(size(variables.data.b))"}
  - {expression: "!('c' in variables.data) || int(variables.data.c) > 0"}
  - {expression: "!('d' in variables.data)", messageExpression: "'two\\nlines'", message: fixed}
  - {expression: "!('e' in variables.data)", reason: RequestEntityTooLarge}
  auditAnnotations:
  - {key: seen, valueExpression: "'note' in variables.data ? string(variables.data.note) : ''"}
`), vapBinding("b", "p", deny))
	const p = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "fine", Object: configMap("{a: b}")},
		{Name: "message", Object: configMap("{a: 'no'}"), Refused: `configmaps "c" is forbidden: ` + p + "a is no"},
		{Name: "message expression", Object: configMap("{b: long}"), Refused: p + "b has 4"},
		{Name: "neither", Object: configMap("{c: '0'}"), Refused: p + "failed expression: !('c' in variables.data) || int(variables.data.c) > 0"},
		{Name: "error", Object: configMap("{c: x}"), Refused: p + "expression '!('c' in variables.data) || int(variables.data.c) > 0' resulted in error: type conversion error"},
		{Name: "message unfit", Object: configMap("{d: x}"), Refused: p + "fixed"},
		{Name: "the first counts", Object: configMap("{a: 'no', b: long}"), Refused: p + "a is no"},
		{Name: "condition", Object: configMap("{a: 'no', free: x}")},
		{Name: "annotation", Object: configMap("{note: hello}"), Annotated: `{"p/seen":"hello"}`},
		{Name: "another kind", Object: "apiVersion: v1\nkind: Secret\nmetadata: {namespace: ns, name: c}\nstringData: {a: 'no'}"},
		{Name: "no such namespace", Object: "apiVersion: v1\nkind: ConfigMap\nmetadata: {namespace: gone, name: c}", Refused: `namespaces "gone" not found`},
	})
	for object, want := range map[string]string{
		configMap("{a: 'no'}"): "Forbidden 403", configMap("{b: long}"): "Invalid 422", configMap("{e: x}"): "RequestEntityTooLarge 413",
	} {
		a := (&admissiontest.Case{Object: object}).Attributes(t)
		err := step.Validate(t.Context(), a)
		status, ok := err.(*apierrors.StatusError)
		if !ok {
			t.Fatal(err)
		}
		if got := fmt.Sprint(status.ErrStatus.Reason, " ", status.ErrStatus.Code); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if causes := status.ErrStatus.Details.Causes; len(causes) != 1 || !strings.HasSuffix(status.ErrStatus.Message, causes[0].Message) {
			t.Errorf("causes are %v", causes)
		}
	}
}

func TestActions(t *testing.T) {
	step := validatingStep(t,
		vap("p", "  validations: [{expression: \"false\", message: m}]\n"), vapBinding("b", "p", "  validationActions: [Warn, Audit]\n"))
	admissiontest.Run(t, step, []admissiontest.Case{{
		Name: "warned", Object: configMap("{}"),
		Warned:    "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': m",
		Annotated: `{"validation.policy.admission.k8s.io/validation_failure":"[{\"message\":\"m\",\"policy\":\"p\",\"binding\":\"b\",\"expressionIndex\":0,\"validationActions\":[\"Warn\",\"Audit\"]}]"}`,
	}})
}

func TestFailurePolicy(t *testing.T) {
	step := validatingStep(t,
		vap("p", "  failurePolicy: Ignore\n  validations: [{expression: \"int(object.data.num) > 0\"}]\n"), vapBinding("b", "p", deny),
		vap("q", "  failurePolicy: Ignore\n  paramKind: {apiVersion: x.io/v1, kind: Nothing}\n  validations: [{expression: \"false\"}]\n"), vapBinding("c", "q", deny))
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "error", Object: configMap("{num: x}")},
		{Name: "refusal", Object: configMap("{num: '0'}"), Refused: "failed expression: int(object.data.num) > 0"},
	})
}

func TestConditionErrors(t *testing.T) {
	step := validatingStep(t, vap("p", `
  matchConditions: [{name: a, expression: "int(object.data.a) > 0"}, {name: b, expression: "int(object.data.b) > 0"}]
  validations: [{expression: "false", message: m}]
`), vapBinding("b", "p", deny))
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "true", Object: configMap("{a: '1', b: '1'}"), Refused: "denied request: m"},
		{Name: "false counts more", Object: configMap("{a: x, b: '0'}")},
		{Name: "error", Object: configMap("{a: x, b: '1'}"), Refused: "denied request: expression 'int(object.data.a) > 0' resulted in error"},
		{Name: "errors", Object: configMap("{a: x, b: x}"), Refused: "denied request: [expression 'int(object.data.a) > 0' resulted in error"},
	})
}

func TestParams(t *testing.T) {
	const rest = "  paramKind: {apiVersion: v1, kind: ConfigMap}\n" +
		"  validations: [{expression: \"params == null || int(object.data.num) < int(params.data.max)\", messageExpression: \"'at most ' + params.data.max + ' by ' + params.kind + ' ' + params.metadata.name\"}]\n"
	for _, c := range []struct{ name, ref, n, refused string }{
		{"by name", "{name: three, parameterNotFoundAction: Deny}", "3", "at most 3 by ConfigMap three"},
		{"by name, fine", "{name: three, parameterNotFoundAction: Deny}", "2", ""},
		{"elsewhere", "{name: three, namespace: other, parameterNotFoundAction: Deny}", "9", "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"},
		{"none is fine", "{name: four, parameterNotFoundAction: Allow}", "9", ""},
		{"by selector", "{selector: {matchLabels: {limit: 'yes'}}, parameterNotFoundAction: Allow}", "6", "at most 5 by ConfigMap a"},
		{"by selector, fine", "{selector: {matchLabels: {limit: 'yes'}}, parameterNotFoundAction: Allow}", "4", ""},
		{"without", "null", "9", ""},
	} {
		step := validatingStep(t, vap("p", rest), vapBinding("b", "p", deny+"  paramRef: "+c.ref+"\n"))
		admissiontest.Run(t, step, []admissiontest.Case{{Name: c.name, Object: configMap("{num: '" + c.n + "'}"), Refused: c.refused}})
	}
	for _, c := range []struct{ name, kind, ref, refused string }{
		{"unknown", "{apiVersion: x.io/v1, kind: Nothing}", "{name: x, parameterNotFoundAction: Allow}", "denied request: failed to configure policy: failed to find resource referenced by paramKind: 'x.io/v1, Kind=Nothing'"},
		{"outside", "{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass}", "{name: x, namespace: ns, parameterNotFoundAction: Allow}", "failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`"},
	} {
		step := validatingStep(t, vap("p", "  paramKind: "+c.kind+"\n  validations: [{expression: \"true\"}]\n"), vapBinding("b", "p", deny+"  paramRef: "+c.ref+"\n"))
		admissiontest.Run(t, step, []admissiontest.Case{{Name: c.name, Object: configMap("{}"), Refused: c.refused}})
	}
}

func TestWhatExpressionsSee(t *testing.T) {
	for _, c := range []struct {
		expression string
		object     string
		old        string
		sub        string
	}{
		{expression: "request.operation == 'CREATE' && object.kind == 'ConfigMap' && object.apiVersion == 'v1' && oldObject == null", object: configMap("{}")},
		{expression: "request.operation == 'UPDATE' && object.data.a != oldObject.data.a", object: configMap("{a: b}"), old: configMap("{a: c}")},
		{expression: "request.operation == 'DELETE' && object == null && oldObject.data.a == 'c'", old: configMap("{a: c}")},
		{expression: "request.kind.kind == 'ConfigMap' && request.resource.resource == 'configmaps' && request.requestKind == request.kind && request.name == 'c' && request.namespace == 'ns'", object: configMap("{}")},
		{expression: "namespaceObject.metadata.labels['kubernetes.io/metadata.name'] == 'ns'", object: configMap("{}")},
		{expression: "!has(request.userInfo.username) && request.dryRun == false", object: configMap("{}")},
		{expression: "authorizer.requestResource.check('create').allowed() && !authorizer.group('').resource('pods').check('get').allowed()", object: configMap("{}")},
	} {
		step := validatingStep(t, vap("p", "  validations: [{expression: \""+c.expression+"\"}]\n"), vapBinding("b", "p", deny))
		admissiontest.Run(t, step, []admissiontest.Case{{Name: c.expression, Object: c.object, Old: c.old, Subresource: c.sub}})
	}
}

// TestBudget: an expression that goes on and on ends.
func TestBudget(t *testing.T) {
	step := validatingStep(t, vap("p", `
  validations:
  - expression: "object.data.x.split('').all(a, object.data.x.split('').all(b, object.data.x.split('').all(c, a + b + c != '')))"
`), vapBinding("b", "p", deny))
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "short", Object: configMap("{x: abc}")},
		{Name: "long", Object: configMap("{x: " + strings.Repeat("a", 500) + "}"), Refused: "cost limit exceeded"},
	})
}

// TestOrder: policies are asked by their names, bindings by theirs.
func TestOrder(t *testing.T) {
	const rest = "  validations: [{expression: \"false\"}]\n"
	step := validatingStep(t, vap("q", rest), vap("p", rest), vapBinding("c", "p", deny), vapBinding("a", "q", deny), vapBinding("d", "p", deny))
	admissiontest.Run(t, step, []admissiontest.Case{{Name: "first", Object: configMap("{}"), Refused: "'p' with binding 'c'"}})
}

// TestUnasked: no policy locks itself in.
func TestUnasked(t *testing.T) {
	step := validatingStep(t, `kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  matchConstraints: {resourceRules: [{apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"]}]}
  validations: [{expression: "false"}]
`, vapBinding("b", "p", deny))
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "policy", Object: "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicy\nmetadata: {name: p}", Resource: "validatingadmissionpolicies"},
		{Name: "binding", Old: "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingAdmissionPolicyBinding\nmetadata: {name: p}"},
		{Name: "review", Object: "apiVersion: authorization.k8s.io/v1\nkind: SubjectAccessReview"},
		{Name: "webhooks", Object: "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: p}", Refused: "failed expression"},
	})
}

// TestCompiledOnce: what has not changed is not compiled again.
func TestCompiledOnce(t *testing.T) {
	policies, _ := read[*v1.ValidatingAdmissionPolicy, *v1.ValidatingAdmissionPolicyBinding](t, []string{vap("p", "  validations: [{expression: \"true\"}]\n"), vap("q", "  validations: [{expression: \"true\"}]\n")})
	compute := NewPolicies(ValidatingSpec)
	first := compute(slices.Values(policies))
	changed := policies[1].DeepCopy()
	second := compute(slices.Values([]*v1.ValidatingAdmissionPolicy{policies[0], changed}))
	if first.byName["p"] != second.byName["p"] || first.byName["q"] == second.byName["q"] {
		t.Error("the unchanged policy is made anew, or the changed one kept")
	}
	if third := compute(slices.Values(policies[:1])); len(third.byName) != 1 {
		t.Error("a policy that is gone is still there")
	}
}

func TestMutating(t *testing.T) {
	step := mutatingStep(t,
		mapolicy("p", `
  reinvocationPolicy: Never
  matchConditions: [{name: free, expression: "!('free' in object.?data.orValue({}))"}]
  variables: [{name: who, expression: "object.metadata.name + '!'"}]
  mutations:
  - patchType: ApplyConfiguration
    applyConfiguration: {expression: "Object{metadata: Object.metadata{labels: {'name': variables.who}}}"}
  - patchType: JSONPatch
    jsonPatch: {expression: "[JSONPatch{op: 'add', path: '/data/seen', value: object.metadata.labels.name}]"}
  - patchType: JSONPatch
    jsonPatch: {expression: "[JSONPatch{op: 'test', path: '/data/a', value: 'b'}, JSONPatch{op: 'add', path: '/metadata/annotations', value: {'x': string(size(object.data))}}]"}
`), mapBinding("b", "p", ""))
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "all", Object: configMap("{a: b}"), Want: `{"metadata":{"labels":{"name":"c!"},"annotations":{"x":"2"}},"data":{"seen":"c!"}}`},
		{Name: "test fails", Object: configMap("{a: c}"), Want: `{"metadata":{"labels":{"name":"c!"}},"data":{"seen":"c!"}}`},
		{Name: "defaults", Object: configMap("{default: x}"), Want: `{"metadata":{"labels":{"name":"c!"}},"data":{"seen":"c!","defaulted":"yes"}}`},
		{Name: "condition", Object: configMap("{free: b}")},
		{Name: "delete", Old: configMap("{a: b}")},
	})
}

func TestMutatingRefused(t *testing.T) {
	const patchType, jsonPatch, apply = "  reinvocationPolicy: Never\n  mutations:\n  - patchType: ", "JSONPatch\n    jsonPatch: {expression: \"%s\"}\n", "ApplyConfiguration\n    applyConfiguration: {expression: \"%s\"}\n"
	for _, c := range []struct{ name, form, expression, refused string }{
		{"patch", jsonPatch, "[JSONPatch{op: 'remove', path: '/none'}]", "JSON Patch: error in remove for path: '/none'"},
		{"evaluation", jsonPatch, "[JSONPatch{op: 'add', path: '/data/x', value: object.data.none}]", "expression '[JSONPatch{op: 'add', path: '/data/x', value: object.data.none}]' resulted in error: no such key: none"},
		{"type", jsonPatch, "[JSONPatch{op: 'add', path: '/data/x', value: 7}]", "JSON Patch: json: cannot unmarshal number into Go struct field"},
		{"unknown field", jsonPatch, "[JSONPatch{op: 'add', path: '/what', value: 7}]", `JSON Patch: unknown field "what"`},
		{"field", apply, "Object{spec: Object.spec{x: 'y'}}", "error applying patch: failed to convert patch object to typed object: .spec: field not declared in schema"},
		{"name of a type", apply, "Object{data: Object.wrong{x: 'y'}}", `type mismatch: unexpected type name "Object.wrong"`},
	} {
		step := mutatingStep(t, mapolicy("p", patchType+fmt.Sprintf(c.form, c.expression)), mapBinding("b", "p", ""))
		admissiontest.Run(t, step, []admissiontest.Case{{Name: c.name, Object: configMap("{a: b}"), Refused: "policy 'p' with binding 'b' denied request: " + c.refused}})
		err := step.Admit(t.Context(), (&admissiontest.Case{Object: configMap("{a: b}")}).Attributes(t))
		if status, ok := err.(*apierrors.StatusError); !ok || status.ErrStatus.Code != 403 || status.ErrStatus.Reason != metav1.StatusReasonInvalid || len(status.ErrStatus.Details.Causes) != 1 {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
	// A list that can only be replaced as a whole would lose what is in it.
	pods := strings.ReplaceAll(mapolicy("p", patchType+fmt.Sprintf(apply, "Object{spec: Object.spec{nodeSelector: {'a': 'b'}}}")), "configmaps", "pods")
	admissiontest.Run(t, mutatingStep(t, pods, mapBinding("b", "p", "")), []admissiontest.Case{{
		Name: "atomic", Object: "apiVersion: v1\nkind: Pod\nmetadata: {namespace: ns, name: c}\nspec: {containers: [{name: a}]}",
		Refused: "may not mutate atomic arrays, maps or structs: .spec.nodeSelector",
	}})
	ignored := mapolicy("p", "  failurePolicy: Ignore\n"+patchType+fmt.Sprintf(jsonPatch, "[JSONPatch{op: 'remove', path: '/none'}]"))
	admissiontest.Run(t, mutatingStep(t, ignored, mapBinding("b", "p", "")), []admissiontest.Case{{Name: "ignored", Object: configMap("{a: b}")}})
}

func TestMutatingParams(t *testing.T) {
	step := mutatingStep(t, mapolicy("p", `
  reinvocationPolicy: Never
  paramKind: {apiVersion: v1, kind: ConfigMap}
  mutations: [{patchType: JSONPatch, jsonPatch: {expression: "[JSONPatch{op: 'add', path: '/data/' + params.metadata.name, value: params.data.max}]"}}]
`), mapBinding("b", "p", "  paramRef: {selector: {matchLabels: {limit: 'yes'}}, parameterNotFoundAction: Deny}\n"))
	admissiontest.Run(t, step, []admissiontest.Case{{Name: "each", Object: configMap("{x: z}"), Want: `{"data":{"a":"5","b":"7"}}`}})
	step = mutatingStep(t, mapolicy("p", `
  reinvocationPolicy: Never
  paramKind: {apiVersion: v1, kind: ConfigMap}
  mutations: [{patchType: JSONPatch, jsonPatch: {expression: "[JSONPatch{op: 'remove', path: '/data'}]"}}]
`), mapBinding("b", "p", "  paramRef: {name: none, parameterNotFoundAction: Deny}\n"))
	admissiontest.Run(t, step, []admissiontest.Case{{
		Name: "none", Object: configMap("{x: z}"), Refused: "policy 'p' with binding 'b' denied request: failed to configure binding: no params found",
	}})
}

// TestReinvocation: a policy that wants to is asked again when another has
// changed the object since, and one that does not is not.
func TestReinvocation(t *testing.T) {
	count := func(name, reinvocation, when string) string {
		return mapolicy(name, fmt.Sprintf(`
  reinvocationPolicy: %s
  mutations:
  - patchType: JSONPatch
    jsonPatch: {expression: "%s ? [JSONPatch{op: 'add', path: '/data/%s', value: ('%s' in object.data ? object.data.%s : '') + 'x'}] : [JSONPatch{op: 'test', path: '/data', value: 'none'}]"}
`, reinvocation, when, name, name, name))
	}
	step := mutatingStep(t,
		count("a", "IfNeeded", "true"), count("b", "Never", "true"), count("d", "IfNeeded", "!('d' in object.data)"),
		mapBinding("a", "a", ""), mapBinding("b", "b", ""), mapBinding("d", "d", ""))
	admissiontest.Run(t, step, []admissiontest.Case{{Name: "twice", Object: configMap("{x: z}"), Want: `{"data":{"a":"xx","b":"x","d":"x"}}`}})
	step = mutatingStep(t, count("a", "IfNeeded", "!('a' in object.data)"), mapBinding("a", "a", ""))
	admissiontest.Run(t, step, []admissiontest.Case{{Name: "once", Object: configMap("{x: z}"), Want: `{"data":{"a":"x"}}`}})
}

var _ = []admission.Plugin{&Validating{}, &Mutating{}}

func BenchmarkValidate(b *testing.B) {
	const rest = "  variables: [{name: data, expression: \"object.?data.orValue({})\"}]\n  validations: [{expression: \"variables.data.?a.orValue('') != 'no'\"}]\n"
	a := (&admissiontest.Case{Object: configMap("{a: b}")}).Attributes(b)
	other := (&admissiontest.Case{Object: "apiVersion: v1\nkind: Secret\nmetadata: {namespace: ns, name: c}"}).Attributes(b)
	step := validatingStep(b, vap("p", rest), vapBinding("b", "p", deny))
	for name, a := range map[string]*admission.Attributes{"asked": a, "not asked": other} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := step.Validate(b.Context(), a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	policies, _ := read[*v1.ValidatingAdmissionPolicy, *v1.ValidatingAdmissionPolicyBinding](b, []string{
		vap("p", "  variables: [{name: data, expression: \"object.?data.orValue({})\"}]\n  validations: [{expression: \"variables.data.?a.orValue('') != 'no'\"}]\n"),
	})
	b.ReportAllocs()
	for b.Loop() {
		compileValidating(policies[0])
	}
}
