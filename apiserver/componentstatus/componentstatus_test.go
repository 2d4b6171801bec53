package componentstatus

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

func TestStatuses(t *testing.T) {
	well := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok")) }))
	defer well.Close()
	ill := httptest.NewTLSServer(http.NotFoundHandler())
	defer ill.Close()
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	at := func(url string) func(context.Context) (string, bool, error) {
		return func(ctx context.Context) (string, bool, error) { return get(ctx, url) }
	}
	store := Components(func(context.Context) error { return errors.New("lost") })[2]
	h := handler{[]Component{{"well", at(well.URL)}, {"ill", at(ill.URL)}, {"gone", at(gone.URL)}, store}}
	out, err := h.List(t.Context(), "", &internalversion.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	items := out.(*corev1.ComponentStatusList).Items
	for i, want := range [][]string{
		{"well", "Healthy", "ok", ""},
		{"ill", "Unhealthy", "HTTP probe failed with statuscode: 404", ""},
		{"gone", "Unhealthy", "connection refused", ""},
		{"etcd-0", "Unhealthy", "", "lost"},
	} {
		var cells []string
		for _, c := range h.Cells(&items[i]) {
			cells = append(cells, c.(string))
		}
		if !slices.EqualFunc(cells, want, strings.Contains) {
			t.Errorf("%q, want %q", cells, want)
		}
	}
	if len(h.Columns()) != len(h.Cells(&items[0])) {
		t.Error("columns and cells differ")
	}
	for _, c := range []struct {
		opts internalversion.ListOptions
		want int
	}{
		{internalversion.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{"a": "b"})}, 0},
		{internalversion.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", "ill")}, 1},
	} {
		out, err := h.List(t.Context(), "", &c.opts)
		if err != nil || len(out.(*corev1.ComponentStatusList).Items) != c.want {
			t.Errorf("%v: %v, %v", c.opts, out, err)
		}
	}
	if _, err := h.Get(t.Context(), "", "none", nil); !apierrors.IsNotFound(err) {
		t.Errorf("none: %v", err)
	}
}
