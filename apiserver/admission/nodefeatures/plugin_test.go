package nodefeatures_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/nodefeatures"
)

func TestDeclaredFeatures(t *testing.T) {
	step, err := nodefeatures.New("v1.37.2", func(_ context.Context, name string) (*corev1.Node, error) {
		if name == "gone" {
			return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
		}
		return admissiontest.Decode(t, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"`+name+`"},"status":{"declaredFeatures":["`+name+`"]}}`).(*corev1.Node), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	pod := func(generation, node, cpu string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","generation":` + generation + `},"spec":{"nodeName":"` + node + `","resources":{"requests":{"cpu":"` + cpu + `"}}}}`
	}
	const feature = "InPlacePodLevelResourcesVerticalScaling"
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "has it", Object: pod("2", feature, "2"), Old: pod("1", feature, "1"), Subresource: "resize"},
		{Name: "has it not", Object: pod("2", "n", "2"), Old: pod("1", "n", "1"), Subresource: "resize", Refused: `pods "p" is forbidden: pod update requires features ` + feature + ` which are not available on node "n"`},
		{Name: "node is gone", Object: pod("2", "gone", "2"), Old: pod("1", "gone", "1"), Subresource: "resize", Refused: `node "gone" not found`},
		{Name: "needs nothing", Object: pod("2", "n", "1"), Old: pod("1", "n", "1")},
		{Name: "nothing changed", Object: pod("1", "n", "2"), Old: pod("1", "n", "1")},
		{Name: "not bound", Object: pod("2", "", "2"), Old: pod("1", "", "1"), Subresource: "resize"},
		{Name: "status", Object: pod("2", "n", "2"), Old: pod("1", "n", "1"), Subresource: "status"},
	})
	if _, err := nodefeatures.New("new", nil); err == nil {
		t.Error(`"new" is a version`)
	}
}
