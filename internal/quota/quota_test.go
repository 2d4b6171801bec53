package quota_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/keelson-project/keelson/internal/quota"
)

func decode(t *testing.T, version, kind, body string) runtime.Object {
	t.Helper()
	obj, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(`{"apiVersion":"`+version+`","kind":"`+kind+`",`+body+`}`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func meter(t *testing.T) *quota.Meter {
	return quota.New(func(context.Context) quota.Lookup {
		return quota.Lookup{
			ExtendedResource: func(class string) string { return map[string]string{"gpu": "example.com/gpu"}[class] },
			HasClass:         func(name corev1.ResourceName) bool { return name == "example.com/gpu" },
			Pod: func(_, name string) *corev1.Pod {
				if name != "p" {
					return nil
				}
				return decode(t, "v1", "Pod", `"metadata":{"name":"p","uid":"u"},"spec":{"containers":[{"name":"a","resources":{"requests":{"example.com/gpu":"1"}}}]}`).(*corev1.Pod)
			},
			Owned: func(string, types.UID) []*resourcev1.ResourceClaim { return nil },
		}
	})
}

func text(list corev1.ResourceList) string {
	var parts []string
	for _, name := range quota.Names(list) {
		q := list[name]
		parts = append(parts, string(name)+"="+q.String())
	}
	return strings.Join(parts, " ")
}

func evaluator(t *testing.T, obj runtime.Object) quota.Evaluator {
	gvr, _ := meta.UnsafeGuessKindToResource(obj.GetObjectKind().GroupVersionKind())
	return meter(t).Of(t.Context(), gvr.GroupResource())
}

func TestUsage(t *testing.T) {
	container := func(requests, limits string) string {
		return `{"name":"a","resources":{"requests":{` + requests + `},"limits":{` + limits + `}}}`
	}
	gpu := func(more string) string {
		return `"metadata":{"namespace":"n","name":"c",` + more + `},"spec":{"devices":{"requests":[{"name":"r","exactly":{"deviceClassName":"gpu","allocationMode":"ExactCount","count":3}}]}}`
	}
	const owned = `"annotations":{"resource.kubernetes.io/extended-resource-claim":"true"},"ownerReferences":[{"apiVersion":"v1","kind":"Pod","name":"p","uid":"u","controller":true}]`
	for _, c := range []struct{ name, version, kind, body, want string }{
		{"pod without resources", "v1", "Pod", `"spec":{"containers":[{"name":"a"}]}`, "count/pods=1 pods=1"},
		{"pod", "v1", "Pod", `"spec":{"containers":[` + container(`"cpu":"1","memory":"2","ephemeral-storage":"3"`, `"cpu":"4","memory":"5","ephemeral-storage":"6"`) + `]}`,
			"count/pods=1 cpu=1 ephemeral-storage=3 limits.cpu=4 limits.ephemeral-storage=6 limits.memory=5 memory=2 pods=1 requests.cpu=1 requests.ephemeral-storage=3 requests.memory=2"},
		{"pod with special resources", "v1", "Pod", `"spec":{"containers":[` + container(`"hugepages-2Mi":"2Mi","example.com/x":"1","kubernetes.io/y":"1","deviceclass.resource.kubernetes.io/z":"2"`, ``) + `]}`,
			"count/pods=1 hugepages-2Mi=2Mi pods=1 requests.deviceclass.resource.kubernetes.io/z=2 requests.example.com/x=1 requests.hugepages-2Mi=2Mi"},
		{"pod with overhead and init containers", "v1", "Pod", `"spec":{"overhead":{"cpu":"1"},"initContainers":[` + container(`"cpu":"5"`, ``) + `],"containers":[` + container(`"cpu":"1"`, ``) + `]}`,
			"count/pods=1 cpu=6 pods=1 requests.cpu=6"},
		{"pod that failed", "v1", "Pod", `"spec":{"containers":[` + container(`"cpu":"1"`, ``) + `]},"status":{"phase":"Failed"}`, "count/pods=1"},
		{"cluster IP", "v1", "Service", `"spec":{"type":"ClusterIP","ports":[{"port":1}]}`, "count/services=1 services=1 services.loadbalancers=0 services.nodeports=0"},
		{"node port", "v1", "Service", `"spec":{"type":"NodePort","ports":[{"port":1},{"port":2}]}`, "count/services=1 services=1 services.loadbalancers=0 services.nodeports=2"},
		{"load balancer", "v1", "Service", `"spec":{"type":"LoadBalancer","ports":[{"port":1},{"port":2}]}`, "count/services=1 services=1 services.loadbalancers=1 services.nodeports=2"},
		{"load balancer without node ports", "v1", "Service", `"spec":{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"ports":[{"port":1},{"port":2,"nodePort":30000}]}`, "count/services=1 services=1 services.loadbalancers=1 services.nodeports=1"},
		{"claim", "v1", "PersistentVolumeClaim", `"spec":{"resources":{"requests":{"storage":"1500m"}}}`, "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=2"},
		{"claim of a class", "v1", "PersistentVolumeClaim", `"spec":{"storageClassName":"gold","resources":{"requests":{"storage":"1Gi"}}}`,
			"count/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/persistentvolumeclaims=1 gold.storageclass.storage.k8s.io/requests.storage=1Gi persistentvolumeclaims=1 requests.storage=1Gi"},
		{"claim of an old class", "v1", "PersistentVolumeClaim", `"metadata":{"annotations":{"volume.beta.kubernetes.io/storage-class":"old"}},"spec":{"storageClassName":"gold"}`,
			"count/persistentvolumeclaims=1 old.storageclass.storage.k8s.io/persistentvolumeclaims=1 persistentvolumeclaims=1"},
		{"claim that got more", "v1", "PersistentVolumeClaim", `"spec":{"resources":{"requests":{"storage":"1"}}},"status":{"allocatedResources":{"storage":"3"}}`, "count/persistentvolumeclaims=1 persistentvolumeclaims=1 requests.storage=3"},
		{"config map", "v1", "ConfigMap", `"data":{}`, "configmaps=1 count/configmaps=1"},
		{"anything", "apps/v1", "Deployment", `"spec":{}`, "count/deployments.apps=1"},
		{"devices", "resource.k8s.io/v1", "ResourceClaim", gpu(`"generateName":"c"`), "count/resourceclaims.resource.k8s.io=1 gpu.deviceclass.resource.k8s.io/devices=3 requests.deviceclass.resource.kubernetes.io/gpu=3 requests.example.com/gpu=3"},
		{"devices that a pod has asked for", "resource.k8s.io/v1", "ResourceClaim", gpu(owned), "count/resourceclaims.resource.k8s.io=1 gpu.deviceclass.resource.k8s.io/devices=3 requests.deviceclass.resource.kubernetes.io/gpu=3 requests.example.com/gpu=2"},
		{"the worst of several", "resource.k8s.io/v1", "ResourceClaim", `"spec":{"devices":{"requests":[{"name":"r","firstAvailable":[{"name":"a","deviceClassName":"x","allocationMode":"ExactCount","count":2},{"name":"b","deviceClassName":"x","allocationMode":"All"},{"name":"c","deviceClassName":"y","allocationMode":"ExactCount","count":1}]}]}}`,
			"count/resourceclaims.resource.k8s.io=1 requests.deviceclass.resource.kubernetes.io/x=32 requests.deviceclass.resource.kubernetes.io/y=1 x.deviceclass.resource.k8s.io/devices=32 y.deviceclass.resource.k8s.io/devices=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			obj := decode(t, c.version, c.kind, c.body)
			e := evaluator(t, obj)
			list := e.Usage(obj)
			if got := text(list); got != c.want {
				t.Errorf("uses\n%s, want\n%s", got, c.want)
			}
			for name := range list {
				named := e.Measures(name)
				unlimited := strings.HasPrefix(string(name), "requests.deviceclass.") && c.kind == "ResourceClaim" // known by its class
				if !named && !unlimited {
					t.Errorf("%s is used and not measured", name)
				}
			}
		})
	}
}

func TestNotMeasured(t *testing.T) {
	for _, c := range []struct{ version, kind string }{{"v1", "Event"}, {"v1", "Binding"}, {"events.k8s.io/v1", "Event"}, {"authorization.k8s.io/v1", "LocalSubjectAccessReview"}} {
		if e := evaluator(t, decode(t, c.version, c.kind, `"metadata":{}`)); e != nil {
			t.Errorf("%s of %s is measured", c.kind, c.version)
		}
	}
	for name, want := range map[corev1.ResourceName]bool{"cpu": true, "requests.example.com/x": true, "requests.kubernetes.io/x": false, "example.com/x": false, "services": false, "requests.hugepages-1Gi": true} {
		if got := evaluator(t, decode(t, "v1", "Pod", `"spec":{}`)).Measures(name); got != want {
			t.Errorf("pods and %s: %t", name, got)
		}
	}
}

// A pod that should have stopped long ago is on a node that is lost.
func TestLostPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pod := decode(t, "v1", "Pod", `"metadata":{"deletionTimestamp":"`+time.Now().Format(time.RFC3339)+`","deletionGracePeriodSeconds":30},"spec":{"containers":[{"name":"a"}]}`)
		e := evaluator(t, pod)
		for _, want := range []string{"count/pods=1 pods=1", "count/pods=1"} {
			if got := text(e.Usage(pod)); got != want {
				t.Errorf("uses %s, want %s", got, want)
			}
			time.Sleep(31 * time.Second)
		}
	})
}

