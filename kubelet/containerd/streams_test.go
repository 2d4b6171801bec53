//go:build linux

package containerd_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

// waitLog waits until a container has logged a line that holds text.
func waitLog(t testing.TB, rt *containerd.Runtime, id, text string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		c := find(t, rt, id)
		if data, _ := os.ReadFile(c.LogPath); strings.Contains(string(data), text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log of %s never says %q:\n%s", c.Name, text, output(t, c))
		}
		time.Sleep(5 * time.Millisecond) // a file has no event to wait for
	}
}

func sleeper(t testing.TB) (*containerd.Runtime, kubelet.Sandbox, string) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("sleeper"))
	return rt, sb, run(t, rt, sb.ID, kubelet.ContainerSpec{Command: []string{"sleep", "1000"}, Env: []kubelet.EnvVar{{Name: "WHO", Value: "me"}}})
}

func TestExec(t *testing.T) {
	rt, _, id := sleeper(t)
	var out, errOut bytes.Buffer
	t0 := time.Now()
	err := rt.Exec(t.Context(), id, []string{"sh", "-c", "echo out $WHO; echo err >&2; exit 4"}, kubelet.Streams{Stdout: &out, Stderr: &errOut})
	t.Logf("exec: %v", time.Since(t0))
	var exit *kubelet.ExitError
	if !errors.As(err, &exit) || exit.Code != 4 || out.String() != "out me\n" || errOut.String() != "err\n" {
		t.Errorf("%v, %q, %q", err, out.String(), errOut.String())
	}

	out.Reset()
	big := strings.Repeat("0123456789abcdef", 1<<16) // more than all pipes hold
	if err := rt.Exec(t.Context(), id, []string{"cat"}, kubelet.Streams{Stdin: strings.NewReader(big), Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	if out.String() != big {
		t.Errorf("cat gave %d bytes of %d", out.Len(), len(big))
	}

	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := rt.Exec(ctx, id, []string{"sleep", "777"}, kubelet.Streams{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an exec past its time: %v", err)
	}
	out.Reset()
	if err := rt.Exec(t.Context(), id, []string{"sh", "-c", "ps | grep '[s]leep 777' || echo gone"}, kubelet.Streams{Stdout: &out}); err != nil || out.String() != "gone\n" {
		t.Errorf("%v: %q", err, out.String())
	}

	err = rt.Exec(t.Context(), id, []string{"nosuch"}, kubelet.Streams{})
	if err == nil || !strings.Contains(err.Error(), "executable file not found") {
		t.Errorf("no such command: %v", err)
	}
	t.Log(err)
}

func TestExecTerminal(t *testing.T) {
	rt, _, id := sleeper(t)
	sizes := make(chan kubelet.TerminalSize, 1)
	sizes <- kubelet.TerminalSize{Width: 77, Height: 33}
	var out bytes.Buffer
	err := rt.Exec(t.Context(), id, []string{"sh", "-c", "until stty size | grep '33 77'; do sleep 0.02; done; tty; echo $TERM"},
		kubelet.Streams{Stdout: &out, TTY: true, Resize: sizes})
	if err != nil || !strings.Contains(out.String(), "33 77\r\n") || !strings.Contains(out.String(), "/dev/pts/0\r\nxterm\r\n") {
		t.Errorf("%v: %q", err, out.String())
	}
}

func TestLogPartialLinesAndReopen(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("logs"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Stdin: true, Command: []string{"sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; read x; echo after $x; printf 'no end'"}})
	waitLog(t, rt, id, " F xxx")
	log := find(t, rt, id).LogPath
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var shape []string
	for line := range strings.Lines(string(data)) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		shape = append(shape, fmt.Sprint(f[1], " ", f[2], " ", len(f[3])))
	}
	if got, want := strings.Join(shape, ", "), "stdout P 16384, stdout P 16384, stdout F 7232"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	if err := rt.ReopenLog(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if err := rt.Attach(t.Context(), id, kubelet.Streams{Stdin: strings.NewReader("all\n")}); err != nil {
		t.Fatal(err)
	}
	c := waitExit(t, rt, id)
	if data, err = os.ReadFile(log); err != nil || !strings.Contains(string(data), " stdout F after all\n") || !strings.HasSuffix(string(data), " stdout P no end\n") {
		t.Errorf("%q, %v; %+v", data, err, c)
	}
}

func TestAttach(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("attach"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Stdin: true, StdinOnce: true, Command: []string{"sh", "-c", "echo ready; cat; echo end >&2"}})
	waitLog(t, rt, id, "ready")
	var watched bytes.Buffer
	watching := make(chan error, 1)
	in, feed := io.Pipe()
	firstOut, first := io.Pipe()
	go func() {
		watching <- rt.Attach(t.Context(), id, kubelet.Streams{Stdout: io.MultiWriter(&watched, first)})
	}()
	var out, errOut bytes.Buffer
	done := make(chan error, 1)
	go func() {
		done <- rt.Attach(t.Context(), id, kubelet.Streams{Stdin: in, Stdout: &out, Stderr: &errOut})
	}()
	// What both see proves that both are attached.
	var once sync.Once
	go func() {
		buf := make([]byte, 1024)
		for {
			if _, err := firstOut.Read(buf); err != nil {
				return
			}
			once.Do(func() {
				feed.Write([]byte("last\n"))
				feed.Close()
			})
		}
	}()
	go func() {
		for range 200 {
			if _, err := feed.Write([]byte("more\n")); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := <-watching; err != nil {
		t.Fatal(err)
	}
	first.Close()
	if !strings.HasSuffix(out.String(), "last\n") && !strings.Contains(out.String(), "more\n") || errOut.String() != "end\n" || !strings.Contains(watched.String(), "more\n") {
		t.Errorf("out %q, err %q, watched %q", out.String(), errOut.String(), watched.String())
	}
	if c := waitExit(t, rt, id); c.ExitCode != 0 {
		t.Errorf("%+v", c)
	}
	if err := rt.Attach(t.Context(), id, kubelet.Streams{}); err == nil {
		t.Error("attached to an ended container")
	}
}

func TestAttachTerminal(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("terminal"))
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{Stdin: true, TTY: true, Command: []string{"sh"}})
	sizes := make(chan kubelet.TerminalSize, 1)
	sizes <- kubelet.TerminalSize{Width: 90, Height: 40}
	var out bytes.Buffer
	script := "until stty size | grep '40 90'; do sleep 0.05; done; exit 5\n"
	if err := rt.Attach(t.Context(), id, kubelet.Streams{Stdin: strings.NewReader(script), Stdout: &out, TTY: true, Resize: sizes}); err != nil {
		t.Fatal(err)
	}
	if c := waitExit(t, rt, id); c.ExitCode != 5 || !strings.Contains(out.String(), "40 90\r\n") {
		t.Errorf("%q, %+v", out.String(), c)
	}
}

func TestPortForward(t *testing.T) {
	rt := withBusybox(t)
	sb := runSandbox(t, rt, sandboxSpec("forward"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("hello over the port"), 0o644); err != nil {
		t.Fatal(err)
	}
	id := run(t, rt, sb.ID, kubelet.ContainerSpec{
		Command: []string{"sh", "-c", "echo ready; exec httpd -f -p 127.0.0.1:8080 -h /www"},
		Mounts:  []kubelet.Mount{{HostPath: dir, ContainerPath: "/www", ReadOnly: true}},
	})
	waitLog(t, rt, id, "ready")
	var reply []byte
	for range 100 { // the server says ready just before it is
		here, there := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- rt.PortForward(t.Context(), sb.ID, 8080, there) }()
		go io.WriteString(here, "GET / HTTP/1.0\r\n\r\n")
		reply, _ = io.ReadAll(here)
		here.Close()
		if err := <-done; err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !strings.Contains(string(reply), "hello over the port") {
		t.Errorf("reply %q", reply)
	}
	_, there := net.Pipe()
	if err := rt.PortForward(t.Context(), sb.ID, 81, there); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a port nobody listens on: %v", err)
	}
}
