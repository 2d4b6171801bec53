//go:build linux

package containerd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

func TestKilledAndBack(t *testing.T) {
	cfg := dirs(t)
	logs := t.TempDir()
	spec := func(name, script string) kubelet.ContainerSpec {
		return kubelet.ContainerSpec{
			Name: name, Image: "busybox", Command: []string{"sh", "-c", script},
			LogPath: filepath.Join(logs, name), Stdin: name == "counts",
		}
	}
	flag := filepath.Join(logs, "flag")
	ends := spec("ends", "until test -e /logs/flag; do sleep 0.02; done; exit 42")
	ends.Mounts = []kubelet.Mount{{HostPath: logs, ContainerPath: "/logs"}}
	in := helperInput{
		Config:  cfg,
		Sandbox: sandboxSpec("survivor"),
		Containers: []kubelet.ContainerSpec{
			// More output, all the time, than any pipe could hold for later.
			spec("counts", `i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo "line $i of many, padded to be somewhat longer than it need be"; done; echo done; read x; echo "read $x"`),
			ends,
		},
	}
	in.Sandbox.ShareProcesses = true
	killed(t, in, func() {
		eventually(t, "output", func() bool {
			info, err := os.Stat(filepath.Join(logs, "counts"))
			return err == nil && info.Size() > 4096
		})
	})
	// Nobody is there now. One container ends, the other writes on.
	if err := os.WriteFile(flag, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all lines while nobody is there", func() bool {
		data, _ := os.ReadFile(filepath.Join(logs, "counts"))
		return bytes.HasSuffix(data, []byte(" F done\n"))
	})
	eventually(t, "the shim notes the end of a container", func() bool {
		noted, err := filepath.Glob(filepath.Join(cfg.StateDir, "c", "*", "exit.json"))
		return err == nil && len(noted) == 1
	})
	t0 := time.Now()
	rt := start(t, cfg)
	t.Logf("started over a running pod in %v", time.Since(t0))
	list, err := rt.List(t.Context())
	if err != nil || len(list) != 1 || list[0].State != kubelet.StateRunning || len(list[0].Containers) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, c := range list[0].Containers {
		switch c.Name {
		case "ends":
			if c = waitExit(t, rt, c.ID); c.ExitCode != 42 || c.Reason != "Error" || c.FinishedAt.After(t0) {
				t.Errorf("%+v; the runtime was back at %v", c, t0)
			}
		case "counts":
			if c.State != kubelet.StateRunning {
				t.Fatalf("%+v", c)
			}
			if err := rt.Attach(t.Context(), c.ID, kubelet.Streams{Stdin: strings.NewReader("again\n")}); err != nil {
				t.Fatal(err)
			}
			c = waitExit(t, rt, c.ID)
			sc := bufio.NewScanner(strings.NewReader(output(t, c)))
			for i := 1; i <= 20000; i++ {
				if !sc.Scan() || !strings.HasPrefix(sc.Text(), fmt.Sprintf("line %d of", i)) {
					t.Fatalf("line %d of the log is %q", i, sc.Text())
				}
			}
			if !strings.HasSuffix(output(t, c), "done\nread again\n") {
				t.Error("the log does not end as it should")
			}
		}
	}
	// The sandbox is as good as new.
	id := run(t, rt, list[0].ID, kubelet.ContainerSpec{Command: []string{"sh", "-c", "ps | grep -c /paus[e]"}})
	if c := waitExit(t, rt, id); output(t, c) != "1\n" {
		t.Errorf("%q, %+v", output(t, c), c)
	}
}

func TestSecondInstance(t *testing.T) {
	cfg := dirs(t)
	start(t, cfg)
	t0 := time.Now()
	_, err := containerd.Start(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "another runtime") || time.Since(t0) > time.Second {
		t.Errorf("after %v: %v", time.Since(t0), err)
	}
	other := cfg
	other.StateDir = filepath.Join(t.TempDir(), "state")
	if _, err = containerd.Start(t.Context(), other); err == nil || !strings.Contains(err.Error(), cfg.RootDir) {
		t.Errorf("with another StateDir: %v", err)
	}
	// On directories of its own, a second one works, in the same process.
	start(t, dirs(t))
}

