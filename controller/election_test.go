package controller_test

import (
	"context"
	"testing"
	"time"

	"github.com/keelson-project/keelson/leaderelection"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"go.uber.org/goleak"

	"github.com/keelson-project/keelson/controller"
)

// Of two managers one works; when it ends, the other takes over at once; when it falls
// silent, after the lease has run out.
func TestLeadershipPassesOn(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		candidate := func(name string) (<-chan struct{}, context.CancelFunc, <-chan error) {
			m, err := controller.NewManager(controller.Config{
				Client: w.client, Metadata: w.metadata, Controllers: []controller.Controller{},
				LeaderElection: &leaderelection.Config{Namespace: "default", Name: "lock", Identity: name},
			})
			w.check(err)
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error, 1)
			go func() { done <- m.Run(ctx) }()
			return m.Ready(), stop, done
		}
		holder := func() string {
			lease, err := w.client.CoordinationV1().Leases("default").Get(w.Context(), "lock", metav1.GetOptions{})
			w.check(err)
			return *lease.Spec.HolderIdentity
		}
		first, stopFirst, firstDone := candidate("one")
		<-first
		second, stopSecond, secondDone := candidate("two")
		w.pass(time.Minute)
		select {
		case <-second:
			t.Error("two managers lead at a time")
		default:
		}
		if got := holder(); got != "one" {
			t.Errorf("holder %q", got)
		}
		start := time.Now()
		stopFirst()
		w.check(<-firstDone)
		<-second
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("a lease given up was taken after %v", took)
		}
		if got := holder(); got != "two" {
			t.Errorf("holder %q", got)
		}
		stopSecond()
		w.check(<-secondDone)
	})
}

func TestManagerLeavesNothingBehind(t *testing.T) {
	defer goleak.VerifyNone(t)
	m, err := controller.NewManager(controller.Config{
		Client:         fake.NewClientset(),
		Controllers:    controller.Default()[:2],
		LeaderElection: &leaderelection.Config{Identity: "me"},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	<-m.Ready()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := m.Run(t.Context()); err == nil {
		t.Error("a second Run was allowed")
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, c := range map[string]controller.Config{
		"no client":       {},
		"no metadata":     {Client: fake.NewClientset()},
		"no identity":     {Client: fake.NewClientset(), Controllers: []controller.Controller{}, LeaderElection: &leaderelection.Config{}},
		"deadline > term": {Client: fake.NewClientset(), Controllers: []controller.Controller{}, LeaderElection: &leaderelection.Config{Identity: "a", RenewDeadline: time.Minute}},
		"name twice":      {Client: fake.NewClientset(), Controllers: append(controller.Default()[:1], controller.Default()[:1]...)},
	} {
		if _, err := controller.NewManager(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
