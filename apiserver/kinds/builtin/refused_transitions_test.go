package builtin

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// transition is a change, of the status or of the rest, of a minimal object
// that was created with a patch and has got a status since. It meets an error,
// or none.
type transition struct {
	kind, before, status, patch string
	ofStatus                    bool
	want                        string
}

func TestTransitions(t *testing.T) {
	for _, c := range transitions {
		t.Run(c.kind+"/"+c.before+c.status+c.patch, func(t *testing.T) {
			k, ctx := kindOf(t, c.kind), context.Background()
			old := object(t, k, c.before)
			if errs := created(k, old); len(errs) > 0 {
				t.Fatal(errs)
			}
			old = patched(t, k, old, c.status)
			now := patched(t, k, old, c.patch)
			var errs field.ErrorList
			if c.ofStatus {
				k.Status.PrepareUpdate(ctx, now, old)
				errs = append(declared(k, operation.Update, now, old), k.Status.ValidateUpdate(ctx, now, old)...)
			} else {
				if k.PrepareUpdate != nil {
					k.PrepareUpdate(ctx, now, old)
				}
				errs = updated(k, now, old)
			}
			if c.want != "" {
				expect(t, errs, c.want)
			} else if len(errs) > 0 {
				t.Error(errs)
			}
		})
	}
}

