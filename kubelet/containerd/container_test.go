//go:build linux

package containerd_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

func TestSandboxAndContainerStartQuickly(t *testing.T) {
	rt := withBusybox(t)
	pod := func(name string) error {
		sb, err := rt.RunSandbox(t.Context(), sandboxSpec(name))
		if err != nil {
			return err
		}
		id, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{
			Name: "main", Image: "busybox", Command: []string{"sleep", "1000"},
			LogPath: filepath.Join(t.TempDir(), "log"), Security: kubelet.Security{Seccomp: "RuntimeDefault"},
		})
		if err != nil {
			return err
		}
		return rt.StartContainer(t.Context(), id)
	}
	t0 := time.Now()
	if err := pod("one"); err != nil {
		t.Fatal(err)
	}
	t.Logf("one pod: %v", time.Since(t0))
	t0 = time.Now()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := pod(fmt.Sprint("many-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	t.Logf("four pods at once: %v", time.Since(t0))
}

func TestSandboxIsIdempotent(t *testing.T) {
	rt := withBusybox(t)
	a := runSandbox(t, rt, sandboxSpec("twice"))
	b := runSandbox(t, rt, sandboxSpec("twice"))
	if a.ID != b.ID {
		t.Errorf("two sandboxes, %s and %s, for one attempt", a.ID, b.ID)
	}
	next := sandboxSpec("twice")
	next.Attempt = 1
	if c := runSandbox(t, rt, next); c.ID == a.ID {
		t.Error("the next attempt got the old sandbox")
	}
	for _, stop := range []func() error{
		func() error { return rt.StopSandbox(t.Context(), a.ID) },
		func() error { return rt.StopSandbox(t.Context(), a.ID) },
		func() error { return rt.RemoveSandbox(t.Context(), a.ID) },
		func() error { return rt.RemoveSandbox(t.Context(), a.ID) },
		func() error { return rt.RemoveContainer(t.Context(), "none") },
		func() error { return rt.StopContainer(t.Context(), "none", 0) },
	} {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	if _, err := rt.CreateContainer(t.Context(), a.ID, kubelet.ContainerSpec{Image: "busybox"}); !errors.Is(err, kubelet.ErrNotFound) {
		t.Errorf("create in a removed sandbox: %v", err)
	}
}

func TestProcess(t *testing.T) {
	rt := withBusybox(t)
	out, c := sh(t, rt, `echo "$A|$B|$HOSTNAME|$(hostname)|$PWD|$(id -u):$(id -g)|$(cat /etc/hostname)|$(cat /proc/self/oom_score_adj)"`, func(ss *kubelet.SandboxSpec, cs *kubelet.ContainerSpec) {
		ss.Hostname = "box"
		cs.Env = []kubelet.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "two words"}}
		cs.WorkingDir = "/tmp"
		cs.Resources.OOMScoreAdj = 900
	})
	if want := "1|two words|box|box|/tmp|0:0|box|900\n"; out != want || c.ExitCode != 0 || c.Reason != "Completed" {
		t.Errorf("got %q, want %q; %+v", out, want, c)
	}
}

func TestUsers(t *testing.T) {
	rt := withBusybox(t)
	id := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		name string
		sec  kubelet.Security
		want string
	}{
		{"root", kubelet.Security{}, "0 0 0"},
		{"number", kubelet.Security{RunAsUser: id(1234)}, "1234 0 0"},
		{"number and group", kubelet.Security{RunAsUser: id(1234), RunAsGroup: id(56)}, "1234 56 56"},
		{"known number", kubelet.Security{RunAsUser: id(65534)}, "65534 65534 65534 100"},
		{"name", kubelet.Security{RunAsUserName: "nobody"}, "65534 65534 65534 100"},
		{"supplemental", kubelet.Security{RunAsUser: id(65534), SupplementalGroups: []int64{7, 8}}, "65534 65534 65534 100 7 8"},
		{"strict", kubelet.Security{RunAsUser: id(65534), SupplementalGroups: []int64{7}, StrictSupplementalGroups: true}, "65534 65534 65534 7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := sh(t, rt, `echo $(id -u) $(id -g) $(grep Groups /proc/self/status | cut -f2)`, func(_ *kubelet.SandboxSpec, cs *kubelet.ContainerSpec) {
				cs.Security = tt.sec
			})
			got, want := strings.Fields(out), strings.Fields(tt.want)
			if len(got) < 2 || got[0] != want[0] || got[1] != want[1] || !sameSet(got[2:], want[2:]) {
				t.Errorf("got %q, want %q", out, tt.want)
			}
		})
	}
	t.Run("not root", func(t *testing.T) {
		sb := runSandbox(t, rt, sandboxSpec("not-root"))
		_, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{Name: "a", Image: "busybox", Security: kubelet.Security{RunAsNonRoot: true}})
		if err == nil || !strings.Contains(err.Error(), "runAsNonRoot") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no such name", func(t *testing.T) {
		sb := runSandbox(t, rt, sandboxSpec("no-name"))
		_, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{Name: "a", Image: "busybox", Security: kubelet.Security{RunAsUserName: "whoever"}})
		if err == nil || !strings.Contains(err.Error(), "whoever") {
			t.Errorf("got %v", err)
		}
	})
}