// shims finds the shims whose directory is below dir.
func shims(t *testing.T, dir string) []int {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			pid, _ := strconv.Atoi(strings.Split(link, "/")[2])
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestShimDies(t *testing.T) {
	cfg := dirs(t)
	rt := start(t, cfg)
	importBusybox(t, rt)
	spec := sandboxSpec("orphan")
	spec.ShareProcesses = true
	sb := runSandbox(t, rt, spec)
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Command: []string{"sleep", "4321"}})
	pids := shims(t, cfg.StateDir)
	if len(pids) != 1 {
		t.Fatalf("shims: %v", pids)
	}
	if err := unix.Kill(pids[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if c := waitExit(t, rt, id); c.ExitCode != 255 || c.Reason != "Unknown" {
		t.Errorf("%+v", c)
	}
	again := run(t, rt, sb.ID, kubelet.ContainerSpec{Attempt: 1, Command: []string{"sh", "-c", "ps | grep -c 'sleep 432[1]'; ps | grep -c /paus[e]; ip addr show lo | grep -c LOOPBACK"}})
	if c := waitExit(t, rt, again); output(t, c) != "0\n1\n1\n" {
		t.Errorf("in the sandbox afterwards: %q, %+v", output(t, c), c)
	}
	if err := rt.RemoveSandbox(t.Context(), sb.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no process is left in the control groups of the sandbox", func() bool { return len(running(t, sb.ID)) == 0 })
}

// running finds the processes in control groups whose name holds id.
func running(t *testing.T, id string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && strings.Contains(string(data), id) {
			out = append(out, f)
		}
	}
	return out
}

func TestShimThatIsNone(t *testing.T) {
	cfg := dirs(t)
	for path, want := range map[string]string{"/bin/false": "RunAsShim", "/bin/echo": "RunAsShim"} {
		cfg.ShimPath = path
		rt := start(t, cfg)
		importBusybox(t, rt)
		sb, err := rt.RunSandbox(t.Context(), sandboxSpec("none"))
		if err != nil {
			t.Fatal(err)
		}
		id, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{Name: "a", Image: "busybox"})
		if err != nil {
			t.Fatal(err)
		}
		if err := rt.StartContainer(t.Context(), id); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("with %s: %v", path, err)
		}
		if c := find(t, rt, id); c.State != kubelet.StateCreated {
			t.Errorf("a container that could not be started for no fault of its own: %+v", c)
		}
		removeAll(t, rt, cfg)
	}
}

func TestAfterReboot(t *testing.T) {
	cfg := dirs(t)
	rt := start(t, cfg)
	importBusybox(t, rt)
	sb := runSandbox(t, rt, sandboxSpec("rebooted"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Command: []string{"sleep", "1000"}})
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	// What a reboot does: processes, mounts and StateDir are gone.
	for _, pid := range shims(t, cfg.StateDir) {
		unix.Kill(pid, unix.SIGKILL)
	}
	old := start(t, containerd.Config{RootDir: filepath.Join(t.TempDir(), "root"), StateDir: cfg.StateDir})
	if list, err := old.List(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	cfg.StateDir = filepath.Join(t.TempDir(), "state")
	rt = start(t, cfg)
	list, err := rt.List(t.Context())
	if err != nil || len(list) != 1 || list[0].State != kubelet.StateExited {
		t.Fatalf("%+v, %v", list, err)
	}
	if c := find(t, rt, id); c.State != kubelet.StateExited || c.ExitCode != 255 || c.Reason != "Unknown" {
		t.Errorf("%+v", c)
	}
	if _, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{Name: "x", Image: "busybox"}); err == nil {
		t.Error("created a container in a sandbox that ended")
	}
}
