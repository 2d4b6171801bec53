package builtin

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/api/operation"
)

func TestAppsRefused(t *testing.T)       { testRefused(t, appsRefused) }
func TestAppsUpdateRefused(t *testing.T) { testUpdateRefused(t, appsUpdateRefused) }
func TestAppsStatusRefused(t *testing.T) { testStatusRefused(t, appsStatusRefused) }

// testStatusRefused is testUpdateRefused for changes of the status.
func testStatusRefused(t *testing.T, cases []refusal) {
	for _, c := range cases {
		t.Run(c.kind+"/"+c.patch, func(t *testing.T) {
			k := kindOf(t, c.kind)
			now, old := changed(t, k, c.patch)
			if k.Status.PrepareUpdate != nil {
				k.Status.PrepareUpdate(context.Background(), now, old)
			}
			errs := declared(k, operation.Update, now, old)
			expect(t, append(errs, k.Status.ValidateUpdate(context.Background(), now, old)...), c.want)
		})
	}
}

var appsRefused = []refusal{
	{"Deployment", `{"spec":{"selector":null}}`, "spec.selector: Required value"},
	{"Deployment", `{"spec":{"selector":{"matchLabels":null}}}`, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
	{"Deployment", `{"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`, `spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Near"}]}: invalid label selector`},
	{"Deployment", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"spec":{"template":{"spec":{"activeDeadlineSeconds":1}}}}`, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"},
	{"Deployment", `{"spec":{"template":{"spec":{"containers":[]}}}}`, "spec.template.spec.containers: Required value"},
	{"ReplicaSet", `{"spec":{"selector":null}}`, "spec.selector: Required value"},
	{"ReplicaSet", `{"spec":{"selector":{"matchLabels":null}}}`, "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
	{"ReplicaSet", `{"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`, `spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Near"}]}: invalid label selector`},
	{"ReplicaSet", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"spec":{"template":{"spec":{"activeDeadlineSeconds":1}}}}`, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"},
	{"ReplicaSet", `{"spec":{"template":{"spec":{"containers":[]}}}}`, "spec.template.spec.containers: Required value"},
	{"StatefulSet", `{"spec":{"selector":null}}`, "spec.selector: Required value"},
	{"StatefulSet", `{"spec":{"selector":{"matchLabels":null}}}`, "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"},
	{"StatefulSet", `{"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`, `spec.selector: Invalid value: {"matchLabels":{"a":"b"},"matchExpressions":[{"key":"a","operator":"Near"}]}`},
	{"StatefulSet", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"spec":{"template":{"spec":{"activeDeadlineSeconds":1}}}}`, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported"},
	{"StatefulSet", `{"spec":{"template":{"spec":{"containers":[]}}}}`, "spec.template.spec.containers: Required value"},
	{"ReplicaSet", `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"spec":{"selector":{"matchLabels":{"a":"c"}}}}`, "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
	{"ReplicaSet", `{"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`, `spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`},
	{"StatefulSet", `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"spec":{"selector":{"matchLabels":{"a":"c"}}}}`, "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
	{"StatefulSet", `{"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`, `spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`},
	{"Deployment", `{"spec":{"strategy":{"type":"Other"}}}`, `spec.strategy: Unsupported value: {"Type":"Other","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"`},
	{"Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":-1}}}}`, "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":"x"}}}}`, "spec.strategy.rollingUpdate.maxUnavailable: Invalid value"},
	{"Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxSurge":"x"}}}}`, "spec.strategy.rollingUpdate.maxSurge: Invalid value"},
	{"Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":0,"maxSurge":0}}}}`, "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"},
	{"Deployment", `{"spec":{"strategy":{"rollingUpdate":{"maxUnavailable":"101%"}}}}`, `spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%`},
	{"Deployment", `{"spec":{"revisionHistoryLimit":-1}}`, "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"spec":{"progressDeadlineSeconds":-1}}`, "spec.progressDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"spec":{"progressDeadlineSeconds":5,"minReadySeconds":5}}`, "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"},
	{"StatefulSet", `{"spec":{"updateStrategy":{"type":"Other"}}}`, `spec.updateStrategy: Invalid value: {"Type":"Other","RollingUpdate":null}: must be 'RollingUpdate' or 'OnDelete'`},
	{"StatefulSet", `{"spec":{"updateStrategy":{"type":"OnDelete","rollingUpdate":{"partition":1}}}}`, `spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'`},
	{"StatefulSet", `{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"partition":-1}}}}`, "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0}}}}`, "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"},
	{"StatefulSet", `{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"x"}}}}`, "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value"},
	{"StatefulSet", `{"spec":{"updateStrategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"101%"}}}}`, `spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%`},
	{"StatefulSet", `{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Other"}}}`, `spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Other": supported values: "Retain", "Delete"`},
	{"StatefulSet", `{"spec":{"persistentVolumeClaimRetentionPolicy":{"whenScaled":"Other"}}}`, `spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Other": supported values: "Retain", "Delete"`},
	{"StatefulSet", `{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"c"},"spec":{"resources":{"requests":{"storage":"1"}}}}]}}`, "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required"},
	{"StatefulSet", `{"spec":{"ordinals":{"start":-1}}}`, "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"spec":{"serviceName":"A"}}`, "spec.serviceName: Invalid value"},
	{"StatefulSet", `{"spec":{"template":{"metadata":{"labels":{"a":"b","!":"c"}}}}}`, "spec.template.labels: Invalid value"},
	{"StatefulSet", `{"spec":{"template":{"metadata":{"annotations":{"!":"c"}}}}}`, "spec.template.annotations: Invalid value"},
	{"DaemonSet", `{"spec":{"selector":{"matchLabels":{"a":"c"}}}}`, "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
	{"DaemonSet", `{"spec":{"selector":{"matchLabels":null}}}`, "spec.selector: Invalid value: {}: empty selector is invalid for daemonset"},
	{"DaemonSet", `{"spec":{"selector":{"matchExpressions":[{"key":"a","operator":"Near"}]}}}`, `spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator`},
	{"DaemonSet", `{"spec":{"template":{"spec":{"restartPolicy":"Never"}}}}`, `spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"`},
	{"DaemonSet", `{"spec":{"template":{"spec":{"activeDeadlineSeconds":1}}}}`, "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported"},
	{"DaemonSet", `{"spec":{"template":{"spec":{"containers":[]}}}}`, "spec.template.spec.containers: Required value"},
	{"DaemonSet", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"spec":{"revisionHistoryLimit":-1}}`, "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":"x"}}}}`, "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value"},
	{"DaemonSet", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":"x"}}}}`, "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value"},
	{"DaemonSet", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":"101%"}}}}`, `spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%`},
	{"DaemonSet", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":"101%","maxUnavailable":0}}}}`, `spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "101%": must not be greater than 100%`},
	{"DaemonSet", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxSurge":1}}}}`, "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero"},
	{"DaemonSet", `{"spec":{"updateStrategy":{"rollingUpdate":{"maxUnavailable":0}}}}`, "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"},
	{"ControllerRevision", `{"data":null}`, "data: Required value: data is mandatory"},
	{"ControllerRevision", `{"data":1}`, "data: Required value: data must be a valid JSON object"},
	{"ControllerRevision", `{"data":[]}`, "data: Required value: data must be a valid JSON object"},
	{"ControllerRevision", `{"data":"x"}`, "data: Required value: data must be a valid JSON object"},
	{"StatefulSet", `{"spec":{"template":{"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"v","emptyDir":{}}]}},"volumeClaimTemplates":[{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}}]}}`, `spec.template.spec.volumes[2].name: Duplicate value: "v"`},
}

var appsUpdateRefused = []refusal{
	{"ControllerRevision", `{"data":{"x":1}}`, `data: Invalid value: {"x":1}: field is immutable`},
	{"ControllerRevision", `{"revision":-1}`, "revision: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"spec":{"selector":{"matchLabels":{"a":"b","c":"d"}}}}`, `spec.selector: Invalid value: {"matchLabels":{"a":"b","c":"d"}}: field is immutable`},
	{"Deployment", `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"spec":{"minReadySeconds":-1}}`, "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"spec":{"selector":{"matchLabels":{"a":"b","c":"d"}}}}`, "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
	{"StatefulSet", `{"spec":{"volumeClaimTemplates":[{"metadata":{"name":"c"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}}]}}`, "spec.volumeClaimTemplates: Invalid value"},
	{"StatefulSet", `{"spec":{"podManagementPolicy":"Parallel"}}`, `spec.podManagementPolicy: Invalid value: "Parallel": field is immutable`},
	{"StatefulSet", `{"spec":{"replicas":-1}}`, "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"spec":{"ordinals":{"start":-1}}}`, "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"},
}

var appsStatusRefused = []refusal{
	{"Deployment", `{"status":{"replicas":-1}}`, "status.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"readyReplicas":-1}}`, "status.readyReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"availableReplicas":-1}}`, "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"observedGeneration":-1}}`, "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"replicas":1,"readyReplicas":2}}`, "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"},
	{"Deployment", `{"status":{"replicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas"},
	{"Deployment", `{"status":{"replicas":2,"readyReplicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"},
	{"ReplicaSet", `{"status":{"replicas":-1}}`, "status.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"status":{"readyReplicas":-1}}`, "status.readyReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"status":{"availableReplicas":-1}}`, "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"status":{"observedGeneration":-1}}`, "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"status":{"replicas":1,"readyReplicas":2}}`, "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"},
	{"ReplicaSet", `{"status":{"replicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas"},
	{"ReplicaSet", `{"status":{"replicas":2,"readyReplicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"},
	{"StatefulSet", `{"status":{"replicas":-1}}`, "status.replicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"readyReplicas":-1}}`, "status.readyReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"availableReplicas":-1}}`, "status.availableReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"observedGeneration":-1}}`, "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"replicas":1,"readyReplicas":2}}`, "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"},
	{"StatefulSet", `{"status":{"replicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than status.replicas"},
	{"StatefulSet", `{"status":{"replicas":2,"readyReplicas":1,"availableReplicas":2}}`, "status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas"},
	{"Deployment", `{"status":{"updatedReplicas":-1}}`, "status.updatedReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"updatedReplicas":1}}`, "status.updatedReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"Deployment", `{"status":{"unavailableReplicas":-1}}`, "status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"terminatingReplicas":-1}}`, "status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"Deployment", `{"status":{"collisionCount":-1}}`, "status.collisionCount: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"status":{"fullyLabeledReplicas":-1}}`, "status.fullyLabeledReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"ReplicaSet", `{"status":{"fullyLabeledReplicas":1}}`, "status.fullyLabeledReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"ReplicaSet", `{"status":{"terminatingReplicas":-1}}`, "status.terminatingReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"currentReplicas":-1}}`, "status.currentReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"currentReplicas":1}}`, "status.currentReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"StatefulSet", `{"status":{"updatedReplicas":-1}}`, "status.updatedReplicas: Invalid value: -1: must be greater than or equal to 0"},
	{"StatefulSet", `{"status":{"updatedReplicas":1}}`, "status.updatedReplicas: Invalid value: 1: cannot be greater than status.replicas"},
	{"StatefulSet", `{"status":{"collisionCount":-1}}`, "status.collisionCount: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"currentNumberScheduled":-1}}`, "status.currentNumberScheduled: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"numberMisscheduled":-1}}`, "status.numberMisscheduled: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"desiredNumberScheduled":-1}}`, "status.desiredNumberScheduled: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"numberReady":-1}}`, "status.numberReady: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"observedGeneration":-1}}`, "status.observedGeneration: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"updatedNumberScheduled":-1}}`, "status.updatedNumberScheduled: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"numberAvailable":-1}}`, "status.numberAvailable: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"numberUnavailable":-1}}`, "status.numberUnavailable: Invalid value: -1: must be greater than or equal to 0"},
	{"DaemonSet", `{"status":{"collisionCount":-1}}`, "status.collisionCount: Invalid value: -1: must be greater than or equal to 0"},
}
