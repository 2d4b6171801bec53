package apiserver_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestEventFields is about an event by the names that either group has for the
// fields to select by.
func TestEventFields(t *testing.T) {
	_, client := start(t)
	ctx := t.Context()
	core, events := client.CoreV1().Events("default"), client.EventsV1().Events("default")
	if _, err := core.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e"}, InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "p"}, ReportingController: "c",
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	count := func(group, selector string) int {
		opts := metav1.ListOptions{FieldSelector: selector}
		var n int
		var err error
		if group == "core" {
			l, e := core.List(ctx, opts)
			n, err = len(l.Items), e
		} else {
			l, e := events.List(ctx, opts)
			n, err = len(l.Items), e
		}
		if apierrors.IsBadRequest(err) {
			return -1
		}
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		selector     string
		core, events int
	}{
		{"involvedObject.name=p", 1, -1}, {"involvedObject.name=q", 0, -1}, {"regarding.name=p", -1, 1}, {"regarding.name!=p", -1, 0},
		{"reportingComponent=c", 1, -1}, {"reportingController=c", -1, 1}, {"source=c", 1, -1}, {"type=", 1, 1},
		{"metadata.name=e,regarding.kind=Pod", -1, 1}, {"metadata.namespace=default", 1, 1},
	} {
		if got, other := count("core", c.selector), count("events", c.selector); got != c.core || other != c.events {
			t.Errorf("%s: %d and %d, want %d and %d", c.selector, got, other, c.core, c.events)
		}
	}
	foreground := metav1.DeletePropagationForeground
	if err := events.Delete(ctx, "e", metav1.DeleteOptions{PropagationPolicy: &foreground}); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Get(ctx, "e", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Error("nothing depends on an event, but its deletion waits:", err)
	}
}

// TestEmptyListIsOwned: a list that was set to nothing has an owner.
func TestEmptyListIsOwned(t *testing.T) {
	_, client := start(t)
	raw, err := client.StorageV1().RESTClient().Post().Resource("csinodes").SetHeader("Content-Type", "application/json").
		Body([]byte(`{"apiVersion":"storage.k8s.io/v1","kind":"CSINode","metadata":{"name":"o"},"spec":{"drivers":[]}}`)).Do(t.Context()).Get()
	if err != nil {
		t.Fatal(err)
	}
	if m := raw.(*storagev1.CSINode).ManagedFields; len(m) != 1 || string(m[0].FieldsV1.Raw) != `{"f:spec":{"f:drivers":{}}}` {
		t.Errorf("managed by %v", m)
	}
}
