package builtin

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// podChange is a patch of a pod or one of its parts, and the beginning of the
// error that it meets. The pod is a minimal one with a patch.
type podChange struct{ part, was, patch, want string }

func testPodChanges(t *testing.T, cases []podChange) {
	k := kindOf(t, "Pod")
	for _, c := range cases {
		t.Run(c.was+"/"+c.patch, func(t *testing.T) {
			begun := object(t, k, c.was)
			created(k, begun)
			old := patched(t, k, begun, c.was) // creation has reset the status
			now := patched(t, k, old, c.patch)
			expect(t, podErrors(k, c.part, now, old), c.want)
		})
	}
}

func podErrors(k *kinds.Kind, part string, now, old kinds.Object) field.ErrorList {
	ctx, s := context.Background(), k.Status
	switch part {
	case "":
		k.PrepareUpdate(ctx, now, old)
		return updated(k, now, old)
	case "status":
	default:
		s = k.Subresources[part]
	}
	s.PrepareUpdate(ctx, now, old)
	return s.ValidateUpdate(ctx, now, old)
}

func TestPodUpdatesRefused(t *testing.T) {
	testPodChanges(t, []podChange{
		{"", `{}`, `{"spec":{"containers":[{"name":"a","image":"i"},{"name":"b","image":"i"}]}}`, `spec.containers: Forbidden: pod updates may not add or remove containers`},
		{"", `{}`, `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `spec.initContainers: Forbidden: pod updates may not add or remove containers`},
		{"", `{}`, `{"spec":{"containers":[{"name":"a","image":" j"}]}}`, `spec.containers[0].image: Invalid value: " j": must not have leading or trailing whitespace`},
		{"", `{}`, `{"spec":{"containers":[{"name":"a","image":"i","image":""}]}}`, `spec.containers[0].image: Required value`},
		{"", `{}`, `{"spec":{"activeDeadlineSeconds":2147483648}}`, `spec.activeDeadlineSeconds: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive`},
		{"", `{"spec":{"activeDeadlineSeconds":5}}`, `{"spec":{"activeDeadlineSeconds":6}}`, `spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value`},
		{"", `{"spec":{"activeDeadlineSeconds":5}}`, `{"spec":{"activeDeadlineSeconds":null}}`, `spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value`},
		{"", `{"spec":{"tolerations":[{"key":"k"}]}}`, `{"spec":{"tolerations":[{"key":"l"}]}}`, `spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds`},
		{"", `{"spec":{"tolerations":[{"key":"k"}]}}`, `{"spec":{"tolerations":[{"key":"k"},{"key":"!"}]}}`, `spec.tolerations[1].key: Invalid value: "!": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an`},
		{"", `{}`, `{"spec":{"schedulingGates":[{"name":"g"}]}}`, `spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'g'`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}]}}`, `{"spec":{"schedulingGates":[{"name":"h"}]}}`, `spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'`},
		{"", `{}`, `{"spec":{"nodeName":"n"}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"nodeSelector":{"a":"b"}}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"terminationGracePeriodSeconds":5}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"terminationGracePeriodSeconds":-1}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"containers":[{"name":"a","image":"i","command":["x"]}]}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"os":{"name":"linux"}}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"priority":5}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"restartPolicy":"Never"}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"dnsPolicy":"Default"}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{}`, `{"spec":{"hostname":"h"}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"nodeSelector":{"a":"b"}}}`, `{"spec":{"nodeSelector":{"a":"c"}}}`, `spec.nodeSelector: Invalid value: {"a":"c"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"nodeSelector":{"a":"b"}}}`, `{"spec":{"nodeSelector":null}}`, `spec.nodeSelector: Invalid value: null: only additions to spec.nodeSelector are allowed (no mutations or deletions)`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}}}}}`, `{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]},{"matchExpressions":[{"key":"l","operator":"Exists"}]}]}}}}}`, `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value:`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}}}}}`, `{"spec":{"affinity":null}}`, `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value: null: no additions/deletions to non-empty`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}}}}}`, `{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"l","operator":"Exists"}]}]}}}}}`, `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]: Invalid value:`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{}]}}}}}`, `{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"l","operator":"Exists"}]}]}}}}}`, `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]: Invalid value:`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}]}}`, `{"spec":{"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"k"}]}}}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n"}}`, `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"y"}}}`, `metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation`},
		{"", `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n"}}`, `{"metadata":{"annotations":null}}`, `metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not remove or update mirror pod annotation`},
		{"", `{"spec":{"nodeName":"n"}}`, `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}}}`, `metadata.annotations[kubernetes.io/config.mirror]: Forbidden: may not add mirror pod annotation`},
		{"", `{}`, `{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"unconfined"}}}`, `metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: Forbidden: may not add AppArmor annotations`},
		{"", `{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"unconfined"}}}`, `{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"runtime/default"}}}`, `metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: Forbidden: may not remove or update AppArmor annotations`},
		{"", `{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"unconfined"}}}`, `{"metadata":{"annotations":null}}`, `metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: Forbidden: may not remove or update AppArmor annotations`},
		{"", `{}`, `{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"x"}}}`, `metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "x": must be a 32bit integer`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["a"]}]}]}}}}}`, `{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchFields":[{"key":"metadata.name","operator":"In","values":["b"]}]}]}}}}}`, `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0]: Invalid value:`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"k","operator":"Exists"}]}]}}}}}`, `{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":null,"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"preference":{"matchExpressions":[{"key":"k","operator":"Exists"}]}}]}}}}`, `spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Invalid value: null: no additions/deletions to non-empty`},
		{"", `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `{"spec":{"initContainers":[{"name":"b","image":" j"}]}}`, `spec.initContainers[0].image: Invalid value: " j": must not have leading or trailing whitespace`},
		{"", `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `{"spec":{"initContainers":[{"name":"b","image":""}]}}`, `spec.initContainers[0].image: Required value`},
		{"", `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `{"spec":{"initContainers":null}}`, `spec.initContainers: Forbidden: pod updates may not add or remove containers`},
		{"", `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i","command":["x"]}]}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{"spec":{"volumes":[{"name":"v","emptyDir":{}}]}}`, `{"spec":{"volumes":null}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"j"}]}}`, `spec: Forbidden: pod updates may not change fields other than`},
		{"", `{"spec":{"tolerations":[{"key":"k","effect":"NoExecute","tolerationSeconds":5}]}}`, `{"spec":{"tolerations":null}}`, `spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds`},
		{"", `{"spec":{"schedulingGates":[{"name":"g"}],"schedulingGates":[{"name":"g"}]}}`, `{"spec":{"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"k"}]}}}}`, `spec: Forbidden: pod updates may not change fields other than`},
	})
}

