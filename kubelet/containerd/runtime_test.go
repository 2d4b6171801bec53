//go:build linux

package containerd_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/internal/imagebuild/debian"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

func TestMain(m *testing.M) {
	if containerd.RunAsShim() {
		return
	}
	if maybeHelper() {
		return
	}
	os.Exit(m.Run())
}

// need skips a test that cannot run here.
func need(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("running containers needs root")
	}
	for _, program := range []string{"runc", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: apt-get install runc busybox-static", program)
		}
	}
}

// archives of the test images, made once.
var busyboxArchive = sync.OnceValues(func() ([]byte, error) {
	img, err := debian.Busybox(context.Background())
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	err = imagebuild.WriteArchive(&buf, map[string]v1.Image{"busybox:latest": img})
	return buf.Bytes(), err
})

// dirs are the directories of a runtime that a test may open several times.
func dirs(t testing.TB) containerd.Config {
	t.Helper()
	need(t)
	base := t.TempDir()
	cfg := containerd.Config{
		RootDir:  filepath.Join(base, "root"),
		StateDir: filepath.Join(base, "state"),
		ShimPath: os.Getenv("KEELSON_TEST_SHIM"), // to try a separate shim
	}
	if testing.Verbose() {
		cfg.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	return cfg
}

// start opens a runtime; all it runs is gone when the test ends.
func start(t testing.TB, cfg containerd.Config) *containerd.Runtime {
	t.Helper()
	rt, err := containerd.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { removeAll(t, rt, cfg) })
	return rt
}

// removeAll removes all sandboxes of a runtime, unless it has been closed, and
// checks that nothing is left.
func removeAll(t testing.TB, rt *containerd.Runtime, cfg containerd.Config) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	list, err := rt.List(ctx)
	if err != nil && !errors.Is(err, containerd.ErrClosed) {
		t.Error(err)
	}
	for _, sb := range list {
		if err := rt.RemoveSandbox(ctx, sb.ID); err != nil {
			t.Error(err)
		}
	}
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(string(mounts), cfg.StateDir) {
		t.Errorf("mounts are left below %s", cfg.StateDir)
	}
}

// withBusybox is start with the image busybox present.
func withBusybox(t testing.TB) *containerd.Runtime {
	t.Helper()
	rt := start(t, dirs(t))
	importBusybox(t, rt)
	return rt
}

func importBusybox(t testing.TB, rt *containerd.Runtime) {
	t.Helper()
	archive, err := busyboxArchive()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Import(t.Context(), bytes.NewReader(archive)); err != nil {
		t.Fatal(err)
	}
}

func sandboxSpec(name string) kubelet.SandboxSpec {
	return kubelet.SandboxSpec{PodNamespace: "default", PodName: name, PodUID: "uid-" + name, Hostname: name}
}

func runSandbox(t testing.TB, rt *containerd.Runtime, spec kubelet.SandboxSpec) kubelet.Sandbox {
	t.Helper()
	sb, err := rt.RunSandbox(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return sb
}

// run creates and starts a container.
func run(t testing.TB, rt *containerd.Runtime, sandboxID string, spec kubelet.ContainerSpec) string {
	t.Helper()
	if spec.Image == "" {
		spec.Image = "busybox"
	}
	if spec.Name == "" {
		spec.Name = "main"
	}
	if spec.LogPath == "" {
		spec.LogPath = filepath.Join(t.TempDir(), "log")
	}
	id, err := rt.CreateContainer(t.Context(), sandboxID, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := rt.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	return id
}

func find(t testing.TB, rt *containerd.Runtime, id string) kubelet.Container {
	t.Helper()
	list, err := rt.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, sb := range list {
		for _, c := range sb.Containers {
			if c.ID == id {
				return c
			}
		}
	}
	t.Fatalf("container %s is not listed", id)
	return kubelet.Container{}
}

// waitExit waits until a container has exited.
func waitExit(t testing.TB, rt *containerd.Runtime, id string) kubelet.Container {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events, err := rt.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if c := find(t, rt, id); c.State == kubelet.StateExited {
			return c
		}
		if _, ok := <-events; !ok {
			t.Fatalf("container %s does not end: %+v", id, find(t, rt, id))
		}
	}
}

// output is the content of a container's log.
func output(t testing.TB, c kubelet.Container) string {
	t.Helper()
	data, err := os.ReadFile(c.LogPath)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(data)) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(fields) != 4 {
			t.Fatalf("log line %q", line)
		}
		if _, err := time.Parse(time.RFC3339Nano, fields[0]); err != nil {
			t.Errorf("log line %q: %v", line, err)
		}
		out.WriteString(fields[3])
		if fields[2] == "F" {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// sh runs a shell script to its end in a sandbox of its own.
func sh(t testing.TB, rt *containerd.Runtime, script string, change func(*kubelet.SandboxSpec, *kubelet.ContainerSpec)) (string, kubelet.Container) {
	t.Helper()
	ss := sandboxSpec(strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name())))
	cs := kubelet.ContainerSpec{Command: []string{"sh", "-c", script}, Security: kubelet.Security{Seccomp: "RuntimeDefault", AllowPrivilegeEscalation: true}}
	if change != nil {
		change(&ss, &cs)
	}
	sb := runSandbox(t, rt, ss)
	id := run(t, rt, sb.ID, cs)
	c := waitExit(t, rt, id)
	out := output(t, c)
	if err := rt.RemoveSandbox(t.Context(), sb.ID); err != nil {
		t.Fatal(err)
	}
	return out, c
}

func TestRunLogExit(t *testing.T) {
	rt := withBusybox(t)
	t0 := time.Now()
	out, c := sh(t, rt, "echo hello; echo oops >&2; exit 3", nil)
	t.Logf("took %v", time.Since(t0))
	if !strings.Contains(out, "hello\n") || !strings.Contains(out, "oops\n") {
		t.Errorf("log:\n%s", out)
	}
	if c.ExitCode != 3 || c.Reason != "Error" || c.StartedAt.IsZero() || c.FinishedAt.Before(c.StartedAt.Add(-time.Second)) {
		t.Errorf("container: %+v", c)
	}
}
