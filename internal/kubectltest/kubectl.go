package kubectltest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	"github.com/keelson-project/keelson/apiserver/standard"
)

// Kubeconfig writes an administrator's kubeconfig for a server on addr whose
// keys are pki, and returns the file.
func Kubeconfig(t *testing.T, pki *standard.PKI, addr string) string {
	t.Helper()
	data, err := pki.AdminKubeconfig("test", "https://"+addr)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// New returns a kubectl for a kubeconfig.
func New(t *testing.T, kubeconfig string) *Kubectl {
	return &Kubectl{kubeconfig: kubeconfig, cache: t.TempDir()}
}

// Kubectl is the library of that name, for one kubeconfig.
type Kubectl struct {
	kubeconfig string
	cache      string
}

// fatal is what kubectl says before it would end the process.
type fatal struct {
	text string
	code int
}

// Error implements error.
func (f *fatal) Error() string { return fmt.Sprintf("%s (exit status %d)", f.text, f.code) }

// Try runs a command and returns its standard output. With a manifest, the
// argument "-" stands for a file that holds it.
func (k *Kubectl) Try(manifest string, args ...string) (out string, err error) {
	if i := slices.Index(args, "-"); i >= 0 && manifest != "" {
		file := filepath.Join(k.cache, "manifest.yaml")
		if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
			return "", err
		}
		args = slices.Clone(args)
		args[i] = file
	}
	// Where kubectl fails it ends the process; here it ends the command.
	util.BehaviorOnFatal(func(text string, code int) { panic(&fatal{strings.TrimSpace(text), code}) })
	defer util.DefaultBehaviorOnFatal()
	var stdout, stderr lockedBuffer
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *fatal:
			err = fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), r)
		default:
			panic(r)
		}
		out = stdout.String()
	}()
	flags := genericclioptions.NewConfigFlags(true)
	flags.KubeConfig, flags.CacheDir = &k.kubeconfig, &k.cache
	flags.WithDiscoveryQPS(-1)
	command := cmd.NewKubectlCommand(cmd.KubectlOptions{
		Arguments: append([]string{"kubectl"}, args...), ConfigFlags: flags,
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(""), Out: &stdout, ErrOut: &stderr},
	})
	command.SetArgs(args)
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	if err := command.Execute(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// Run runs a command that must succeed.
func (k *Kubectl) Run(t *testing.T, args ...string) string {
	t.Helper()
	return k.RunWith(t, "", args...)
}

// RunWith is Run with a manifest, as for Try.
func (k *Kubectl) RunWith(t *testing.T, manifest string, args ...string) string {
	t.Helper()
	out, err := k.Try(manifest, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// Value is a field of an object, by a JSONPath.
func (k *Kubectl) Value(t *testing.T, path string, object ...string) string {
	t.Helper()
	return k.Run(t, append(append([]string{"get"}, object...), "-o", "jsonpath={"+path+"}")...)
}

// Eventually asks again until a command prints what is wanted.
func (k *Kubectl) Eventually(t *testing.T, want string, args ...string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		out, err := k.Try("", args...)
		if err == nil && strings.TrimSpace(out) == want {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("kubectl %s still prints %q, want %q: %v", strings.Join(args, " "), out, want, err)
		}
	}
}

// ExitCode is what the process of a kubectl would end with.
func ExitCode(err error) int {
	if f, ok := errors.AsType[*fatal](err); ok {
		return f.code
	}
	return 0
}

// WantHeader checks the first line of a table.
func WantHeader(t *testing.T, table string, titles ...string) {
	t.Helper()
	first, _, _ := strings.Cut(table, "\n")
	if got, want := strings.Join(strings.Fields(first), " "), strings.Join(titles, " "); got != want {
		t.Errorf("columns are %q, want %q\n%s", got, want, table)
	}
}

// WantContains checks that a text has all the parts.
func WantContains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is missing in:\n%s", p, text)
		}
	}
}

// lockedBuffer can be read while a command writes.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
