package apiserver_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

// startOver runs a server over a store that the caller sees.
func startOver(t *testing.T) (store.Store, kubernetes.Interface) {
	t.Helper()
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	client, _ := serve(t, st)
	return st, client
}

// serve runs a server over a store; the function it returns stops it.
func serve(t *testing.T, st store.Store) (kubernetes.Interface, func()) {
	t.Helper()
	srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: builtin.Kinds()})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(srv.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	<-srv.Ready()
	return client, stop
}

func next(t *testing.T, w watch.Interface) watch.Event {
	t.Helper()
	select {
	case ev, ok := <-w.ResultChan():
		if !ok {
			t.Fatal("watch has ended")
		}
		return ev
	case <-t.Context().Done():
		t.Fatal("no event")
	}
	return watch.Event{}
}

func expect(t *testing.T, w watch.Interface, typ watch.EventType, name string) metav1.Object {
	t.Helper()
	ev := next(t, w)
	obj, ok := ev.Object.(metav1.Object)
	if !ok || ev.Type != typ || obj.GetName() != name {
		t.Fatalf("event %s %+v, want %s %s", ev.Type, ev.Object, typ, name)
	}
	return obj
}

// TestWatchTransitions follows an object in and out of a selector.
func TestWatchTransitions(t *testing.T) {
	_, client := start(t)
	ctx := t.Context()
	makeMaps(t, client, 2)
	maps := client.CoreV1().ConfigMaps("default")
	w, err := maps.Watch(ctx, metav1.ListOptions{LabelSelector: "odd=1"})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	expect(t, w, watch.Added, "cm-01")
	patch := func(name, data string) *corev1.ConfigMap {
		cm, err := maps.Patch(ctx, name, types.MergePatchType, []byte(data), metav1.PatchOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return cm
	}
	patch("cm-00", `{"data":{"seen":"no"}}`)
	patch("cm-00", `{"metadata":{"labels":{"odd":"1"}}}`)
	expect(t, w, watch.Added, "cm-00")
	patch("cm-00", `{"data":{"seen":"yes"}}`)
	expect(t, w, watch.Modified, "cm-00")
	left := patch("cm-00", `{"metadata":{"labels":{"odd":"0"}}}`)
	gone := expect(t, w, watch.Deleted, "cm-00")
	if gone.GetResourceVersion() != left.ResourceVersion || gone.GetLabels()["odd"] != "1" {
		t.Errorf("left as %v, now at %s", gone, left.ResourceVersion)
	}
	if err := maps.Delete(ctx, "cm-01", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	expect(t, w, watch.Deleted, "cm-01")
}

func TestStreamedList(t *testing.T) {
	_, client := start(t)
	makeMaps(t, client, 2)
	yes := true
	w, err := client.CoreV1().ConfigMaps("default").Watch(t.Context(), metav1.ListOptions{
		SendInitialEvents: &yes, AllowWatchBookmarks: true, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	expect(t, w, watch.Added, "cm-00")
	expect(t, w, watch.Added, "cm-01")
	mark := expect(t, w, watch.Bookmark, "")
	if mark.GetAnnotations()[metav1.InitialEventsAnnotationKey] != "true" || mark.GetResourceVersion() == "" {
		t.Errorf("bookmark %v", mark)
	}
}

// TestWatchAfterRestart resumes a watch at a server that started later, whose
// cache has no events: the store's history has them.
func TestWatchAfterRestart(t *testing.T) {
	st := memory.New()
	t.Cleanup(func() { _ = st.Close() })
	client, stop := serve(t, st)
	ctx := t.Context()
	makeMaps(t, client, 1)
	maps := client.CoreV1().ConfigMaps("default")
	l, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := maps.Patch(ctx, "cm-00", types.MergePatchType, []byte(`{"data":{"a":"b"}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := maps.Delete(ctx, "cm-00", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	stop()
	client, _ = serve(t, st)
	maps = client.CoreV1().ConfigMaps("default")
	w, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: l.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	expect(t, w, watch.Modified, "cm-00")
	expect(t, w, watch.Deleted, "cm-00")
	makeMaps(t, client, 1)
	expect(t, w, watch.Added, "cm-00")

	revision, err := st.Revision(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Compact(ctx, revision); err != nil {
		t.Fatal(err)
	}
	old, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: l.ResourceVersion})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Stop()
	if ev := next(t, old); ev.Type != watch.Error || !apierrors.IsResourceExpired(apierrors.FromObject(ev.Object)) {
		t.Errorf("compacted: %+v", ev)
	}
}
