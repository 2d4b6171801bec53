//go:build linux

package containerd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/internal/imagebuild/debian"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

func tiny(t *testing.T, text string) v1.Image {
	t.Helper()
	img, err := imagebuild.FromFiles([]imagebuild.File{{Path: "/text", Data: []byte(text)}},
		imagebuild.Config{Cmd: []string{"/text"}, User: "12", Volumes: []string{"/data"}})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func serve(t *testing.T, images map[string]v1.Image, wrap func(http.Handler) http.Handler) *imagebuild.Registry {
	t.Helper()
	reg, err := imagebuild.Serve(t.Context(), images, wrap)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := reg.Close(); err != nil {
			t.Error(err)
		}
	})
	return reg
}

func TestPullByMirrorAndLoopback(t *testing.T) {
	img := tiny(t, "one")
	reg := serve(t, map[string]v1.Image{"library/httpd:latest": img, "team/app:v1": img}, nil)
	cfg := dirs(t)
	cfg.Registries = map[string]containerd.Registry{"docker.io": {Mirrors: []string{"http://" + reg.Addr()}}}
	rt := start(t, cfg)
	got, err := rt.PullImage(t.Context(), "httpd", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.PullImage(t.Context(), reg.Addr()+"/team/app:v1", nil); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != config.String() || got.User != "12" || !slices.Equal(got.Volumes, []string{"/data"}) || got.Size == 0 {
		t.Errorf("%+v", got)
	}
	for _, ref := range []string{
		"httpd", "httpd:latest", "library/httpd", "docker.io/library/httpd:latest", "httpd@" + digest.String(),
		reg.Addr() + "/team/app:v1", got.ID, strings.TrimPrefix(got.ID, "sha256:"),
	} {
		if same, err := rt.ImageStatus(t.Context(), ref); err != nil || same.ID != got.ID || len(same.Tags) != 2 || len(same.Digests) != 2 {
			t.Errorf("%s: %+v, %v", ref, same, err)
		}
	}
	if _, err := rt.ImageStatus(t.Context(), "httpd:other"); !errors.Is(err, kubelet.ErrImageNotFound) {
		t.Errorf("a tag that is not here: %v", err)
	}
	if err := rt.PinImage(t.Context(), "httpd"); err != nil {
		t.Fatal(err)
	}
	if list, err := rt.ListImages(t.Context()); err != nil || len(list) != 1 || !list[0].Pinned {
		t.Errorf("%+v, %v", list, err)
	}
	if err := rt.RemoveImage(t.Context(), got.ID); err != nil {
		t.Fatal(err)
	}
	if list, err := rt.ListImages(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	left := 0
	for _, dir := range []string{"/content/blobs/sha256", "/overlayfs/snapshots"} {
		entries, _ := os.ReadDir(cfg.RootDir + dir)
		left += len(entries)
	}
	if left != 0 {
		t.Errorf("%d blobs and snapshots are left of a removed image", left)
	}
}

func TestPullErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	reg := serve(t, map[string]v1.Image{"library/httpd:latest": tiny(t, "x")}, nil)
	cfg := dirs(t)
	cfg.Registries = map[string]containerd.Registry{"docker.io": {Mirrors: []string{"http://" + reg.Addr()}}}
	rt := start(t, cfg)
	for ref, want := range map[string][]string{
		"nosuch":           {`failed to pull and unpack image "docker.io/library/nosuch:latest"`, "not found"},
		"httpd:none":       {`failed to pull and unpack image "docker.io/library/httpd:none"`, "not found"},
		closed + "/x:v1":   {"connection refused"},
		"NOT a reference!": {"invalid reference format"},
	} {
		_, err := rt.PullImage(t.Context(), ref, nil)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("pull %q: %v; want %q in it", ref, err, w)
			}
		}
		t.Log(err)
	}
}

