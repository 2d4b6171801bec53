package topologylabels_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/topologylabels"
)

func TestLabels(t *testing.T) {
	step := topologylabels.Plugin{Node: func(_ context.Context, name string) (*corev1.Node, error) {
		node := &corev1.Node{}
		switch name {
		case "labelled":
			node.Labels = map[string]string{"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "a": "b"}
		case "plain":
		default:
			return nil, apierrors.NewNotFound(corev1.Resource("nodes"), name)
		}
		return node, nil
	}}
	pod := func(meta, node string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"` + meta + `},"spec":{"nodeName":"` + node + `"}}`
	}
	binding := func(kind, node string) string {
		return `{"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"kind":"` + kind + `","name":"` + node + `"}}`
	}
	const labelled = `{"metadata":{"labels":{"topology.kubernetes.io/zone":"z","topology.kubernetes.io/region":"r"}}}`
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "pod", Object: pod("", "labelled"), Want: labelled},
		{Name: "pod with labels", Object: pod(`,"labels":{"a":"c","topology.kubernetes.io/zone":"old"}`, "labelled"), Want: labelled},
		{Name: "pod without node", Object: pod("", "")},
		{Name: "pod on a plain node", Object: pod("", "plain")},
		{Name: "pod on a missing node", Object: pod("", "gone")},
		{Name: "binding", Object: binding("Node", "labelled"), Resource: "pods", Subresource: "binding", Want: labelled},
		{Name: "binding to something else", Object: binding("", "labelled"), Resource: "pods", Subresource: "binding"},
		{Name: "old binding", Object: binding("Node", "labelled")},
	})
}