func TestPodsWithEphemeralContainersRefused(t *testing.T) {
	testPodChanges(t, []podChange{
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"a","image":"i"}]}}`, `spec.ephemeralContainers[0].name: Duplicate value: "a"`},
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"e"}]}}`, `spec.ephemeralContainers[0].image: Required value`},
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"E","image":"i"}]}}`, `spec.ephemeralContainers[0].name: Invalid value: "E": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must`},
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"i","targetContainerName":"x"}]}}`, `spec.ephemeralContainers[0].targetContainerName: Not found: "x"`},
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"i","ports":[{"containerPort":80}]}]}}`, `spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container`},
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":" i"}]}}`, `spec.ephemeralContainers[0].image: Invalid value: " i": must not have leading or trailing whitespace`},
		{"ephemeralcontainers", `{}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"},{"name":"e","image":"i"}]}}`, `spec.ephemeralContainers[1].name: Duplicate value: "e"`},
		{"ephemeralcontainers", `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n"}}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`, `[]: Forbidden: static pods do not support ephemeral containers`},
		{"ephemeralcontainers", `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`, `{"spec":{"ephemeralContainers":[{"name":"e","image":"j"}]}}`, `spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be changed`},
		{"ephemeralcontainers", `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`, `{"spec":{"ephemeralContainers":[{"name":"f","image":"i"}]}}`, `spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be removed`},
		{"ephemeralcontainers", `{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}`, `{"spec":{"ephemeralContainers":null}}`, `spec.ephemeralContainers: Forbidden: existing ephemeral containers "e" may not be removed`},
	})
}

