package limitranger_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/limitranger"
)

// ranges makes a step of limit ranges, each given as its list of limits.
func ranges(t *testing.T, limits ...string) limitranger.Plugin {
	var all []*corev1.LimitRange
	for _, text := range limits {
		all = append(all, admissiontest.Decode(t, `{"apiVersion":"v1","kind":"LimitRange","spec":{"limits":`+text+`}}`).(*corev1.LimitRange))
	}
	return limitranger.Plugin{Ranges: func(context.Context, string) (iter.Seq[*corev1.LimitRange], error) { return slices.Values(all), nil }}
}

func pod(containers string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{` + containers + `}}`
}

func claim(size string) string {
	return `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"},"spec":{"resources":{"requests":` + size + `}}}`
}

func TestDefaults(t *testing.T) {
	step := ranges(t, `[{"type":"Container","default":{"cpu":"1","memory":"1Gi"},"defaultRequest":{"cpu":"100m"}}]`, `[{"type":"Container","defaultRequest":{"memory":"1Mi"}}]`)
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "all of it", Object: pod(`"containers":[{"name":"a"}]`), Want: `{
			"metadata":{"annotations":{"kubernetes.io/limit-ranger":"LimitRanger plugin set: memory request for container a"}},
			"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"100m","memory":"1Mi"}}}]}}`},
		{Name: "what is missing", Object: pod(`"containers":[{"name":"a","resources":{"limits":{"cpu":"2","memory":"2"},"requests":{"memory":"1"}}}]`), Want: `{
			"metadata":{"annotations":{"kubernetes.io/limit-ranger":"LimitRanger plugin set: cpu request for container a"}},
			"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"2","memory":"2"},"requests":{"cpu":"100m","memory":"1"}}}]}}`},
		{Name: "init containers too", Object: pod(`"initContainers":[{"name":"i","resources":{"requests":{"memory":"1"},"limits":{"memory":"1"}}}]`), Want: `{
			"metadata":{"annotations":{"kubernetes.io/limit-ranger":"LimitRanger plugin set: cpu request for init container i; cpu limit for init container i"}},
			"spec":{"initContainers":[{"name":"i","resources":{"limits":{"cpu":"1","memory":"1"},"requests":{"cpu":"100m","memory":"1"}}}]}}`},
		{Name: "a pod that is there", Object: pod(`"containers":[{"name":"a"}]`), Old: pod(`"containers":[{"name":"a"}]`)},
	})
}