func TestPullWithPassword(t *testing.T) {
	reg := serve(t, map[string]v1.Image{"private/app:latest": tiny(t, "secret")}, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, pass, _ := r.BasicAuth(); user != "me" || pass != "open" {
				w.Header().Set("WWW-Authenticate", `Basic realm="private"`)
				http.Error(w, "authentication required", http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	rt := start(t, dirs(t))
	ref := reg.Addr() + "/private/app"
	for _, auth := range []*kubelet.RegistryAuth{nil, {Username: "me", Password: "wrong"}} {
		_, err := rt.PullImage(t.Context(), ref, auth)
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), "authoriz") {
			t.Errorf("pull with %+v: %v", auth, err)
		}
		t.Log(err)
	}
	if _, err := rt.PullImage(t.Context(), ref, &kubelet.RegistryAuth{Username: "me", Password: "open"}); err != nil {
		t.Error(err)
	}
}

func TestImport(t *testing.T) {
	rt := start(t, dirs(t))
	var plain, zipped bytes.Buffer
	if err := imagebuild.WriteArchive(&plain, map[string]v1.Image{"one:v1": tiny(t, "1"), "two": tiny(t, "2")}); err != nil {
		t.Fatal(err)
	}
	zw := gzip.NewWriter(&zipped)
	zw.Write(plain.Bytes())
	zw.Close()
	images, err := rt.Import(t.Context(), &zipped)
	if err != nil || len(images) != 2 {
		t.Fatalf("%+v, %v", images, err)
	}
	for _, ref := range []string{"one:v1", "two"} {
		if img, err := rt.ImageStatus(t.Context(), ref); err != nil || len(img.Tags) != 1 || len(img.Digests) != 1 {
			t.Errorf("%s: %+v, %v", ref, img, err)
		}
	}

	// OCI's layout, with the name where OCI has it.
	dir := t.TempDir()
	path, err := layout.Write(dir, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add:        tiny(t, "3"),
		Descriptor: v1.Descriptor{Annotations: map[string]string{"org.opencontainers.image.ref.name": "example.com/three:v3"}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	tar, err := imagebuild.Tar(string(path))
	if err != nil {
		t.Fatal(err)
	}
	if images, err = rt.Import(t.Context(), bytes.NewReader(tar)); err != nil || len(images) != 1 || !slices.Equal(images[0].Tags, []string{"example.com/three:v3"}) {
		t.Errorf("%+v, %v", images, err)
	}
	if _, err := rt.Import(t.Context(), strings.NewReader("this is no archive")); err == nil {
		t.Error("imported nonsense")
	}
}

func TestImageClient(t *testing.T) {
	cfg := dirs(t)
	if _, err := containerd.DialImages(t.Context(), cfg.StateDir); !errors.Is(err, containerd.ErrNotRunning) {
		t.Errorf("before there is a runtime: %v", err)
	}
	rt := start(t, cfg)
	c, err := containerd.DialImages(t.Context(), cfg.StateDir)
	if err != nil {
		t.Fatal(err)
	}
	var archive bytes.Buffer
	if err := imagebuild.WriteArchive(&archive, map[string]v1.Image{"from:afar": tiny(t, "x")}); err != nil {
		t.Fatal(err)
	}
	if images, err := c.Import(t.Context(), &archive); err != nil || len(images) != 1 || images[0].Tags[0] != "docker.io/library/from:afar" {
		t.Errorf("%+v, %v", images, err)
	}
	if images, err := c.ListImages(t.Context()); err != nil || len(images) != 1 {
		t.Errorf("%+v, %v", images, err)
	}
	if _, err := rt.ImageStatus(t.Context(), "from:afar"); err != nil {
		t.Error(err)
	}
	if _, err := c.Import(t.Context(), strings.NewReader("nonsense")); err == nil || !strings.Contains(err.Error(), "import images") {
		t.Errorf("import of nonsense: %v", err)
	}
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := containerd.DialImages(t.Context(), cfg.StateDir); !errors.Is(err, containerd.ErrNotRunning) {
		t.Errorf("after the runtime: %v", err)
	}
}

func TestApache(t *testing.T) {
	rt := start(t, dirs(t))
	img, err := debian.Apache(t.Context())
	if err != nil {
		t.Skip(err)
	}
	var archive bytes.Buffer
	if err := imagebuild.WriteArchive(&archive, map[string]v1.Image{"httpd": img}); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Import(t.Context(), &archive); err != nil {
		t.Fatal(err)
	}
	sb := runSandbox(t, rt, sandboxSpec("web"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Image: "httpd", Security: kubelet.Security{Seccomp: "RuntimeDefault"}})
	get := func() string {
		here, there := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- rt.PortForward(context.WithoutCancel(t.Context()), sb.ID, 80, there) }()
		go io.WriteString(here, "GET / HTTP/1.0\r\n\r\n")
		reply, _ := io.ReadAll(here)
		here.Close()
		<-done
		return string(reply)
	}
	eventually(t, "Apache answers", func() bool { return strings.Contains(get(), "It works!") })
	waitLog(t, rt, id, `"GET / HTTP/1.0" 200`)
	if err := rt.StopContainer(t.Context(), id, 10e9); err != nil {
		t.Fatal(err)
	}
	if c := find(t, rt, id); c.ExitCode != 0 {
		t.Errorf("%+v\n%s", c, output(t, c))
	}
}