func TestPodResizesRefused(t *testing.T) {
	testPodChanges(t, []podChange{
		{"resize", `{"metadata":{"annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n"}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `[]: Forbidden: static pods cannot be resized`},
		{"resize", `{"spec":{"os":{"name":"windows"}}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `[]: Forbidden: windows pods cannot be resized`},
		{"resize", `{}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i"}]}}`, `spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"memory":"1Gi"}}}]}}`, `spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"2"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1","ephemeral-storage":"1"}}}]}}`, `spec: Forbidden: only cpu and memory resources are mutable`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[{"name":"z","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i"},{"name":"b","image":"i"}]}}`, `spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"b","image":"i"}]}}`, `{"spec":{"initContainers":[{"name":"c","image":"i","restartPolicy":null}]}}`, `spec.initContainers[0].name: Forbidden: initContainers may not be renamed or reordered on resize`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `spec.initContainers: Forbidden: initContainers may not be added or removed on resize`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i","resources":{"requests":{"ephemeral-storage":"1"}}}]}}`, `spec.initContainers[0].resources.requests: Forbidden: resource requests cannot be removed`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"NotRequired"}]}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]}]}}`, `spec.initContainers[0].resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": must not be set to 'RestartContainer' for non-sidecar initContainers`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"RestartContainer"}]}]}}`, `spec: Forbidden: only cpu and memory resources are mutable`},
		{"resize", `{"spec":{"resources":{"requests":{"cpu":"2"}},"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"resources":{"requests":null}}}`, `spec.resources.requests: Forbidden: pod-level resource requests cannot be removed`},
		{"resize", `{"spec":{"resources":{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"1"}}}}`, `{"spec":{"resources":{"limits":{"memory":null}}}}`, `spec.resources.limits: Forbidden: pod-level resource limits cannot be removed`},
		{"resize", `{"spec":{"resources":{"limits":{"cpu":"2"},"requests":{"cpu":"1"}}}}`, `{"spec":{"resources":{"limits":{"hugepages-2Mi":"2Mi"}}}}`, `spec: Forbidden: only cpu and memory resources are mutable at pod-level`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]},"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"2"}}}]}}`, `spec: Forbidden: Pod running on node without support for resize`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}},"restartPolicy":"Always"}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i","restartPolicy":"Always"}]}}`, `spec.initContainers[0].resources.requests: Forbidden: resource requests cannot be removed`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"2"}}}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `spec.initContainers[0].resources.limits: Forbidden: resource limits cannot be removed`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"2"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"3"},"limits":{"cpu":"2"}}}]}}`, `spec.containers[0].resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1","memory":"1Gi"},"limits":{"cpu":"1","memory":"1Gi"}}}]}}`, `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1","memory":"1Gi"},"limits":{"cpu":"2","memory":"1Gi"}}}]}}`, `spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing`},
		{"resize", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}],"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"spec":{"initContainers":[{"name":"b","image":"i","resources":{"requests":{"cpu":"1"}},"resizePolicy":[{"resourceName":"cpu","restartPolicy":"X"}]}]}}`, `spec.initContainers[0].resizePolicy: Unsupported value: "X": supported values: "NotRequired", "RestartContainer"`},
		{"resize", `{}`, `{"spec":{"resources":{"requests":{"cpu":"1"}}}}`, `spec: Invalid value: "BestEffort": Pod QOS Class may not change as a result of resizing`},
	})
}