func sameSet(a, b []string) bool {
	count := map[string]int{}
	for _, s := range a {
		count[s]++
	}
	for _, s := range b {
		count[s]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestSecurity(t *testing.T) {
	rt := withBusybox(t)
	const status = `grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status | cut -f2 | tr '\n' ' '`
	set := func(sec kubelet.Security) func(*kubelet.SandboxSpec, *kubelet.ContainerSpec) {
		return func(_ *kubelet.SandboxSpec, cs *kubelet.ContainerSpec) { cs.Security = sec }
	}
	for _, tt := range []struct {
		name, script, want string
		sec                kubelet.Security
	}{
		{"default", status, "00000000a80425fb 1 0", kubelet.Security{}},
		{"escalation, seccomp", status, "00000000a80425fb 0 2", kubelet.Security{AllowPrivilegeEscalation: true, Seccomp: "RuntimeDefault"}},
		{"drop all, add one", status, "0000000000000400 1 0", kubelet.Security{DropCapabilities: []string{"ALL"}, AddCapabilities: []string{"NET_BIND_SERVICE"}}},
		{"add and drop", status, "00000000a80435fa 1 0", kubelet.Security{DropCapabilities: []string{"CHOWN"}, AddCapabilities: []string{"CAP_NET_ADMIN"}}},
		{"read-only root", "touch /x 2>&1 || echo no", "touch: /x: Read-only file system\nno", kubelet.Security{ReadOnlyRootfs: true}},
		{"masked", "cat /proc/timer_list | wc -c; (echo 1 > /proc/sys/vm/swappiness) 2>/dev/null || echo no", "0\nno", kubelet.Security{}},
		{"no devices", "ls /dev/vda 2>/dev/null || echo none", "none", kubelet.Security{}},
		{"privileged", "test -b /dev/vda && test -w /proc/sys/vm && mkdir /sys/fs/cgroup/memory/x 2>/dev/null; rmdir /sys/fs/cgroup/memory/x; echo ok", "ok", kubelet.Security{Privileged: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, _ := sh(t, rt, tt.script, set(tt.sec))
			if strings.TrimSpace(out) != tt.want {
				t.Errorf("got %q, want %q", out, tt.want)
			}
		})
	}
}

func TestMounts(t *testing.T) {
	rt := withBusybox(t)
	dir := t.TempDir()
	missing := filepath.Join(dir, "made")
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, _ := sh(t, rt, `cat /vol/file; touch /vol/x 2>/dev/null || echo ro; echo written > /rw/made-inside; stat -c %a /dev/shm; df /dev/shm | tail -1 | awk '{print $2}'; cat /etc/hosts`, func(_ *kubelet.SandboxSpec, cs *kubelet.ContainerSpec) {
		cs.Mounts = []kubelet.Mount{
			{HostPath: dir, ContainerPath: "/vol", ReadOnly: true},
			{HostPath: missing, ContainerPath: "/rw"},
			{HostPath: filepath.Join(dir, "file"), ContainerPath: "/etc/hosts"},
		}
	})
	if want := "from the host\nro\n1777\n65536\nfrom the host\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if data, err := os.ReadFile(filepath.Join(missing, "made-inside")); err != nil || string(data) != "written\n" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestSandboxSharing(t *testing.T) {
	rt := withBusybox(t)
	spec := sandboxSpec("shared")
	spec.ShareProcesses = true
	spec.Sysctls = map[string]string{"net.ipv4.ip_local_port_range": "1100\t1200", "kernel.shm_rmid_forced": "1"}
	sb := runSandbox(t, rt, spec)
	run(t, rt, sb.ID, kubelet.ContainerSpec{Name: "a", Command: []string{"sh", "-c", "echo hi > /dev/shm/x; exec sleep 1234"}})
	b := run(t, rt, sb.ID, kubelet.ContainerSpec{Name: "b", Command: []string{"sh", "-c",
		`until cat /dev/shm/x 2>/dev/null; do :; done; ps | grep -c '[s]leep 1234'; ps -o pid,args | grep '[/]pause'; sysctl -n net.ipv4.ip_local_port_range kernel.shm_rmid_forced; ip -o link show lo | grep -c LOOPBACK,UP`}})
	c := waitExit(t, rt, b)
	got := strings.Join(strings.Fields(output(t, c)), " ")
	if want := "hi 1 1 /pause 1100 1200 1 1"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// Orphans are taken in by the init, and reaped.
	d := run(t, rt, sb.ID, kubelet.ContainerSpec{Name: "d", Command: []string{"sh", "-c", `(sh -c 'sleep 0.1' &); sleep 0.4; ps -o stat,args | grep -c '^Z' ; true`}})
	if c := waitExit(t, rt, d); strings.TrimSpace(output(t, c)) != "0" {
		t.Errorf("zombies: %s", output(t, c))
	}
	if err := rt.StopSandbox(t.Context(), sb.ID); err != nil {
		t.Fatal(err)
	}
	list, err := rt.List(t.Context())
	if err != nil || len(list) != 1 || list[0].State != kubelet.StateExited {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, c := range list[0].Containers {
		if c.State != kubelet.StateExited || c.Name == "a" && c.ExitCode != 137 {
			t.Errorf("after the sandbox's stop: %+v", c)
		}
	}
}

func TestHostNamespaces(t *testing.T) {
	rt := withBusybox(t)
	own := func(kind string) string {
		ns, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		return ns
	}
	out, _ := sh(t, rt, "for n in net ipc uts pid; do readlink /proc/self/ns/$n; done", func(ss *kubelet.SandboxSpec, _ *kubelet.ContainerSpec) {
		ss.HostNetwork, ss.HostIPC, ss.HostPID, ss.Hostname = true, true, true, ""
	})
	if want := own("net") + "\n" + own("ipc") + "\n" + own("uts") + "\n" + own("pid") + "\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestStopSignals(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("stop"))
	polite := run(t, rt, sb.ID, kubelet.ContainerSpec{Name: "polite", StopSignal: "SIGUSR1", Command: []string{"sh", "-c", "trap 'exit 7' USR1; while :; do sleep 0.05; done"}})
	deaf := run(t, rt, sb.ID, kubelet.ContainerSpec{Name: "deaf", Command: []string{"sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"}})
	if err := rt.StopContainer(t.Context(), polite, time.Minute); err != nil {
		t.Fatal(err)
	}
	if c := find(t, rt, polite); c.State != kubelet.StateExited || c.ExitCode != 7 {
		t.Errorf("polite: %+v", c)
	}
	t0 := time.Now()
	if err := rt.StopContainer(t.Context(), deaf, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if c := find(t, rt, deaf); c.ExitCode != 137 || time.Since(t0) < 300*time.Millisecond {
		t.Errorf("deaf, after %v: %+v", time.Since(t0), c)
	}
}

func TestStartErrors(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("wrong"))
	id, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{Name: "a", Image: "busybox", Command: []string{"/no/such"}})
	if err != nil {
		t.Fatal(err)
	}
	err = rt.StartContainer(t.Context(), id)
	if err == nil || !strings.Contains(err.Error(), "no such file or directory") {
		t.Errorf("start: %v", err)
	}
	t.Log(err)
	c := find(t, rt, id)
	if c.State != kubelet.StateExited || c.ExitCode != 128 || !strings.Contains(c.Message, "/no/such") {
		t.Errorf("%+v", c)
	}
	if _, err := rt.CreateContainer(t.Context(), sb.ID, kubelet.ContainerSpec{Name: "b", Image: "nosuch"}); !errors.Is(err, kubelet.ErrImageNotFound) {
		t.Errorf("create of an absent image: %v", err)
	}
}

func TestOOM(t *testing.T) {
	rt := withBusybox(t)
	_, c := sh(t, rt, `exec tail /dev/zero`, func(ss *kubelet.SandboxSpec, cs *kubelet.ContainerSpec) {
		ss.CgroupParent = "/keelson-test/oom"
		cs.Resources.MemoryLimit = 16 << 20
	})
	if c.Reason != "OOMKilled" || c.ExitCode != 137 {
		t.Errorf("%+v", c)
	}
}

func TestResourcesAndStats(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("stats"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{
		Command:   []string{"sh", "-c", "dd if=/dev/zero of=/big bs=1M count=2 2>/dev/null; echo ready; exec sleep 1000"},
		Resources: kubelet.Resources{CPUShares: 512, CPUQuota: 50_000, MemoryLimit: 64 << 20},
	})
	waitLog(t, rt, id, "ready")
	stats, err := rt.Stats(t.Context())
	if err != nil || len(stats) != 1 {
		t.Fatalf("%+v, %v", stats, err)
	}
	s := stats[0]
	if s.ContainerID != id || s.SandboxID != sb.ID || s.CPU == 0 || s.MemoryUsage == 0 || s.MemoryWorkingSet == 0 || s.RootfsUsed < 2<<20 || s.LogsUsed == 0 {
		t.Errorf("%+v", s)
	}
	if _, err := os.Stat("/sys/fs/cgroup/memory/keelson"); err == nil {
		limit := func() string {
			data, err := os.ReadFile("/sys/fs/cgroup/memory/keelson/" + id + "/memory.limit_in_bytes")
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(data))
		}
		if got := limit(); got != "67108864" {
			t.Errorf("memory limit %s", got)
		}
		if err := rt.UpdateResources(t.Context(), id, kubelet.Resources{MemoryLimit: 128 << 20}); err != nil {
			t.Fatal(err)
		}
		if got := limit(); got != "134217728" {
			t.Errorf("memory limit %s after the update", got)
		}
	}
}
