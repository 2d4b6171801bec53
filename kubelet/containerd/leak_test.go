//go:build linux

package containerd_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

func TestNothingIsLeft(t *testing.T) {
	cfg := dirs(t)
	before := goleak.IgnoreCurrent()
	rt, err := containerd.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	importBusybox(t, rt)
	events, err := rt.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sb := runSandbox(t, rt, sandboxSpec("leak"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Command: []string{"sleep", "1000"}})
	if err := rt.Exec(t.Context(), id, []string{"true"}, kubelet.Streams{}); err != nil {
		t.Error(err)
	}
	if err := rt.RemoveSandbox(t.Context(), sb.ID); err != nil {
		t.Fatal(err)
	}
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	for range events { // closes with the runtime
	}
	if left := shims(t, cfg.StateDir); len(left) != 0 {
		t.Errorf("shims %v are left", left)
	}
	goleak.VerifyNone(t, before)
}
