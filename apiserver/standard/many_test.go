package standard_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store/memory"
)

// run starts a server that has no listener. stop returns when nothing of it is
// left.
func run(t *testing.T, pki *standard.PKI) (client kubernetes.Interface, stop func()) {
	t.Helper()
	st := memory.New()
	server, err := standard.New(standard.Config{Store: st, PKI: pki})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	<-server.Ready()
	if client, err = kubernetes.NewForConfig(server.LoopbackConfig()); err != nil {
		t.Fatal(err)
	}
	return client, func() {
		cancel()
		if err := errors.Join(<-done, st.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestServersBesideEachOther runs several servers with the same keys at the same
// time. What is in one is not in another, and the end of one is not felt by the
// others.
func TestServersBesideEachOther(t *testing.T) {
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	const n = 4
	clients, stops := make([]kubernetes.Interface, n), make([]func(), n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { clients[i], stops[i] = run(t, pki) })
	}
	wg.Wait()
	ctx := t.Context()
	for i, c := range clients {
		wg.Go(func() {
			events, err := c.CoreV1().ConfigMaps("").Watch(ctx, metav1.ListOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			defer events.Stop()
			for _, name := range []string{"same", fmt.Sprint("only-", i)} {
				cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"server": fmt.Sprint(i)}}
				if _, err := c.CoreV1().ConfigMaps("default").Create(ctx, cm, metav1.CreateOptions{}); err != nil {
					t.Error(err)
				}
			}
			for range 2 {
				if e := <-events.ResultChan(); e.Type != watch.Added || e.Object.(*corev1.ConfigMap).Data["server"] != fmt.Sprint(i) {
					t.Errorf("server %d tells of %v", i, e)
				}
			}
		})
	}
	wg.Wait()
	stops[0]()
	for i, c := range clients[1:] {
		list, err := c.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, cm := range list.Items {
			if got := cm.Data["server"]; got != "" && got != fmt.Sprint(i+1) {
				t.Errorf("server %d has %s of server %s", i+1, cm.Name, got)
			}
		}
		if _, err := c.CoreV1().ConfigMaps("default").Get(ctx, "only-0", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("server %d: %v", i+1, err)
		}
	}
	for _, stop := range stops[1:] {
		stop()
	}
}

// TestInBubble runs the whole server through a day of virtual time, and leaves
// nothing behind.
func TestInBubble(t *testing.T) {
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		client, stop := run(t, pki)
		ctx := t.Context()
		events, err := client.CoreV1().ConfigMaps("").Watch(ctx, metav1.ListOptions{TimeoutSeconds: new(int64(7 * 24 * 3600))})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if _, err := client.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		if e := <-events.ResultChan(); e.Type != watch.Added {
			t.Errorf("after a day: %v", e)
		}
		events.Stop()
		// What the server keeps by itself comes back by itself.
		if err := client.FlowcontrolV1().FlowSchemas().Delete(ctx, "exempt", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := client.FlowcontrolV1().FlowSchemas().Get(ctx, "exempt", metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
		if _, err := client.RbacV1().RoleBindings("default").Create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "b"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		}, metav1.CreateOptions{}); err != nil {
			t.Error(err)
		}
		stop()
	})
}