func TestScopes(t *testing.T) {
	pod := func(spec string) runtime.Object { return decode(t, "v1", "Pod", `"spec":{`+spec+`}`) }
	claim := func(body string) runtime.Object { return decode(t, "v1", "PersistentVolumeClaim", body) }
	const burstable = `"containers":[{"name":"a","resources":{"requests":{"cpu":"1"}}}]`
	for _, c := range []struct {
		name, scope string
		obj         runtime.Object
		want        bool
	}{
		{"deadline", `"scopes":["Terminating"]`, pod(`"activeDeadlineSeconds":1`), true},
		{"no deadline", `"scopes":["Terminating"]`, pod(``), false},
		{"no deadline wanted", `"scopes":["NotTerminating"]`, pod(``), true},
		{"best effort", `"scopes":["BestEffort"]`, pod(`"containers":[{"name":"a"}]`), true},
		{"better", `"scopes":["BestEffort"]`, pod(burstable), false},
		{"better wanted", `"scopes":["NotBestEffort"]`, pod(burstable), true},
		{"one of two", `"scopes":["NotBestEffort","Terminating"]`, pod(burstable), false},
		{"a class", `"scopes":["PriorityClass"]`, pod(`"priorityClassName":"high"`), true},
		{"no class", `"scopes":["PriorityClass"]`, pod(``), false},
		{"the class", `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]}`, pod(`"priorityClassName":"high"`), true},
		{"another class", `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"In","values":["high"]}]}`, pod(`"priorityClassName":"low"`), false},
		{"any other class", `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"NotIn","values":["high"]}]}`, pod(`"priorityClassName":"low"`), true},
		{"none wanted", `"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"DoesNotExist"}]}`, pod(``), true},
		{"abroad", `"scopes":["CrossNamespacePodAffinity"]`, pod(`"affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"podAffinityTerm":{"topologyKey":"k","namespaces":["x"]}}]}}`), true},
		{"at home", `"scopes":["CrossNamespacePodAffinity"]`, pod(`"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[{"topologyKey":"k"}]}}`), false},
		{"attributes class", `"scopes":["VolumeAttributesClass"]`, claim(`"spec":{"volumeAttributesClassName":"fast"}`), true},
		{"one it changes to", `"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"In","values":["fast"]}]}`, claim(`"spec":{"volumeAttributesClassName":"slow"},"status":{"modifyVolumeStatus":{"targetVolumeAttributesClassName":"fast","status":"InProgress"}}`), true},
		{"no attributes class", `"scopeSelector":{"matchExpressions":[{"scopeName":"VolumeAttributesClass","operator":"NotIn","values":["fast"]}]}`, claim(`"spec":{}`), true},
		{"claims have no priority", `"scopes":["PriorityClass"]`, claim(`"spec":{}`), false},
		{"services have no scope", `"scopes":["Terminating"]`, decode(t, "v1", "Service", `"spec":{}`), false},
	} {
		q := decode(t, "v1", "ResourceQuota", `"spec":{`+c.scope+`},"status":{"hard":{"pods":"1","services":"1","persistentvolumeclaims":"1"}}`).(*corev1.ResourceQuota)
		if got, err := quota.Matches(evaluator(t, c.obj), q, c.obj); err != nil || got != c.want {
			t.Errorf("%s: %t, %v", c.name, got, err)
		}
	}
	wrong := decode(t, "v1", "ResourceQuota", `"metadata":{"name":"q"},"spec":{"scopeSelector":{"matchExpressions":[{"scopeName":"PriorityClass","operator":"Like"}]}},"status":{"hard":{"pods":"1"}}`).(*corev1.ResourceQuota)
	if _, err := quota.Matches(evaluator(t, pod(``)), wrong, pod(``)); err == nil || !strings.Contains(err.Error(), `"Like" is not a valid scope selector operator`) {
		t.Errorf("an unknown operator: %v", err)
	}
}

