package builtin

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// What the rules in the types' tags refuse, one object for each rule.
var declaredRefused = []refusal{
	{"ValidatingAdmissionPolicyBinding", `{"spec":{"policyName":""}}`, "spec.policyName: Required value"},
	{"ValidatingAdmissionPolicyBinding", `{"spec":{"validationActions":[]}}`, "spec.validationActions: Required value"},
	{"HorizontalPodAutoscaler", `{"spec":{"minReplicas":-1}}`, "spec.minReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"HorizontalPodAutoscaler", `{"spec":{"maxReplicas":0}}`, "spec.maxReplicas: Required value"},
	{"HorizontalPodAutoscaler", `{"spec":{"minReplicas":-1,"maxReplicas":-1}}`, "spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1"},
	{"CronJob", `{"spec":{"schedule":""}}`, "spec.schedule: Required value"},
	{"ReplicationController", `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicationController", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"EndpointSlice", `{"addressType":""}`, "addressType: Required value"},
	{"EndpointSlice", `{"addressType":"Other"}`, `addressType: Unsupported value: "Other": supported values: "FQDN", "IPv4", "IPv6"`},
	{"EndpointSlice", `{"endpoints":[{}]}`, "endpoints[0].addresses: Required value"},
	{"PriorityLevelConfiguration", `{"spec":{"type":""}}`, "spec.type: Required value"},
	{"PriorityLevelConfiguration", `{"spec":{"limited":null}}`, "spec.limited: Required value"},
	{"PriorityLevelConfiguration", `{"spec":{"exempt":{}}}`, "spec.exempt: Forbidden"},
	{"PriorityLevelConfiguration", `{"metadata":{"name":"exempt"},"spec":{"type":"Exempt"}}`, "spec.limited: Forbidden"},
	{"PriorityLevelConfiguration", `{"spec":{"limited":{"limitResponse":{"type":""}}}}`, "spec.limited.limitResponse.type: Required value"},
	{"PriorityLevelConfiguration", `{"spec":{"limited":{"limitResponse":{"queuing":{}}}}}`, "spec.limited.limitResponse.queuing: Forbidden"},
	{"IPAddress", `{"spec":{"parentRef":null}}`, "spec.parentRef: Required value"},
	{"IPAddress", `{"spec":{"parentRef":{"resource":""}}}`, "spec.parentRef.resource: Required value"},
	{"IPAddress", `{"spec":{"parentRef":{"name":""}}}`, "spec.parentRef.name: Required value"},
	{"NetworkPolicy", `{"spec":{"ingress":[{"from":[{"ipBlock":{}}]}]}}`, "spec.ingress[0].from[0].ipBlock.cidr: Required value"},
	{"NetworkPolicy", `{"spec":{"egress":[{"to":[{"ipBlock":{}}]}]}}`, "spec.egress[0].to[0].ipBlock.cidr: Required value"},
	{"IngressClass", `{"spec":{"parameters":{"kind":"","name":"n"}}}`, "spec.parameters.kind: Required value"},
	{"IngressClass", `{"spec":{"parameters":{"kind":"K","name":""}}}`, "spec.parameters.name: Required value"},
	{"RuntimeClass", `{"handler":""}`, "handler: Required value"},
	{"RuntimeClass", `{"handler":"A"}`, `handler: Invalid value: "A": a lowercase RFC 1123 label`},
	{"Role", `{"rules":[{}]}`, "rules[0].verbs: Required value"},
	{"ClusterRole", `{"rules":[{}]}`, "rules[0].verbs: Required value"},
	{"RoleBinding", `{"roleRef":{"name":""}}`, "roleRef.name: Required value"},
	{"RoleBinding", `{"subjects":[{"kind":"User"}]}`, "subjects[0].name: Required value"},
	{"ClusterRoleBinding", `{"roleRef":{"name":""}}`, "roleRef.name: Required value"},
	{"ClusterRoleBinding", `{"subjects":[{"kind":"User"}]}`, "subjects[0].name: Required value"},
	{"StorageClass", `{"provisioner":""}`, "provisioner: Required value"},
	{"VolumeAttachment", `{"spec":{"attacher":""}}`, "spec.attacher: Required value"},
	{"VolumeAttachment", `{"spec":{"attacher":"_"}}`, `spec.attacher: Invalid value: "_"`},
	{"VolumeAttachment", `{"spec":{"attacher":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}}`, "spec.attacher: Too long: may not be more than 63"},
}

var declaredUpdateRefused = []refusal{
	{"EndpointSlice", `{"addressType":"IPv6"}`, "addressType: Invalid value: null: field is immutable"},
	{"EndpointSlice", `{"addressType":"Other"}`, `addressType: Unsupported value: "Other": supported values: "FQDN", "IPv4", "IPv6"`},
	{"IPAddress", `{"spec":{"parentRef":{"name":"x"}}}`, "spec.parentRef: Invalid value: null: field is immutable"},
	{"IPAddress", `{"spec":{"parentRef":{"name":""}}}`, "spec.parentRef.name: Required value"},
	{"IPAddress", `{"spec":{"parentRef":{"resource":""}}}`, "spec.parentRef.resource: Required value"},
	{"RuntimeClass", `{"handler":"A"}`, `handler: Invalid value: "A": a lowercase RFC 1123 label`},
	{"RuntimeClass", `{"handler":"x"}`, "handler: Invalid value: null: field is immutable"},
	{"RoleBinding", `{"roleRef":{"name":""}}`, "roleRef.name: Required value"},
	{"StorageClass", `{"provisioner":"x"}`, "provisioner: Invalid value: null: field is immutable"},
	{"StorageClass", `{"provisioner":""}`, "provisioner: Required value"},
	{"StorageClass", `{"parameters":{"a":"b"}}`, "parameters: Invalid value: null: field is immutable"},
	{"StorageClass", `{"reclaimPolicy":"Retain"}`, "reclaimPolicy: Invalid value: null: field is immutable"},
	{"StorageClass", `{"volumeBindingMode":"WaitForFirstConsumer"}`, "volumeBindingMode: Invalid value: null: field is immutable"},
	{"VolumeAttachment", `{"spec":{"nodeName":"x"}}`, "spec: Invalid value: null: field is immutable"},
	{"VolumeAttachment", `{"spec":{"attacher":""}}`, "spec.attacher: Required value"},
}

func TestDeclaredRulesRefuse(t *testing.T) {
	for _, c := range declaredRefused {
		t.Run(c.kind+"/"+c.patch, func(t *testing.T) {
			k := kindOf(t, c.kind)
			expectOnce(t, created(k, object(t, k, c.patch)), c.want)
		})
	}
	for _, c := range declaredUpdateRefused {
		t.Run("update/"+c.kind+"/"+c.patch, func(t *testing.T) {
			k := kindOf(t, c.kind)
			now, old := changed(t, k, c.patch)
			if k.PrepareUpdate != nil {
				k.PrepareUpdate(t.Context(), now, old)
			}
			expectOnce(t, updated(k, now, old), c.want)
		})
	}
}

// expectOnce also refuses that a field has the same kind of error twice, from a
// rule in a tag and by hand.
func expectOnce(t *testing.T, errs field.ErrorList, want string) {
	t.Helper()
	expect(t, errs, want)
	type fault struct {
		kind field.ErrorType
		at   string
	}
	seen := map[fault]bool{}
	for _, err := range errs {
		if err.Detail == check.Immutable {
			continue // that a change is no good either may be said as well
		}
		f := fault{err.Type, err.Field}
		if seen[f] {
			t.Errorf("twice: %v in %v", err, errs)
		}
		seen[f] = true
	}
}
