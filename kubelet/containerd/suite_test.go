//go:build linux

package containerd_test

import (
	"context"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/internal/imagebuild/debian"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
	"github.com/keelson-project/keelson/kubelet/runtimetest"
)

func TestSuite(t *testing.T) {
	need(t)
	img, err := debian.Busybox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reg, err := imagebuild.Serve(t.Context(), map[string]v1.Image{"library/busybox:latest": img}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	configs := map[kubelet.Runtime]containerd.Config{}
	runtimetest.Run(t, runtimetest.Harness{
		New: func(t *testing.T) kubelet.Runtime {
			cfg := dirs(t)
			cfg.Registries = map[string]containerd.Registry{"docker.io": {Mirrors: []string{"http://" + reg.Addr()}}}
			rt := start(t, cfg)
			configs[rt] = cfg
			return rt
		},
		Reopen: func(t *testing.T, rt kubelet.Runtime) kubelet.Runtime {
			cfg := configs[rt]
			if err := rt.(*containerd.Runtime).Close(); err != nil {
				t.Fatal(err)
			}
			again, err := containerd.Start(context.WithoutCancel(t.Context()), cfg)
			if err != nil {
				t.Fatal(err)
			}
			configs[again] = cfg
			t.Cleanup(func() { removeAll(t, again, cfg) })
			return again
		},
		Image:        "busybox",
		MissingImage: "nosuch",
		LogDir:       t.TempDir(),
		CgroupParent: func(uid string) string { return "/keelson-test/pod" + uid },
	})
}
