package builtin

import (
	"context"
	"slices"
	"testing"

	v1 "k8s.io/api/admissionregistration/v1"
)

func TestPoliciesRefused(t *testing.T) {
	const longest = 5<<10 + 1
	long := "'" + string(slices.Repeat([]byte("a"), longest)) + "'"
	testRefused(t, []refusal{
		{"ValidatingAdmissionPolicy", `{"metadata":{"name":"a.static.k8s.io"}}`, `metadata.name: Invalid value: "a.static.k8s.io": names ending with ".static.k8s.io" are reserved`},
		{"ValidatingAdmissionPolicy", `{"spec":{"failurePolicy":"Other"}}`, `spec.failurePolicy: Unsupported value: "Other": supported values: "Fail", "Ignore"`},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{}}}`, "spec.paramKind.apiVersion: Required value"},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{}}}`, "spec.paramKind.kind: Required value"},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{"apiVersion":"a/b/c","kind":"K"}}}`, `spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c`},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{"apiVersion":"A/v1","kind":"K"}}}`, `spec.paramKind.apiVersion: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{"apiVersion":"a/","kind":"K"}}}`, `spec.paramKind.apiVersion: Invalid value: "a/": version must be specified`},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{"apiVersion":"1","kind":"K"}}}`, `spec.paramKind.apiVersion: Invalid value: "1": a DNS-1035 label`},
		{"ValidatingAdmissionPolicy", `{"spec":{"paramKind":{"apiVersion":"v1","kind":"_"}}}`, `spec.paramKind.kind: Invalid value: "_": may have mixed case, but should otherwise match: a DNS-1035`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":null}}`, "spec.matchConstraints: Required value"},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"resourceRules":[]}}}`, "spec.matchConstraints.resourceRules: Required value"},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"matchPolicy":"Other"}}}`, `spec.matchConstraints.matchPolicy: Unsupported value: "Other": supported values: "Equivalent", "Exact"`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"objectSelector":{"matchLabels":{"!":""}}}}}`, `spec.matchConstraints.objectSelector.matchLabels: Invalid value: "!"`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"namespaceSelector":{"matchLabels":{"!":""}}}}}`, `spec.matchConstraints.namespaceSelector.matchLabels: Invalid value: "!"`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"excludeResourceRules":[{"resourceNames":["a","a","b/c"]}]}}}`, `spec.matchConstraints.excludeResourceRules[0].resourceNames[1]: Duplicate value: "a"`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"excludeResourceRules":[{"resourceNames":["a","a","b/c"]}]}}}`, `spec.matchConstraints.excludeResourceRules[0].resourceNames[2]: Invalid value: "b/c": may not contain '/'`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConstraints":{"excludeResourceRules":[{"operations":["*","CREATE"]}]}}}`, `spec.matchConstraints.excludeResourceRules[0].operations: Invalid value: ["*","CREATE"]: if '*' is present`},
		{"ValidatingAdmissionPolicy", `{"spec":{"matchConditions":[{"name":"c","expression":"params == null"}]}}`, `spec.matchConditions[0].expression: Invalid value: "params == null": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params'`},
		{"ValidatingAdmissionPolicy", `{"spec":{"variables":[{"name":"in","expression":"1"}]}}`, `spec.variables[0].name: Invalid value: "in": must be a valid CEL identifier`},
		{"ValidatingAdmissionPolicy", `{"spec":{"variables":[{"name":" ","expression":" "}]}}`, "spec.variables[0].name: Required value: name is not specified"},
		{"ValidatingAdmissionPolicy", `{"spec":{"variables":[{"name":" ","expression":" "}]}}`, "spec.variables[0].expression: Required value: expression is not specified"},
		{"ValidatingAdmissionPolicy", `{"spec":{"variables":[{"name":"a","expression":"variables.b"},{"name":"b","expression":"1"}]}}`, `spec.variables[0].expression: Invalid value: "variables.b": compilation failed: ERROR: <input>:1:10: undefined field 'b'`},
		{"ValidatingAdmissionPolicy", `{"spec":{"variables":[{"name":"a","expression":"1"}],"validations":[{"expression":"variables.a"}]}}`, `spec.validations[0].expression: Invalid value: "variables.a": must evaluate to bool but got int`},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[]}}`, "spec.validations: Required value: validations or auditAnnotations must contain at least one item"},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":" "}]}}`, "spec.validations[0].expression: Required value: expression is not specified"},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":"true","messageExpression":" "}]}}`, `spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified`},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":"true","messageExpression":"1"}]}}`, `spec.validations[0].messageExpression: Invalid value: "1": must evaluate to string but got int`},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":"true","messageExpression":"string(authorizer == authorizer)"}]}}`, `spec.validations[0].messageExpression: Invalid value: "string(authorizer == authorizer)": compilation failed: ERROR: <input>:1:8: undeclared reference to 'authorizer'`},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":"true","message":" "}]}}`, `spec.validations[0].message: Invalid value: " ": must be non-empty if specified`},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":"true","message":"a\nb"}]}}`, `spec.validations[0].message: Invalid value: "a\nb": must not contain line breaks`},
		{"ValidatingAdmissionPolicy", `{"spec":{"validations":[{"expression":"true","reason":"Gone"}]}}`, `spec.validations[0].reason: Unsupported value: "Gone": supported values: "Forbidden", "Invalid", "RequestEntityTooLarge"`},
		{"ValidatingAdmissionPolicy", `{"spec":{"auditAnnotations":[{"key":"!","valueExpression":"''"}]}}`, `spec.auditAnnotations[0].key: Invalid value: "it/!": name part must consist of`},
		{"ValidatingAdmissionPolicy", `{"spec":{"auditAnnotations":[{"key":"k","valueExpression":" "}]}}`, "spec.auditAnnotations[0].valueExpression: Required value: valueExpression is not specified"},
		{"ValidatingAdmissionPolicy", `{"spec":{"auditAnnotations":[{"key":"k","valueExpression":"` + long + `"}]}}`, "spec.auditAnnotations[0].valueExpression: Required value: must not exceed 5120 bytes in length"},
		{"ValidatingAdmissionPolicy", `{"spec":{"auditAnnotations":[{"key":"k","valueExpression":"1 "}]}}`, `spec.auditAnnotations[0].valueExpression: Invalid value: "1 ": must evaluate to one of [string null_type] but got int`},
		{"ValidatingAdmissionPolicy", `{"spec":{"auditAnnotations":[{"key":"k","valueExpression":"''"},{"key":"k","valueExpression":"''"}]}}`, `spec.auditAnnotations[1].key: Duplicate value: "k"`},
		{"ValidatingAdmissionPolicyBinding", `{"metadata":{"name":"a.static.k8s.io"}}`, `metadata.name: Invalid value: "a.static.k8s.io"`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"policyName":"A"}}`, `spec.policyName: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"validationActions":["Other"]}}`, `spec.validationActions[0]: Unsupported value: "Other": supported values: "Audit", "Deny", "Warn"`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"validationActions":["Deny","Deny"]}}`, `spec.validationActions[1]: Duplicate value: "Deny"`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"validationActions":["Deny","Warn"]}}`, `spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"parameterNotFoundAction":"Deny"}}}`, "spec.paramRef: Required value: one of name or selector must be specified"},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"name":"a/b"}}}`, `spec.paramRef.name: Invalid value: "a/b": may not contain '/'`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"name":"a"}}}`, "spec.paramRef.parameterNotFoundAction: Required value"},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"name":"a","parameterNotFoundAction":"Other"}}}`, `spec.paramRef.parameterNotFoundAction: Unsupported value: "Other": supported values: "Deny", "Allow"`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"name":"a","selector":{}}}}`, "spec.paramRef.name: Forbidden: name and selector are mutually exclusive"},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"name":"a","selector":{}}}}`, "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive"},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"paramRef":{"selector":{"matchLabels":{"!":""}}}}}`, `spec.paramRef.selector.matchLabels: Invalid value: "!"`},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"matchResources":{"resourceRules":[{}]}}}`, "spec.matchResources.resourceRules[0].operations: Required value"},
		{"MutatingAdmissionPolicy", `{"spec":{"reinvocationPolicy":null}}`, "spec.reinvocationPolicy: Required value"},
		{"MutatingAdmissionPolicy", `{"spec":{"reinvocationPolicy":"Other"}}`, `spec.reinvocationPolicy: Unsupported value: "Other": supported values: "IfNeeded", "Never"`},
		{"MutatingAdmissionPolicy", `{"spec":{"matchConstraints":{"resourceRules":[{"operations":["DELETE"]}]}}}`, `spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"`},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[]}}`, "spec.mutations: Required value: mutations must contain at least one item"},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{}]}}`, "spec.mutations[0].patchType: Required value"},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"Other"}]}}`, `spec.mutations[0].patchType: Unsupported value: "Other": supported values: "ApplyConfiguration", "JSONPatch"`},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"JSONPatch"}]}}`, "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch"},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"JSONPatch","applyConfiguration":{}}]}}`, `spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch`},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":" "}}]}}`, "spec.mutations[0].applyConfiguration.expression: Required value"},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"ApplyConfiguration","applyConfiguration":{"expression":"{}"}}]}}`, `spec.mutations[0].applyConfiguration.expression: Invalid value: "{}": must evaluate to Object but got map`},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"Object{}"}}]}}`, `spec.mutations[0].jsonPatch.expression: Invalid value: "Object{}": must evaluate to list(JSONPatch) but got Object`},
		{"MutatingAdmissionPolicy", `{"spec":{"mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"variables.a"}}]}}`, `spec.mutations[0].jsonPatch.expression: Invalid value: "variables.a": compilation failed: ERROR: <input>:1:10: undefined field 'a'`},
		{"MutatingAdmissionPolicyBinding", `{"spec":{"policyName":null}}`, "spec.policyName: Required value"},
		{"MutatingAdmissionPolicyBinding", `{"spec":{"matchResources":{"resourceRules":[{"operations":["DELETE"]}]}}}`, `spec.matchResources.resourceRules.operations: Unsupported value: "DELETE"`},
		{"ValidatingWebhookConfiguration", `{"metadata":{"name":"a.static.k8s.io"}}`, `metadata.name: Invalid value: "a.static.k8s.io"`},
	})
}

