package apiserver_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/store/memory"
)

// start runs a server over a store in memory until the test ends, and waits
// until it is ready.
func start(t testing.TB) (*apiserver.Server, kubernetes.Interface) {
	t.Helper()
	st := memory.New()
	srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: builtin.Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(srv.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	<-srv.Ready()
	return srv, client
}

func TestConfigMapLife(t *testing.T) {
	_, client := start(t)
	ctx := t.Context()
	maps := client.CoreV1().ConfigMaps("default")
	made, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "a-"}, Data: map[string]string{"k": "v"}}, metav1.CreateOptions{FieldManager: "me"})
	if err != nil {
		t.Fatal(err)
	}
	if made.UID == "" || made.ResourceVersion == "" || len(made.Name) != 7 || len(made.ManagedFields) != 1 || made.ManagedFields[0].Manager != "me" {
		t.Errorf("created %+v", made)
	}
	made.Data["k"] = "w"
	changed, err := maps.Update(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		t.Errorf("stale update: %v", err)
	}
	got, err := maps.Get(ctx, made.Name, metav1.GetOptions{})
	if err != nil || got.Data["k"] != "w" || got.ResourceVersion != changed.ResourceVersion {
		t.Errorf("got %v, %v", got, err)
	}
	l, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil || len(l.Items) != 1 {
		t.Errorf("listed %v, %v", l, err)
	}
	if err := maps.Delete(ctx, made.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Get(ctx, made.Name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after delete: %v", err)
	}
}
