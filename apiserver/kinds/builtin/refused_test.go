package builtin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validate"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

const podSpec = `{"containers":[{"name":"a","image":"i"}]}`
const template = `"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":` + podSpec + `}`

const devices = `{"requests":[{"name":"a","exactly":{"deviceClassName":"c"}},{"name":"b","firstAvailable":[{"name":"s","deviceClassName":"c"}]}]}`

// minimal are objects that nothing is wrong with.
var minimal = map[string]string{
	"Namespace":             `{}`,
	"Node":                  `{}`,
	"Pod":                   `{"spec":` + podSpec + `}`,
	"Service":               `{"spec":{"ports":[{"port":80}]}}`,
	"Endpoints":             `{"subsets":[{"addresses":[{"ip":"10.0.0.1"}],"ports":[{"port":80}]}]}`,
	"ConfigMap":             `{"data":{"k":"v"}}`,
	"Secret":                `{"stringData":{"k":"v"}}`,
	"ServiceAccount":        `{}`,
	"PodTemplate":           `{"template":{"spec":` + podSpec + `}}`,
	"ReplicationController": `{"spec":{"selector":{"a":"b"},"template":{"metadata":{"labels":{"a":"b"}},"spec":` + podSpec + `}}}`,
	"LimitRange":            `{"spec":{"limits":[{"type":"Container","max":{"cpu":"1"}}]}}`,
	"ResourceQuota":         `{"spec":{"hard":{"pods":"1"}}}`,
	"PersistentVolume":      `{"spec":{"capacity":{"storage":"1Gi"},"accessModes":["ReadWriteOnce"],"hostPath":{"path":"/p"}}}`,
	"PersistentVolumeClaim": `{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`,

	"Deployment":         `{"spec":{` + template + `}}`,
	"ReplicaSet":         `{"spec":{` + template + `}}`,
	"StatefulSet":        `{"spec":{"serviceName":"s",` + template + `}}`,
	"DaemonSet":          `{"spec":{` + template + `}}`,
	"ControllerRevision": `{"data":{},"revision":1}`,

	"EndpointSlice":           `{"addressType":"IPv4","endpoints":[{"addresses":["10.0.0.1"]}]}`,
	"Lease":                   `{"spec":{"leaseDurationSeconds":1}}`,
	"Role":                    `{"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]}`,
	"ClusterRole":             `{"rules":[{"verbs":["get"],"nonResourceURLs":["/x"]}]}`,
	"RoleBinding":             `{"subjects":[{"kind":"User","name":"u"}],"roleRef":{"kind":"Role","name":"r"}}`,
	"ClusterRoleBinding":      `{"subjects":[{"kind":"Group","name":"g"}],"roleRef":{"kind":"ClusterRole","name":"r"}}`,
	"Job":                     `{"metadata":{"uid":"u"},"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}}}}`,
	"CronJob":                 `{"spec":{"schedule":"* * * * *","jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}}}}}}`,
	"PodDisruptionBudget":     `{"spec":{"minAvailable":1}}`,
	"StorageClass":            `{"provisioner":"p"}`,
	"CSIDriver":               `{"spec":{}}`,
	"CSINode":                 `{"spec":{"drivers":[{"name":"d","nodeID":"n"}]}}`,
	"VolumeAttachment":        `{"spec":{"attacher":"a","nodeName":"n","source":{"persistentVolumeName":"p"}}}`,
	"CSIStorageCapacity":      `{"storageClassName":"c"}`,
	"VolumeAttributesClass":   `{"driverName":"d","parameters":{"a":"b"}}`,
	"PriorityClass":           `{"value":1}`,
	"RuntimeClass":            `{"handler":"h"}`,
	"Ingress":                 `{"spec":{"defaultBackend":{"service":{"name":"s","port":{"number":80}}}}}`,
	"IngressClass":            `{"spec":{"controller":"a.b/c"}}`,
	"NetworkPolicy":           `{"spec":{}}`,
	"IPAddress":               `{"metadata":{"name":"10.0.0.1"},"spec":{"parentRef":{"resource":"services","name":"s"}}}`,
	"ServiceCIDR":             `{"spec":{"cidrs":["10.0.0.0/24"]}}`,
	"HorizontalPodAutoscaler": `{"spec":{"maxReplicas":3,"scaleTargetRef":{"apiVersion":"apps/v1","kind":"Deployment","name":"d"}}}`,

	"ValidatingWebhookConfiguration": `{"webhooks":[{"name":"a.b.c","sideEffects":"None","admissionReviewVersions":["v1"],"clientConfig":{"url":"https://h"}}]}`,
	"MutatingWebhookConfiguration":   `{"webhooks":[{"name":"a.b.c","sideEffects":"None","admissionReviewVersions":["v1"],"clientConfig":{"url":"https://h"}}]}`,
	"ValidatingAdmissionPolicy": `{"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]},` +
		`"validations":[{"expression":"true"}]}}`,
	"ValidatingAdmissionPolicyBinding": `{"spec":{"policyName":"p","validationActions":["Deny"]}}`,
	"MutatingAdmissionPolicy": `{"spec":{"matchConstraints":{"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["pods"]}]},` +
		`"reinvocationPolicy":"Never","mutations":[{"patchType":"JSONPatch","jsonPatch":{"expression":"[JSONPatch{op: 'remove', path: '/a'}]"}}]}}`,
	"MutatingAdmissionPolicyBinding": `{"spec":{"policyName":"p"}}`,
	"CustomResourceDefinition":       `{"metadata":{"name":"things.example.com"},"spec":{"group":"example.com","scope":"Cluster","names":{"plural":"things","kind":"Thing"},"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}}]}}`,
	"StorageVersionMigration":        `{"spec":{"resource":{"resource":"pods"}}}`,
	"DeviceClass":                    `{"spec":{"selectors":[{"cel":{"expression":"true"}}]}}`,
	"ResourceClaim":                  `{"spec":{"devices":` + devices + `}}`,
	"ResourceClaimTemplate":          `{"spec":{"spec":{"devices":` + devices + `}}}`,
	"ResourceSlice":                  `{"spec":{"driver":"d.x","pool":{"name":"p","resourceSliceCount":1},"nodeName":"n","devices":[{"name":"d"}]}}`,
	"DeviceTaintRule":                `{"spec":{"taint":{"key":"k","effect":"NoSchedule"}}}`,

	"FlowSchema":                 `{"spec":{"priorityLevelConfiguration":{"name":"l"}}}`,
	"PriorityLevelConfiguration": `{"spec":{"type":"Limited","limited":{"limitResponse":{"type":"Reject"}}}}`,
}

