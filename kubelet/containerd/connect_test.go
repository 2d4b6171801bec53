//go:build linux

package containerd_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

// daemon starts the containerd installed on this machine.
func daemon(t *testing.T) (address string) {
	t.Helper()
	path, err := exec.LookPath("containerd")
	if err != nil {
		t.Skip("containerd is not installed: apt-get install containerd")
	}
	dir, err := os.MkdirTemp("", "ctrd") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address = filepath.Join(dir, "sock")
	config := filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(path, "--config", config)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	eventually(t, "containerd listens", func() bool {
		_, err := os.Stat(address)
		return err == nil
	})
	return address
}

func TestConnect(t *testing.T) {
	cfg := dirs(t)
	cfg.RootDir = ""
	address := daemon(t)
	connect := func() *containerd.Runtime {
		rt, err := containerd.Connect(t.Context(), address, cfg)
		if err != nil {
			t.Fatal(err)
		}
		return rt
	}
	rt := connect()
	t.Cleanup(func() { removeAll(t, rt, cfg) })
	version, err := rt.Version(t.Context())
	if err != nil || !strings.HasPrefix(version, "containerd://") {
		t.Errorf("%q, %v", version, err)
	}
	t.Log(version)
	importBusybox(t, rt)
	out, c := sh(t, rt, "echo hello; exit 6", nil)
	if out != "hello\n" || c.ExitCode != 6 {
		t.Errorf("%q, %+v", out, c)
	}
	sb := runSandbox(t, rt, sandboxSpec("stays"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Command: []string{"sleep", "1000"}})
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	again := connect()
	defer removeAll(t, again, cfg)
	if c := find(t, again, id); c.State != kubelet.StateRunning {
		t.Errorf("%+v", c)
	}
	if err := again.StopContainer(t.Context(), id, 0); err != nil {
		t.Fatal(err)
	}
	if err := again.RemoveImage(t.Context(), "busybox"); err != nil {
		t.Fatal(err)
	}
}

func TestConnectToNobody(t *testing.T) {
	cfg := dirs(t)
	cfg.RootDir = ""
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := containerd.Connect(ctx, filepath.Join(t.TempDir(), "none"), cfg)
	if err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("got %v", err)
	}
}