func TestPoliciesDefaults(t *testing.T) {
	testDefaults(t, []outcome{
		{"ValidatingAdmissionPolicy", `{}`, "spec.failurePolicy", "Fail"},
		{"ValidatingAdmissionPolicy", `{}`, "spec.matchConstraints.matchPolicy", "Equivalent"},
		{"ValidatingAdmissionPolicy", `{}`, "spec.matchConstraints.namespaceSelector", "map[]"},
		{"ValidatingAdmissionPolicy", `{}`, "spec.matchConstraints.objectSelector", "map[]"},
		{"ValidatingAdmissionPolicy", `{}`, "spec.matchConstraints.resourceRules.scope", "*"},
		{"ValidatingAdmissionPolicy", `{"status":{"observedGeneration":7}}`, "status", "map[]"},
		{"ValidatingAdmissionPolicy", `{}`, "metadata.generation", "1"},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"matchResources":{"excludeResourceRules":[{}]}}}`, "spec.matchResources.excludeResourceRules.scope", "*"},
		{"ValidatingAdmissionPolicyBinding", `{}`, "metadata.generation", "1"},
		{"MutatingAdmissionPolicy", `{}`, "spec.failurePolicy", "Fail"},
		{"MutatingAdmissionPolicy", `{}`, "spec.matchConstraints.matchPolicy", "Equivalent"},
		{"MutatingAdmissionPolicy", `{}`, "metadata.generation", "1"},
		{"MutatingAdmissionPolicyBinding", `{"spec":{"matchResources":{}}}`, "spec.matchResources.matchPolicy", "Equivalent"},
	})
}

// TestPolicyGenerations: only a change of what a policy says counts.
func TestPolicyGenerations(t *testing.T) {
	for _, c := range []struct {
		kind, patch string
		want        int64
	}{
		{"ValidatingAdmissionPolicy", `{"metadata":{"labels":{"a":"b"}},"status":{"observedGeneration":7}}`, 1},
		{"ValidatingAdmissionPolicy", `{"spec":{"failurePolicy":"Ignore"}}`, 2},
		{"ValidatingAdmissionPolicyBinding", `{"metadata":{"labels":{"a":"b"}}}`, 1},
		{"ValidatingAdmissionPolicyBinding", `{"spec":{"policyName":"q"}}`, 2},
		{"MutatingAdmissionPolicy", `{"spec":{"failurePolicy":"Ignore"}}`, 2},
		{"MutatingAdmissionPolicyBinding", `{"spec":{"policyName":"q"}}`, 2},
		{"ValidatingWebhookConfiguration", `{"metadata":{"labels":{"a":"b"}}}`, 1},
		{"ValidatingWebhookConfiguration", `{"webhooks":[{"name":"a.b.d","sideEffects":"None","admissionReviewVersions":["v1"],"clientConfig":{"url":"https://h"}}]}`, 2},
	} {
		t.Run(c.kind+"/"+c.patch, func(t *testing.T) {
			k := kindOf(t, c.kind)
			now, old := changed(t, k, c.patch)
			k.PrepareUpdate(context.Background(), now, old)
			if now.GetGeneration() != c.want {
				t.Errorf("generation %d, want %d", now.GetGeneration(), c.want)
			}
		})
	}
}

func TestPolicyStatus(t *testing.T) {
	k := kindOf(t, "ValidatingAdmissionPolicy")
	for patch, want := range map[string]string{
		`{"status":{"conditions":[{"type":"T"}]}}`:                                             "status.conditions[0].status: Required value",
		`{"status":{"typeChecking":{"expressionWarnings":[{"fieldRef":"spec.x"}]}}}`:           "status.typeChecking.expressionWarnings[0].warning: Required value",
		`{"status":{"typeChecking":{"expressionWarnings":[{"warning":"w"}]}}}`:                 "status.typeChecking.expressionWarnings[0].fieldRef: Required value",
		`{"status":{"typeChecking":{"expressionWarnings":[{"warning":"w","fieldRef":"a["}]}}}`: `status.typeChecking.expressionWarnings[0].fieldRef: Invalid value: "a[": invalid JSONPath`,
	} {
		now, old := changed(t, k, patch)
		k.Status.PrepareUpdate(context.Background(), now, old)
		expect(t, k.Status.ValidateUpdate(context.Background(), now, old), want)
	}
	now, old := changed(t, k, `{"metadata":{"labels":{"a":"b"}},"spec":{"failurePolicy":"Ignore"}}`)
	k.Status.PrepareUpdate(context.Background(), now, old)
	if p := now.(*v1.ValidatingAdmissionPolicy); *p.Spec.FailurePolicy != v1.Fail || p.Labels != nil {
		t.Errorf("a writer of the status changed the rest: %v", p)
	}
}

// TestOldWebhooks: what a webhook has done wrong since before it was refused
// does not stand in the way of its other changes.
func TestOldWebhooks(t *testing.T) {
	k := kindOf(t, "ValidatingWebhookConfiguration")
	const hooks = `{"webhooks":[{"name":"a.b.c","sideEffects":"Unknown","admissionReviewVersions":["v9"],"clientConfig":{"url":"https://h"},"objectSelector":{"matchExpressions":[{"key":"a","operator":"In","values":["!"]}]}},` +
		`{"name":"a.b.c","sideEffects":"Some","admissionReviewVersions":["v9"],"clientConfig":{"url":"https://h"}}]}`
	old := object(t, k, hooks)
	if errs := k.Validate(context.Background(), old); len(errs) != 6 {
		t.Errorf("a new one is wrong in %v", errs)
	}
	if errs := k.ValidateUpdate(context.Background(), object(t, k, hooks, `{"metadata":{"labels":{"a":"b"}}}`), old); len(errs) > 0 {
		t.Error(errs)
	}
	expect(t, k.ValidateUpdate(context.Background(), object(t, k, hooks), object(t, k)), `webhooks[0].sideEffects: Unsupported value: "Unknown": supported values: "None", "NoneOnDryRun"`)
}

func TestWebhookWarnings(t *testing.T) {
	k := kindOf(t, "MutatingWebhookConfiguration")
	hook := object(t, k, `{"webhooks":[{"rules":[{"apiGroups":["authentication.k8s.io",""],"resources":["tokenreviews","pods","tokenreviews"]},{"apiGroups":["*"],"resources":["tokenreviews"]}]}]}`)
	want := []string{"webhooks[0].rules[0]: tokenreviews.authentication.k8s.io is excluded from admission webhooks; this rule will have no effect"}
	if got := k.Warnings(context.Background(), hook, nil); !slices.Equal(got, want) {
		t.Error(got)
	}
	kept := object(t, k, `{"metadata":{"name":"a.static.k8s.io"}}`)
	if got := k.Warnings(context.Background(), kept, kept); len(got) != 1 {
		t.Error(got)
	}
}