func merge(into, patch map[string]any) map[string]any {
	into = maps.Clone(into)
	if into == nil {
		into = map[string]any{}
	}
	for k, v := range patch {
		if m, ok := v.(map[string]any); ok {
			old, _ := into[k].(map[string]any)
			into[k] = merge(old, m)
		} else if v == nil {
			delete(into, k)
		} else {
			into[k] = v
		}
	}
	return into
}

// object makes one of a kind with defaults, from its minimal form and patches.
func object(t *testing.T, k *kinds.Kind, patches ...string) kinds.Object {
	t.Helper()
	whole := map[string]any{"metadata": map[string]any{"name": "it"}}
	if k.Namespaced {
		whole["metadata"] = map[string]any{"name": "it", "namespace": "ns"}
	}
	base, ok := minimal[k.Kind]
	if !ok {
		base = "{}"
	}
	for _, text := range append([]string{base}, patches...) {
		var patch map[string]any
		if err := json.Unmarshal([]byte(text), &patch); err != nil {
			t.Fatal(text, err)
		}
		whole = merge(whole, patch)
	}
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	obj := k.New()
	if err := json.Unmarshal(data, obj); err != nil {
		t.Fatal(err)
	}
	if k.Default != nil {
		k.Default(obj)
	}
	return obj
}

func kindOf(t *testing.T, name string) *kinds.Kind {
	t.Helper()
	for _, k := range Kinds() {
		if k.Kind == name {
			return k
		}
	}
	t.Fatal("no kind " + name)
	return nil
}

func created(k *kinds.Kind, obj kinds.Object) field.ErrorList {
	ctx := context.Background()
	if k.PrepareCreate != nil {
		k.PrepareCreate(ctx, obj)
	}
	errs := declared(k, operation.Create, obj, nil)
	if k.Validate == nil {
		return errs
	}
	return append(errs, k.Validate(ctx, obj)...)
}

// declared are the enforced errors of the rules in the type's tags.
func declared(k *kinds.Kind, what operation.Type, obj, old kinds.Object) field.ErrorList {
	op := operation.Operation{Type: what}
	if k.RuleOptions != nil {
		op.Options = k.RuleOptions(obj, old)
	}
	rules := k.Rules
	if k.StoredOnly {
		v := &k.Views[0]
		rules, obj = v.Rules, seenBy(v, obj)
		if old != nil {
			old = seenBy(v, old)
		}
	}
	if rules == nil {
		return nil
	}
	ctx := context.Background()
	return validate.FilterEnforcedDeclarativeErrors(ctx, rules(ctx, op, obj, old), true)
}

