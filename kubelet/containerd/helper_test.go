//go:build linux

package containerd_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

// helperEnv makes the test program run a runtime and be killed for it.
const helperEnv = "KEELSON_TEST_HELPER"

// helperInput is what the helper is to run.
type helperInput struct {
	Config     containerd.Config
	Sandbox    kubelet.SandboxSpec
	Containers []kubelet.ContainerSpec
}

// maybeHelper runs the pod described on stdin, says so, and waits to be killed.
func maybeHelper() bool {
	if os.Getenv(helperEnv) == "" {
		return false
	}
	if err := help(); err != nil {
		fmt.Fprintln(os.Stderr, "helper:", err)
		os.Exit(1)
	}
	return true
}

func help() error {
	ctx := context.Background()
	var in helperInput
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	rt, err := containerd.Start(ctx, in.Config)
	if err != nil {
		return err
	}
	archive, err := busyboxArchive()
	if err != nil {
		return err
	}
	if _, err := rt.Import(ctx, bytes.NewReader(archive)); err != nil {
		return err
	}
	sb, err := rt.RunSandbox(ctx, in.Sandbox)
	if err != nil {
		return err
	}
	for _, c := range in.Containers {
		id, err := rt.CreateContainer(ctx, sb.ID, c)
		if err != nil {
			return err
		}
		if err := rt.StartContainer(ctx, id); err != nil {
			return err
		}
	}
	fmt.Println("running")
	select {}
}

// killed runs a pod in another process and kills that process.
func killed(t *testing.T, in helperInput, until func()) {
	t.Helper()
	logger := in.Config.Logger
	in.Config.Logger = nil
	defer func() { in.Config.Logger = logger }()
	data, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperEnv+"=1")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(data), os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	buf := make([]byte, 16)
	n, err := io.ReadAtLeast(out, buf, 8)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "running") {
		t.Fatalf("helper: %q, %v", buf[:n], err)
	}
	until()
}

// eventually waits for what no event tells of.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("never: ", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