func TestLimits(t *testing.T) {
	step := ranges(t, `[
		{"type":"Container","min":{"cpu":"100m"},"max":{"cpu":"1"}},
		{"type":"Container","maxLimitRequestRatio":{"memory":"2"}},
		{"type":"Pod","max":{"cpu":"2"}},
		{"type":"PersistentVolumeClaim","min":{"storage":"1Gi"},"max":{"storage":"5Gi"}}]`)
	container := func(name, requests, limits string) string {
		return `{"name":"` + name + `","resources":{"requests":{` + requests + `},"limits":{` + limits + `}}}`
	}
	good := container("a", `"cpu":"200m","memory":"1"`, `"cpu":"1","memory":"2"`)
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "within", Object: pod(`"containers":[` + good + `]`)},
		{Name: "nothing requested", Object: pod(`"containers":[` + container("a", `"memory":"1"`, `"cpu":"1","memory":"2"`) + `]`), Refused: `pods "p" is forbidden: minimum cpu usage per Container is 100m.  No request is specified`},
		{Name: "little requested", Object: pod(`"containers":[` + container("a", `"cpu":"10m","memory":"1"`, `"cpu":"1","memory":"2"`) + `]`), Refused: "minimum cpu usage per Container is 100m, but request is 10m"},
		{Name: "low limit", Object: pod(`"containers":[` + container("a", `"cpu":"100m","memory":"1"`, `"cpu":"50m","memory":"2"`) + `]`), Refused: "minimum cpu usage per Container is 100m, but limit is 50m"},
		{Name: "no limit", Object: pod(`"containers":[` + container("a", `"cpu":"100m","memory":"1"`, `"memory":"2"`) + `]`), Refused: "maximum cpu usage per Container is 1.  No limit is specified"},
		{Name: "high limit", Object: pod(`"containers":[` + container("a", `"cpu":"100m","memory":"1"`, `"cpu":"1500m","memory":"2"`) + `]`), Refused: "maximum cpu usage per Container is 1, but limit is 1500m"},
		{Name: "high request", Object: pod(`"containers":[` + container("a", `"cpu":"1100m","memory":"1"`, `"cpu":"1","memory":"2"`) + `]`), Refused: "maximum cpu usage per Container is 1, but request is 1100m"},
		{Name: "ratio", Object: pod(`"containers":[` + container("a", `"cpu":"1","memory":"1"`, `"cpu":"1","memory":"3"`) + `]`), Refused: "memory max limit to request ratio per Container is 2, but provided ratio is 3.000000"},
		{Name: "ratio without request", Object: pod(`"containers":[` + container("a", `"cpu":"1"`, `"cpu":"1","memory":"3"`) + `]`), Refused: "memory max limit to request ratio per Container is 2, but no request is specified or request is 0"},
		{Name: "ratio without limit", Object: pod(`"containers":[` + container("a", `"cpu":"1","memory":"1"`, `"cpu":"1"`) + `]`), Refused: "memory max limit to request ratio per Container is 2, but no limit is specified or limit is 0"},
		{Name: "several", Object: pod(`"containers":[` + container("a", `"cpu":"1","memory":"1"`, `"memory":"3"`) + `]`), Refused: "[maximum cpu usage per Container is 1.  No limit is specified, memory max"},
		{Name: "init container", Object: pod(`"containers":[` + good + `],"initContainers":[` + container("i", `"cpu":"10m","memory":"1"`, `"cpu":"1","memory":"2"`) + `]`), Refused: "minimum cpu usage per Container"},
		{Name: "pod", Object: pod(`"containers":[` + good + `,` + good + `,` + good + `]`), Refused: "maximum cpu usage per Pod is 2, but limit is 3"},
		{Name: "pod's own word", Object: pod(`"resources":{"limits":{"cpu":"2"}},"containers":[` + good + `,` + good + `,` + good + `]`)},
		{Name: "sidecars add up", Object: pod(`"containers":[` + good + `,` + good + `],"initContainers":[` + good[:len(good)-1] + `,"restartPolicy":"Always"}]`), Refused: "maximum cpu usage per Pod is 2, but limit is 3"},
		{Name: "init containers do not", Object: pod(`"containers":[` + good + `,` + good + `],"initContainers":[` + good + `]`)},
		{Name: "claim within", Object: claim(`{"storage":"5Gi"}`)},
		{Name: "claim too small", Object: claim(`{"storage":"500Mi"}`), Refused: `persistentvolumeclaims "c" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi`},
		{Name: "claim too large", Object: claim(`{"storage":"6Gi"}`), Refused: "maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"},
		{Name: "claim that grows", Object: claim(`{"storage":"6Gi"}`), Old: claim(`{"storage":"1Gi"}`), Refused: "maximum storage usage"},
		{Name: "claim that goes", Object: claim(`{"storage":"6Gi"}`), Old: `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n","deletionTimestamp":"2026-01-01T00:00:00Z"}}`},
		{Name: "claim's status", Object: claim(`{"storage":"6Gi"}`), Old: claim(`{"storage":"1Gi"}`), Subresource: "status"},
		{Name: "resize", Object: pod(`"containers":[` + container("a", `"cpu":"10m","memory":"1"`, `"cpu":"1","memory":"2"`) + `]`), Old: pod(`"containers":[` + good + `]`), Subresource: "resize", Refused: "minimum cpu usage"},
		{Name: "update", Object: pod(`"containers":[{"name":"a"}]`), Old: pod(`"containers":[{"name":"a"}]`)},
		{Name: "other kinds", Object: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`},
	})
}