func seenBy(v *kinds.View, obj kinds.Object) kinds.Object {
	seen, err := v.FromStored(obj)
	if err != nil {
		panic(err) // the tests' objects can be shown
	}
	return seen
}

func updated(k *kinds.Kind, obj, old kinds.Object) field.ErrorList {
	errs := declared(k, operation.Update, obj, old)
	if k.ValidateUpdate == nil {
		return errs
	}
	return append(errs, k.ValidateUpdate(context.Background(), obj, old)...)
}

func TestNothingIsWrong(t *testing.T) {
	for name := range minimal {
		t.Run(name, func(t *testing.T) {
			k := kindOf(t, name)
			if errs := created(k, object(t, k)); len(errs) > 0 {
				t.Error(errs)
			}
			old, now := object(t, k), object(t, k)
			created(k, old)
			created(k, now)
			if k.PrepareUpdate != nil {
				k.PrepareUpdate(context.Background(), now, old)
			}
			if errs := updated(k, now, old); len(errs) > 0 {
				t.Error("unchanged:", errs)
			}
		})
	}
}

func TestRefused(t *testing.T)       { testRefused(t, refused) }
func TestUpdateRefused(t *testing.T) { testUpdateRefused(t, updateRefused) }
func TestDefaults(t *testing.T)      { testDefaults(t, defaulted) }

// refusal is a minimal object with a patch, and the beginning of the error
// that it meets.
type refusal struct{ kind, patch, want string }

// outcome is what a minimal object with a patch comes to hold at a path.
type outcome struct{ kind, patch, path, want string }

func testRefused(t *testing.T, cases []refusal) {
	for _, c := range cases {
		t.Run(c.kind+"/"+c.patch, func(t *testing.T) {
			k := kindOf(t, c.kind)
			expect(t, created(k, object(t, k, c.patch)), c.want)
		})
	}
}

func testUpdateRefused(t *testing.T, cases []refusal) {
	for _, c := range cases {
		t.Run(c.kind+"/"+c.patch, func(t *testing.T) {
			k := kindOf(t, c.kind)
			now, old := changed(t, k, c.patch)
			if k.PrepareUpdate != nil {
				k.PrepareUpdate(context.Background(), now, old)
			}
			expect(t, updated(k, now, old), c.want)
		})
	}
}

// changed returns a minimal object as it has been created, and the same with
// a patch.
func changed(t *testing.T, k *kinds.Kind, change string) (now, old kinds.Object) {
	t.Helper()
	old, now = object(t, k), object(t, k)
	created(k, old)
	created(k, now)
	data, err := json.Marshal(now)
	if err != nil {
		t.Fatal(err)
	}
	var whole, patch map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(change), &patch); err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(merge(whole, patch)); err != nil {
		t.Fatal(err)
	}
	now = k.New()
	if err := json.Unmarshal(data, now); err != nil {
		t.Fatal(err)
	}
	if k.Default != nil {
		k.Default(now)
	}
	return now, old
}

func expect(t *testing.T, errs field.ErrorList, want string) {
	t.Helper()
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), want) {
			return
		}
	}
	t.Errorf("%v, want %s", errs, want)
}

func testDefaults(t *testing.T, cases []outcome) {
	for _, c := range cases {
		t.Run(c.kind+"/"+c.path, func(t *testing.T) {
			k := kindOf(t, c.kind)
			obj := object(t, k, c.patch)
			created(k, obj)
			data, err := json.Marshal(obj)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(data, &v); err != nil {
				t.Fatal(err)
			}
			for step := range strings.SplitSeq(c.path, ".") {
				switch x := v.(type) {
				case map[string]any:
					v = x[step]
				case []any:
					v = x[0].(map[string]any)[step]
				}
			}
			if got := fmt.Sprint(v); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// patched returns another object with a patch and defaults.
func patched(t *testing.T, k *kinds.Kind, obj kinds.Object, with string) kinds.Object {
	t.Helper()
	data, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	var whole, patch map[string]any
	if err := json.Unmarshal(data, &whole); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(with), &patch); err != nil {
		t.Fatal(err)
	}
	if data, err = json.Marshal(merge(whole, patch)); err != nil {
		t.Fatal(err)
	}
	out := k.New()
	if err := json.Unmarshal(data, out); err != nil {
		t.Fatal(err)
	}
	if k.Default != nil {
		k.Default(out)
	}
	return out
}