func TestPodStatusRefused(t *testing.T) {
	testPodChanges(t, []podChange{
		{"status", `{}`, `{"status":{"conditions":[{"type":"!","status":"True"}]}}`, `status.conditions[0].Type: Invalid value: "!": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an`},
		{"status", `{}`, `{"status":{"conditions":[{"type":"Ready","status":"True","observedGeneration":-1}]}}`, `status.conditions[0].observedGeneration: Invalid value: -1: must be a non-negative integer`},
		{"status", `{}`, `{"status":{"nominatedNodeName":"A!"}}`, `status.nominatedNodeName: Invalid value: "A!": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and`},
		{"status", `{"spec":{"nodeName":"n"}}`, `{"status":{"nominatedNodeName":"m"}}`, `status.nominatedNodeName: Forbidden: may not be set on pods that are already bound to a node`},
		{"status", `{}`, `{"status":{"observedGeneration":-1}}`, `status.observedGeneration: Invalid value: -1: must be a non-negative integer`},
		{"status", `{}`, `{"status":{"qosClass":"Guaranteed"}}`, `status.qosClass: Invalid value: "Guaranteed": field is immutable`},
		{"status", `{"spec":{"restartPolicy":"Never"},"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state`},
		{"status", `{"spec":{"restartPolicy":"OnFailure"},"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state`},
		{"status", `{}`, `{"status":{"resourceClaimStatuses":[{"name":"x"}]}}`, "status.resourceClaimStatuses[0].name: Invalid value: \"x\": must match the name of an entry in `spec.resourceClaims`"},
		{"status", `{"spec":{"resourceClaims":[{"name":"x","resourceClaimName":"c"}]}}`, `{"status":{"resourceClaimStatuses":[{"name":"x","resourceClaimName":"A!"}]}}`, `status.resourceClaimStatuses[0].resourceClaimName: Invalid value: "A!": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric`},
		{"status", `{"spec":{"resourceClaims":[{"name":"x","resourceClaimName":"c"}]}}`, `{"status":{"resourceClaimStatuses":[{"name":"x"},{"name":"x"}]}}`, `status.resourceClaimStatuses[1].name: Duplicate value: "x"`},
		{"status", `{}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"c","requestMappings":[]}}}`, `status.extendedResourceClaimStatus.requestMappings: Required value: at least one request mapping is required`},
		{"status", `{}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"","requestMappings":[]}}}`, `status.extendedResourceClaimStatus.resourceClaimName: Required value`},
		{"status", `{}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"A!","requestMappings":[]}}}`, `status.extendedResourceClaimStatus.resourceClaimName: Invalid value: "A!": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric`},
		{"status", `{}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"c","requestMappings":[{"containerName":"x","resourceName":"a.b/c","requestName":"r"}]}}}`, `status.extendedResourceClaimStatus.requestMappings[0].containerName: Invalid value: "x": must match the name of an entry in spec.initContainers.name`},
		{"status", `{}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"c","requestMappings":[{"containerName":"a","resourceName":"a.b/c","requestName":"r"}]}}}`, `status.extendedResourceClaimStatus.requestMappings[0].resourceName: Invalid value: "a.b/c": must match the extended resource name of an entry in`},
		{"status", `{}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"c","requestMappings":[{"containerName":"a","resourceName":"a.b/c","requestName":"R"}]}}}`, `status.extendedResourceClaimStatus.requestName: Invalid value: "R": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or`},
		{"status", `{}`, `{"status":{"podIP":"x","podIPs":[{"ip":"x"}]}}`, `status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
		{"status", `{}`, `{"status":{"podIP":"1.1.1.1","podIPs":[{"ip":"1.1.1.1"},{"ip":"1.1.1.2"}]}}`, `status.podIPs: Invalid value: [{"IP":"1.1.1.1"},{"IP":"1.1.1.2"}]: may specify no more than one IP for each IP family`},
		{"status", `{}`, `{"status":{"podIP":"1.1.1.1","podIPs":[{"ip":"1.1.1.1"},{"ip":"::1"},{"ip":"::2"}]}}`, `status.podIPs: Invalid value: [{"IP":"1.1.1.1"},{"IP":"::1"},{"IP":"::2"}]: may specify no more than one IP for each IP family`},
		{"status", `{}`, `{"status":{"hostIP":"x","hostIPs":[{"ip":"x"}]}}`, `status.hostIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`},
		{"status", `{}`, `{"status":{"hostIP":"1.1.1.1","hostIPs":[{"ip":"1.1.1.1"},{"ip":"1.1.1.2"}]}}`, `status.hostIPs: Invalid value: [{"IP":"1.1.1.1"},{"IP":"1.1.1.2"}]: may specify no more than one IP for each IP family`},
		{"status", `{"spec":{"os":{"name":"windows"}}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":1,"gid":1}}}]}}`, `status.containerStatuses[0].user.linux: Forbidden: cannot be set for a windows pod`},
		{"status", `{}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":-1,"gid":1}}}]}}`, `status.containerStatuses[0].user.linux.uid: Invalid value: -1: must be between 0 and 4294967295, inclusive`},
		{"status", `{}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":1,"gid":-1}}}]}}`, `status.containerStatuses[0].user.linux.gid: Invalid value: -1: must be between 0 and 2147483647, inclusive`},
		{"status", `{}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":1,"gid":1,"supplementalGroups":[-1]}}}]}}`, `status.containerStatuses[0].user.linux.supplementalGroups[0]: Invalid value: -1: must be between 0 and 2147483647, inclusive`},
		{"status", `{}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"x"}]}]}}`, `status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "x": must match one of the container's resource requests`},
		{"status", `{}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"claim:x"}]}]}}`, `status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "claim:x": must match one of the container's resource claims as`},
		{"status", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"cpu","resources":[{"resourceID":"r","health":"X"}]}]}]}}`, `status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health: Unsupported value: "X": supported values: "Healthy", "Unhealthy", "Unknown"`},
		{"status", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"requests":{"cpu":"1"}}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"cpu","resources":[{"resourceID":"r","health":"Healthy"},{"resourceID":"r","health":"Healthy"}]}]}]}}`, `status.containerStatuses[0].allocatedResourcesStatus[0].resources[1].resourceID: Duplicate value: "r"`},
		{"status", `{"spec":{"initContainers":[{"name":"b","image":"i"}]}}`, `{"status":{"initContainerStatuses":[{"name":"b","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"x"}]}]}}`, `status.initContainerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "x": must match one of the container's resource requests`},
		{"status", `{}`, `{"status":{"ephemeralContainerStatuses":[{"name":"e","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"x"}]}]}}`, `status.ephemeralContainerStatuses[0].allocatedResourcesStatus: Forbidden: must not be specified in container status`},
		{"status", `{}`, `{"metadata":{"annotations":{"container.apparmor.security.beta.kubernetes.io/a":"unconfined"}},"status":{}}`, `metadata.annotations[container.apparmor.security.beta.kubernetes.io/a]: Forbidden: may not add AppArmor annotations`},
		{"status", `{"status":{"ephemeralContainerStatuses":[{"name":"e","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`, `{"status":{"ephemeralContainerStatuses":[{"name":"e","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state`},
		{"status", `{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"In","values":[1]}}]}]},"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state`},
		{"status", `{"spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i","restartPolicy":"Never","restartPolicyRules":[{"action":"Restart","exitCodes":{"operator":"NotIn","values":[0]}}]}]},"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state`},
		{"status", `{"spec":{"restartPolicy":"Never","initContainers":[{"name":"b","image":"i"}]},"status":{"initContainerStatuses":[{"name":"b","image":"i","imageID":"","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0}}}]}}`, `{"status":{"initContainerStatuses":[{"name":"b","image":"i","imageID":"","ready":true,"restartCount":0,"state":{"running":{}}}]}}`, `status.initContainerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state`},
		{"status", `{"spec":{"containers":[{"name":"a","image":"i","resources":{"limits":{"a.b/c":"1"}}}]}}`, `{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"c","requestMappings":[{"containerName":"a","resourceName":"a.b/c","requestName":"r"},{"containerName":"a","resourceName":"a.b/c","requestName":"r"}]}}}`, `status.extendedResourceClaimStatus.requestMappings[1].containerName: Duplicate value: "a"`},
		{"status", `{"spec":{"resourceClaims":[{"name":"x","resourceClaimName":"c"}],"containers":[{"name":"a","image":"i","resources":{"claims":[{"name":"x","request":"r"}]}}]}}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"allocatedResourcesStatus":[{"name":"claim:x"}]}]}}`, `status.containerStatuses[0].allocatedResourcesStatus[0].name: Invalid value: "claim:x": must match one of the container's resource claims as`},
		{"status", `{"spec":{"os":{"name":"windows"},"initContainers":[{"name":"b","image":"i"}]}}`, `{"status":{"initContainerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":1,"gid":1}}}]}}`, `status.initContainerStatuses[0].user.linux: Forbidden: cannot be set for a windows pod`},
		{"status", `{}`, `{"status":{"containerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":4294967296,"gid":1}}}]}}`, `status.containerStatuses[0].user.linux.uid: Invalid value: 4294967296: must be between 0 and 4294967295, inclusive`},
		{"status", `{}`, `{"status":{"ephemeralContainerStatuses":[{"name":"a","image":"i","imageID":"","ready":true,"restartCount":0,"user":{"linux":{"uid":1,"gid":1,"supplementalGroups":[2147483648]}}}]}}`, `status.ephemeralContainerStatuses[0].user.linux.supplementalGroups[0]: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive`},
	})
}

func TestPodTemplateUpdatesRefused(t *testing.T) {
	const template = "PodTemplate"
	testUpdateRefused(t, []refusal{
		{template, `{"template":{"spec":{"containers":[]}}}`, `template.spec.containers: Required value`},
		{template, `{"template":{"spec":{"restartPolicy":"X"}}}`, `template.spec.restartPolicy: Unsupported value: "X": supported values: "Always", "OnFailure", "Never"`},
		{template, `{"template":{"metadata":{"labels":{"!":"a"}}}}`, `template.labels: Invalid value: "!": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric`},
		{template, `{"template":{"spec":{"ephemeralContainers":[{"name":"e","image":"i"}]}}}`, `template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template`},
		{template, `{"template":{"spec":{"volumes":[{"name":"v","secret":{}}]}}}`, `template.spec.volumes[0].secret.secretName: Required value`},
	})
}
