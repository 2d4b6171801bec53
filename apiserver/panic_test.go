package apiserver_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store/memory"
)

// fragile are config maps whose rules panic for some of them.
func fragile() *kinds.Kind {
	panics := func(at string) func(cm *corev1.ConfigMap) {
		return func(cm *corev1.ConfigMap) {
			if cm.Labels["panic"] == at {
				panic("at " + at)
			}
		}
	}
	onCreate, onUpdate, onDelete := panics("create"), panics("update"), panics("delete")
	return kinds.Definition[*corev1.ConfigMap]{
		GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Names: kinds.Names{Resource: "configmaps"}, Namespaced: true,
		New:           func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
		NewList:       func() runtime.Object { return &corev1.ConfigMapList{} },
		PrepareCreate: func(_ context.Context, cm *corev1.ConfigMap) { onCreate(cm) },
		PrepareUpdate: func(_ context.Context, cm, _ *corev1.ConfigMap) { onUpdate(cm) },
		GracefulDelete: func(_ context.Context, cm *corev1.ConfigMap, _ *metav1.DeleteOptions) bool {
			onDelete(cm)
			return false
		},
		UnconditionalUpdate: true,
	}.Kind()
}

// TestPanics checks that a panic in a request is that request's error alone.
func TestPanics(t *testing.T) {
	st := memory.New()
	defer st.Close()
	srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: []*kinds.Kind{fragile()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- srv.Run(ctx) }()
	<-srv.Ready()
	const all = "/api/v1/namespaces/a/configmaps"
	body := func(at string) string { return `{"metadata":{"name":"` + at + `","labels":{"panic":"` + at + `"}}}` }
	for _, at := range []string{"update", "delete"} {
		if w := ask(t, srv, http.MethodPost, all, body(at)); w.Code != http.StatusCreated {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	for _, c := range [][3]string{
		{http.MethodPost, all, body("create")}, {http.MethodPut, all + "/update", body("update")},
		{http.MethodDelete, all + "/delete", ""}, {http.MethodDelete, all, ""},
	} {
		w := ask(t, srv, c[0], c[1], c[2])
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "panic") {
			t.Errorf("%s %s: %d %s", c[0], c[1], w.Code, w.Body)
		}
	}
	if w := ask(t, srv, http.MethodGet, all, ""); w.Code != http.StatusOK {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
