package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// output is what a program has written so far.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.changed)
	o.changed = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output holds text.
func (o *output) await(ctx context.Context, text string) error {
	for {
		o.mu.Lock()
		found, changed := strings.Contains(o.text.String(), text), o.changed
		o.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%q is not in the output: %w", text, ctx.Err())
		}
	}
}

// program is the path of a program under test.
func program(name string) string { return filepath.Join(os.Getenv(binVariable), name) }

// instance is a running allinone.
type instance struct {
	dataDir string
	cmd     *exec.Cmd
	stdout  *output
	stderr  *output
	ended   chan struct{}
	err     error // of its end, once ended is closed
}

// launch starts allinone and does not wait for anything. The end of the test
// ends it as Ctrl-C does, so that the next test finds nothing of it.
func launch(t *testing.T, dataDir string, args ...string) *instance {
	t.Helper()
	i := &instance{dataDir: dataDir, stdout: newOutput(), stderr: newOutput(), ended: make(chan struct{})}
	i.cmd = exec.Command(program("allinone"), append([]string{"-data-dir", dataDir, "-listen", "127.0.0.1:0", "-node-name", "node"}, args...)...)
	i.cmd.Stdout, i.cmd.Stderr = i.stdout, i.stderr
	// Not a pipe's end that containers would hold open.
	i.cmd.WaitDelay = time.Second
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		i.err = i.cmd.Wait()
		close(i.ended)
	}()
	t.Cleanup(func() {
		select {
		case <-i.ended:
		default:
			if err := i.interrupt(t); err != nil {
				t.Errorf("Ctrl-C: %v", err)
				i.kill()
			}
		}
		if t.Failed() {
			t.Logf("output of the program:\n%s%s", i.stdout, tail(i.stderr.String(), 60))
		}
	})
	return i
}

// start starts allinone and returns when it says that the cluster is up.
func start(t *testing.T, dataDir string, args ...string) *instance {
	t.Helper()
	began := time.Now()
	i := launch(t, dataDir, args...)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		select {
		case <-i.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := i.stdout.await(ctx, "The cluster is up"); err != nil {
		t.Fatalf("the program does not come up: %v\n%s%s", err, i.stdout, i.stderr)
	}
	t.Logf("up after %.1f s", time.Since(began).Seconds())
	return i
}

// kill ends the program as a power cut would.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill() // it may have ended by itself
	<-i.ended
}

// interrupt ends the program as Ctrl-C does, and returns what it ended with.
func (i *instance) interrupt(t *testing.T) error {
	t.Helper()
	if err := i.cmd.Process.Signal(unix.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case <-i.ended:
		return i.err
	case <-time.After(40 * time.Second):
		i.stacks(t)
		return errors.New("it has not ended after 40 s")
	}
}

// stacks logs what the program is doing, and ends it.
func (i *instance) stacks(t *testing.T) {
	_ = i.cmd.Process.Signal(unix.SIGQUIT)
	select {
	case <-i.ended:
	case <-time.After(5 * time.Second):
	}
	t.Logf("%s", i.stderr)
}

// shell is kubectl for an instance.
type shell struct {
	kubeconfig string
	env        []string
}

func (i *instance) shell() *shell {
	return &shell{kubeconfig: filepath.Join(i.dataDir, "kubeconfig")}
}

// command is kubectl with args, not yet started.
func (s *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program("allinone"), append([]string{"kubectl"}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	cmd.Env = append(cmd.Env, s.env...)
	return cmd
}

// try runs kubectl and returns its standard output, and an error with what it
// wrote to the other.
func (s *shell) try(ctx context.Context, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := s.command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s%s", strings.Join(args, " "), err, &stderr, also(ctx))
	}
	return stdout.String(), nil
}

func also(ctx context.Context) string {
	if ctx.Err() != nil {
		return " (" + ctx.Err().Error() + ")"
	}
	return ""
}

// run runs kubectl, which must succeed, and returns its standard output.
func (s *shell) run(t *testing.T, args ...string) string {
	t.Helper()
	return s.runWith(t, "", args...)
}

// runWith is run with something on standard input.
func (s *shell) runWith(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := s.try(t.Context(), stdin, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// value is a field of an object, by a JSONPath.
func (s *shell) value(t *testing.T, path string, object ...string) string {
	t.Helper()
	return s.run(t, append(append([]string{"get"}, object...), "-o", "jsonpath={"+path+"}")...)
}

// eventually asks again and again until check is content, for at most limit.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.After(limit)
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("after %v still: %v", limit, err)
		}
	}
}

// wantHeader checks the column titles of a table.
func wantHeader(t *testing.T, table string, titles ...string) {
	t.Helper()
	first, _, _ := strings.Cut(table, "\n")
	if got, want := strings.Join(strings.Fields(first), " "), strings.Join(titles, " "); got != want {
		t.Errorf("columns are %q, want %q\n%s", got, want, table)
	}
}

// wantContains checks that text holds each of parts.
func wantContains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