func TestDemand(t *testing.T) {
	for _, c := range []struct{ name, spec, names, want string }{
		{"all named", `"containers":[{"name":"a","resources":{"requests":{"cpu":"1"},"limits":{"cpu":"1"}}}]`, "cpu limits.cpu pods", ""},
		{"missing", `"initContainers":[{"name":"i"}],"containers":[{"name":"b"},{"name":"a","resources":{"requests":{"cpu":"1"}}}]`, "limits.memory requests.cpu", "must specify limits.memory for: a,b,i; requests.cpu for: b,i"},
		{"others need not be named", `"containers":[{"name":"a"}]`, "ephemeral-storage requests.example.com/x", ""},
		{"the pod names them", `"resources":{"requests":{"cpu":"1"}},"containers":[{"name":"a"}]`, "limits.cpu", ""},
	} {
		var names []corev1.ResourceName
		for _, n := range strings.Fields(c.names) {
			names = append(names, corev1.ResourceName(n))
		}
		pod := decode(t, "v1", "Pod", `"spec":{`+c.spec+`}`)
		got := ""
		if err := evaluator(t, pod).Demand(pod, names); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLists(t *testing.T) {
	list := func(pairs string) corev1.ResourceList {
		return decode(t, "v1", "ResourceQuota", `"spec":{"hard":{`+pairs+`}}`).(*corev1.ResourceQuota).Spec.Hard
	}
	a, b := list(`"x":"1","y":"2"`), list(`"y":"3","z":"4"`)
	for _, c := range []struct {
		name, got, want string
	}{
		{"sum", text(quota.Add(a, b)), "x=1 y=5 z=4"},
		{"growth", text(quota.Growth(a, b)), "x=1 y=0 z=0"},
		{"growth the other way", text(quota.Growth(b, a)), "x=0 y=1 z=4"},
		{"part", text(quota.Pick(a, func(n corev1.ResourceName) bool { return n == "y" })), "y=2"},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", c.name, c.got, c.want)
		}
	}
	if !quota.Equal(list(`"x":"1000m"`), list(`"x":"1"`)) || quota.Equal(a, b) {
		t.Error("lists are compared by their text")
	}
	if !slices.Equal(quota.Names(a), []corev1.ResourceName{"x", "y"}) {
		t.Errorf("names are %v", quota.Names(a))
	}
}
