package podresize_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/podresize"
)

func TestResize(t *testing.T) {
	step := podresize.Plugin{Node: func(_ context.Context, name string) (*corev1.Node, error) {
		labels := `{"kubernetes.io/os":"` + name + `"}`
		switch name {
		case "linux", "windows":
		case "unlabelled":
			labels = `{}`
		default:
			return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
		}
		return admissiontest.Decode(t, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"`+name+`","labels":`+labels+`},"status":{"allocatable":{"cpu":"1","memory":"1Gi"}}}`).(*corev1.Node), nil
	}}
	pod := func(generation, node, requests string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","generation":` + generation + `},"spec":{"nodeName":"` + node + `","containers":[{"name":"a","resources":{"requests":` + requests + `}}]}}`
	}
	const much = `{"cpu":"2","memory":"2Gi"}`
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "fits", Object: pod("2", "linux", `{"cpu":"1"}`), Old: pod("1", "linux", `{}`), Subresource: "resize"},
		{Name: "does not fit", Object: pod("2", "unlabelled", much), Old: pod("1", "unlabelled", `{}`), Subresource: "resize",
			Refused: `pods "p" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2000, allocatable: 1000; memory, requested: 2147483648, allocatable: 1073741824`},
		{Name: "other system", Object: pod("2", "windows", `{}`), Old: pod("1", "windows", `{}`), Subresource: "resize", Refused: `pod resize is only supported on linux nodes, node "windows" is "windows"`},
		{Name: "node is gone", Object: pod("2", "gone", `{}`), Old: pod("1", "gone", `{}`), Subresource: "resize", Refused: `node "gone" not found`},
		{Name: "nothing changed", Object: pod("1", "linux", much), Old: pod("1", "linux", much), Subresource: "resize"},
		{Name: "not bound", Object: pod("2", "", much), Old: pod("1", "", `{}`), Subresource: "resize"},
		{Name: "no resize", Object: pod("2", "linux", much), Old: pod("1", "linux", `{}`)},
	})
	a := (&admissiontest.Case{Object: pod("2", "linux", much), Old: pod("1", "linux", `{}`), Subresource: "resize"}).Attributes(t)
	if err := step.Validate(t.Context(), a); !apierrors.HasStatusCause(err, podresize.NodeCapacity) {
		t.Errorf("%v names no cause", err)
	}
}
