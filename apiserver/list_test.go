package apiserver_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

func makeMaps(t *testing.T, client kubernetes.Interface, n int) {
	t.Helper()
	for i := range n {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("cm-%02d", i), Labels: map[string]string{"odd": fmt.Sprint(i % 2)}}}
		if _, err := client.CoreV1().ConfigMaps("default").Create(t.Context(), cm, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPages(t *testing.T) {
	_, client := start(t)
	ctx := t.Context()
	makeMaps(t, client, 10)
	maps := client.CoreV1().ConfigMaps("default")
	first, err := maps.List(ctx, metav1.ListOptions{Limit: 4})
	if err != nil || len(first.Items) != 4 || *first.RemainingItemCount != 6 {
		t.Fatalf("first page: %v, %v", first, err)
	}
	if err := maps.Delete(ctx, "cm-05", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	rest, err := maps.List(ctx, metav1.ListOptions{Continue: first.Continue})
	if err != nil || len(rest.Items) != 6 || rest.ResourceVersion != first.ResourceVersion || rest.Continue != "" {
		t.Errorf("rest: %d items, version %s after %s, %v", len(rest.Items), rest.ResourceVersion, first.ResourceVersion, err)
	}
	everywhere, err := client.CoreV1().ConfigMaps("").List(ctx, metav1.ListOptions{Limit: 4, LabelSelector: "odd=1"})
	if err != nil || len(everywhere.Items) != 4 || everywhere.Continue != "" && everywhere.RemainingItemCount != nil {
		t.Errorf("selected: %d items, %v", len(everywhere.Items), err)
	}
	old, err := maps.List(ctx, metav1.ListOptions{ResourceVersion: first.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	if err != nil || len(old.Items) != 10 {
		t.Errorf("exact: %d items, %v", len(old.Items), err)
	}
	now, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil || len(now.Items) != 9 {
		t.Errorf("now: %d items, %v", len(now.Items), err)
	}
	if _, err := maps.List(ctx, metav1.ListOptions{Continue: "rubbish"}); !apierrors.IsBadRequest(err) {
		t.Errorf("bad token: %v", err)
	}
}

// TestOldPages reads pages and states that are no longer in memory from the
// store, until that has forgotten them.
func TestOldPages(t *testing.T) {
	st, client := startOver(t)
	ctx := t.Context()
	makeMaps(t, client, 4)
	maps := client.CoreV1().ConfigMaps("default")
	before, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := maps.Delete(ctx, "cm-01", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if now, err := maps.List(ctx, metav1.ListOptions{}); err != nil || len(now.Items) != 3 { // the cache knows now, too
		t.Fatalf("after the delete: %v, %v", now, err)
	}
	exact := metav1.ListOptions{ResourceVersion: before.ResourceVersion, ResourceVersionMatch: metav1.ResourceVersionMatchExact, Limit: 2}
	old, err := maps.List(ctx, exact)
	if err != nil || len(old.Items) != 2 || old.Items[1].Name != "cm-01" || old.Continue == "" {
		t.Fatalf("before the delete: %v, %v", old, err)
	}
	revision, err := st.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Compact(ctx, revision); err != nil {
		t.Fatal(err)
	}
	if _, err := maps.List(ctx, exact); !apierrors.IsResourceExpired(err) {
		t.Errorf("compacted: %v", err)
	}
	_, err = maps.List(ctx, metav1.ListOptions{Continue: old.Continue})
	if !apierrors.IsResourceExpired(err) {
		t.Fatalf("old page: %v", err)
	}
	go2 := err.(apierrors.APIStatus).Status().Continue
	l, err := maps.List(ctx, metav1.ListOptions{Continue: go2})
	if err != nil || len(l.Items) != 2 || l.Items[0].Name != "cm-02" {
		t.Errorf("inconsistent continuation: %v, %v", l, err)
	}
}

func TestSelectors(t *testing.T) {
	_, client := start(t)
	makeMaps(t, client, 6)
	for _, c := range []struct {
		labels, fields string
		want           int // -1: refused
	}{
		{"odd=1", "", 3},
		{"odd in (0,1)", "", 6},
		{"!odd", "", 0},
		{"", "metadata.name=cm-03", 1},
		{"", "metadata.name!=cm-03", 5},
		{"odd=0", "metadata.name=cm-03", 0},
		{"", "metadata.namespace=default", 6},
		{"", "metadata.namespace=other", 0},
		{"", "metadata.name=cm-03,metadata.name=cm-04", 0},
		{"", "data.k=v", -1},
		{"odd in", "", -1},
		{"", "a=b=c", -1},
	} {
		l, err := client.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{LabelSelector: c.labels, FieldSelector: c.fields})
		if c.want < 0 {
			if !apierrors.IsBadRequest(err) {
				t.Errorf("%q %q: %v", c.labels, c.fields, err)
			}
			continue
		}
		if err != nil || len(l.Items) != c.want {
			t.Errorf("%q %q: %d items, %v", c.labels, c.fields, len(l.Items), err)
		}
	}
}

func TestFutureVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the server waits a while for the future to come
		_, client := start(t)
		_, err := client.CoreV1().ConfigMaps("").List(t.Context(), metav1.ListOptions{ResourceVersion: "1000000"})
		if !apierrors.IsTimeout(err) || !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
			t.Errorf("future version: %v", err)
		}
	})
}
