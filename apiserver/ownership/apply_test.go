package ownership_test

import (
	"slices"
	"testing"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/ownership"
)

// TestApplies compares a forced apply of a condition, first a new one and then
// one that somebody else has changed, with upstream's.
func TestApplies(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := kubernetesscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	gvk := flowcontrolv1.SchemeGroupVersion.WithKind("FlowSchema")
	u := upstream{t: t, types: applyconfigurations.NewTypeConverter(scheme), gvk: gvk, newObj: func() kinds.Object { return &flowcontrolv1.FlowSchema{} }}
	m, err := managedfields.NewDefaultFieldManager(u.types, u, u, u, gvk, gvk.GroupVersion(), "status", nil)
	if err != nil {
		t.Fatal(err)
	}
	tracker := ownership.New()
	version := gvk.GroupVersion().String()
	live := &flowcontrolv1.FlowSchema{Spec: flowcontrolv1.FlowSchemaSpec{MatchingPrecedence: 7}}
	fields, ok := tracker.Update(&flowcontrolv1.FlowSchema{}, live, ownership.Writer{Manager: "producer", APIVersion: version})
	if !ok {
		t.Fatal("a create is not tracked")
	}
	live.ManagedFields, live.UID = fields, "x"
	for _, message := range []string{"one", "two", "two"} {
		config := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
			map[string]any{"type": "Dangling", "message": message},
		}}}}
		config.SetGroupVersionKind(gvk)
		before := live.DeepCopy()
		before.SetGroupVersionKind(gvk)
		out, err := m.Apply(before, config, "consumer", true)
		if err != nil {
			t.Fatal(err)
		}
		next := live.DeepCopy()
		next.Status.Conditions = []flowcontrolv1.FlowSchemaCondition{{Type: "Dangling", Message: message}}
		got, ok := tracker.Update(live, next, ownership.Writer{
			Manager: "consumer", APIVersion: version, Subresource: "status", Applies: `{"f:status":{"f:conditions":{"k:{\"type\":\"Dangling\"}":{".":{},"f:message":{},"f:type":{}}}}}`,
		})
		want := out.(metav1.Object).GetManagedFields()
		if a, b := text(t, got), text(t, want); !ok || !slices.Equal(a, b) {
			t.Fatalf("%s: got %q\nwant %q", message, a, b)
		}
		next.ManagedFields = got
		// Somebody else writes the message.
		live = next.DeepCopy()
		live.Status.Conditions[0].Message = "other"
		if live.ManagedFields, ok = tracker.Update(next, live, ownership.Writer{Manager: "other", APIVersion: version, Subresource: "status"}); !ok {
			t.Fatal("an update is not tracked")
		}
	}
}