var transitions = []transition{
	{"Job", "{}", `{"status":{"startTime":"2020-01-01T00:00:00Z","conditions":[{"type":"FailureTarget","status":"True"},{"type":"Failed","status":"True"}]}}`, `{"status":{"conditions":[{"type":"FailureTarget","status":"True"}]}}`, true, "status.conditions: Invalid value: cannot disable the terminal Failed=True condition"},
	{"Job", "{}", `{"status":{"startTime":"2020-01-01T00:00:00Z","completionTime":"2020-01-02T00:00:00Z","succeeded":1,"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}`, `{"status":{"completionTime":null,"conditions":[{"type":"SuccessCriteriaMet","status":"True"}]}}`, true, "status.conditions: Invalid value: cannot disable the terminal Complete=True condition"},
	{"Job", "{}", `{"status":{"conditions":[{"type":"FailureTarget","status":"True"}]}}`, `{"status":{"conditions":[]}}`, true, "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition"},
	{"Job", "{}", `{"status":{"failed":1}}`, `{"status":{"failed":null}}`, true, "status.failed: Invalid value: 0: cannot decrease the failed counter"},
	{"Job", "{}", `{"status":{"succeeded":1}}`, `{"status":{"succeeded":null}}`, true, "status.succeeded: Invalid value: 0: cannot decrease the succeeded counter"},
	{"Job", "{}", `{"status":{"startTime":"2020-01-01T00:00:00Z","completionTime":"2020-01-02T00:00:00Z","succeeded":1,"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}`, `{"status":{"completionTime":"2020-01-03T00:00:00Z"}}`, true, `status.completionTime: Invalid value: "2020-01-03T00:00:00Z": field is immutable`},
	{"Job", "{}", `{"status":{"startTime":"2020-01-01T00:00:00Z"}}`, `{"status":{"startTime":"2020-01-02T00:00:00Z"}}`, true, `status.startTime: Invalid value: "2020-01-02T00:00:00Z": field is immutable for unsuspended job once set`},
	{"Job", "{}", `{"status":{"startTime":"2020-01-01T00:00:00Z"}}`, `{"status":{"startTime":null}}`, true, "status.startTime: Invalid value: null: field is immutable for unsuspended job once set"},
	{"Job", `{"spec":{"suspend":true}}`, `{"status":{"startTime":"2020-01-01T00:00:00Z"}}`, `{"status":{"startTime":null}}`, true, ""},
	{"Job", "{}", `{"status":{"conditions":[{"type":"SuccessCriteriaMet","status":"True"}]}}`, `{"status":{"conditions":[]}}`, true, "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition"},
	{"Job", `{"spec":{"completionMode":"Indexed","completions":2,"backoffLimitPerIndex":1}}`, `{"status":{}}`, `{"status":{"failedIndexes":"5"}}`, true, `status.failedIndexes: Invalid value: "5": error parsing failedIndexes: too large index: "5"`},
	{"Job", `{"spec":{"completionMode":"Indexed","completions":2,"backoffLimitPerIndex":1}}`, `{"status":{"completedIndexes":"0"}}`, `{"status":{"failedIndexes":"0,1"}}`, true, `status.failedIndexes: Invalid value: "0,1": failedIndexes and completedIndexes overlap at index: 0`},
	{"Job", `{"spec":{"completionMode":"Indexed","completions":2}}`, `{"status":{}}`, `{"status":{"completedIndexes":"2"}}`, true, `status.completedIndexes: Invalid value: "2": error parsing completedIndexes: too large index: "2"`},
	{"Job", `{"spec":{"completionMode":"Indexed","completions":2,"parallelism":2}}`, `{"status":{"succeeded":2}}`, `{"status":{"succeeded":1}}`, true, ""},
	{"Job", `{"spec":{"completionMode":"Indexed","completions":2,"parallelism":1}}`, "{}", `{"spec":{"completions":3}}`, false, "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"},
	{"Job", `{"spec":{"completionMode":"Indexed","completions":2,"parallelism":2}}`, "{}", `{"spec":{"completions":3,"parallelism":3}}`, false, ""},
	{"Job", `{"spec":{"suspend":true}}`, "{}", `{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`, false, ""},
	{"Job", "{}", "{}", `{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`, false, "spec.template: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, "{}", `{"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}}`, false, ""},
	{"Job", "{}", "{}", `{"spec":{"template":{"metadata":{"annotations":{"a":"b"}}}}}`, false, "spec.template: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, "{}", `{"spec":{"template":{"spec":{"tolerations":[{"operator":"Exists"}]}}}}`, false, ""},
	{"Job", "{}", "{}", `{"spec":{"template":{"spec":{"tolerations":[{"operator":"Exists"}]}}}}`, false, "spec.template: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, "{}", `{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}}}}}}`, false, ""},
	{"Job", "{}", "{}", `{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}}}}}}`, false, "spec.template: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, "{}", `{"spec":{"template":{"spec":{"hostNetwork":true}}}}`, false, "spec.template.spec: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, "{}", `{"spec":{"template":{"spec":{"affinity":{"podAffinity":{}}}}}}`, false, "spec.template.spec: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, `{"status":{"active":1}}`, `{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`, false, "spec.template: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, `{"status":{"startTime":"2020-01-01T00:00:00Z"}}`, `{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`, false, "spec.template: Invalid value"},
	{"Job", `{"spec":{"suspend":true}}`, `{"status":{"startTime":"2020-01-01T00:00:00Z","conditions":[{"type":"Suspended","status":"True"}]}}`, `{"spec":{"template":{"spec":{"nodeSelector":{"a":"b"}}}}}`, false, ""},
	{"Deployment", "{}", `{"status":{"collisionCount":2}}`, `{"status":{"collisionCount":1}}`, true, "status.collisionCount: Invalid value: 1: cannot be decremented"},
	{"StatefulSet", "{}", `{"status":{"collisionCount":2}}`, `{"status":{"collisionCount":1}}`, true, "status.collisionCount: Invalid value: 1: cannot be decremented"},
	{"DaemonSet", "{}", `{"status":{"collisionCount":2}}`, `{"status":{"collisionCount":1}}`, true, "status.collisionCount: Invalid value: 1: cannot be decremented"},
	{"DaemonSet", "{}", `{"status":{"collisionCount":2}}`, `{"status":{"collisionCount":null}}`, true, "status.collisionCount: Invalid value: 0: cannot be decremented"},
	{"StatefulSet", "{}", "{}", `{"spec":{"replicas":3,"minReadySeconds":1,"updateStrategy":{"type":"OnDelete","rollingUpdate":null}}}`, false, ""},
	{"StatefulSet", `{"spec":{"template":{"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"c","emptyDir":{}}],"containers":[{"name":"a","image":"i","volumeMounts":[{"name":"c","mountPath":"/c"}]}]}},"volumeClaimTemplates":[{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}}]}}`, "{}", `{"spec":{"volumeClaimTemplates":[]}}`, false, "spec.volumeClaimTemplates: Invalid value: []: field is immutable"},
	{"CronJob", `{"spec":{"timeZone":"UTC"}}`, "{}", `{"spec":{"timeZone":"Nowhere"}}`, false, `spec.timeZone: Invalid value: "Nowhere": unknown time zone Nowhere`},
	{"ServiceCIDR", "{}", "{}", `{"spec":{"cidrs":["10.0.0.0/24","fd00::/64"]}}`, false, ""},
	{"ServiceCIDR", `{"spec":{"cidrs":["10.0.0.0/24","fd00::/64"]}}`, "{}", `{"spec":{"cidrs":["10.0.0.0/24"]}}`, false, `spec.cidrs: Invalid value: ["10.0.0.0/24"]: field is immutable`},
	{"NetworkPolicy", `{"spec":{"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}],"egress":[{"to":[{"ipBlock":{"cidr":"10.0.0.0/8"}}]}]}}`, "{}", `{"spec":{"egress":[{"to":[{"ipBlock":{"cidr":"x"}}]}]}}`, false, `spec.egress[0].to[0].ipBlock.cidr: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`},
	{"Ingress", "{}", `{"status":{"loadBalancer":{"ingress":[{"ip":"10.0.0.1"}]}}}`, `{"status":{"loadBalancer":{"ingress":[{"ip":"10.0.0.01"}]}}}`, true, `status.loadBalancer.ingress[0].ip: Invalid value: "10.0.0.01": must not have leading 0s`},
	{"IngressClass", `{"spec":{"parameters":{"kind":"K","name":"n"}}}`, "{}", `{"spec":{"parameters":{"name":"m"}}}`, false, ""},
	{"CSINode", "{}", "{}", `{"spec":{"drivers":[{"name":"d","nodeID":"n","allocatable":{"count":1}}]}}`, false, ""},
	{"CSINode", "{}", "{}", `{"spec":{"drivers":[]}}`, false, ""},
}
