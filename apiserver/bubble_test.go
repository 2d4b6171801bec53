package apiserver_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/store/memory"
)

// TestInformerInBubble runs server and informer in virtual time, through an
// hour of which the informer has to stay up to date, and leaves nothing behind.
func TestInformerInBubble(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: builtin.Kinds()})
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(srv.LoopbackConfig())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := srv.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		<-srv.Ready()
		factory := informers.NewSharedInformerFactory(client, 0)
		informer := factory.Core().V1().ConfigMaps()
		var mu sync.Mutex
		var seen []string
		note := func(what string) func(any) {
			return func(obj any) {
				mu.Lock()
				defer mu.Unlock()
				seen = append(seen, what+" "+obj.(*corev1.ConfigMap).Name)
			}
		}
		if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc: note("add"), DeleteFunc: note("delete"), UpdateFunc: func(_, obj any) { note("update")(obj) },
		}); err != nil {
			t.Fatal(err)
		}
		factory.StartWithContext(ctx)
		factory.WaitForCacheSync(ctx.Done())
		maps := client.CoreV1().ConfigMaps("default")
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if _, err := maps.Patch(ctx, "a", types.MergePatchType, []byte(`{"data":{"k":"v"}}`), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := maps.Delete(ctx, "a", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		mu.Lock()
		if want := []string{"add a", "update a", "delete a"}; !slices.Equal(seen, want) {
			t.Errorf("informer saw %q, want %q", seen, want)
		}
		mu.Unlock()
		cancel()
		factory.Shutdown()
		wg.Wait()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}
