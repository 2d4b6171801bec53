package cluster_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"

	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/cluster"
)

// serving starts a cluster that listens on loopback, and returns it with the
// file of a kubeconfig for it.
func serving(t *testing.T, o cluster.Options) (*cluster.Cluster, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Listener = l
	c, err := cluster.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	pair, err := c.PKI().CA.Issue(certs.Subject{CommonName: standard.AdminUser, Organizations: []string{standard.AdminGroup}})
	if err != nil {
		t.Fatal(err)
	}
	data, err := certs.Kubeconfig("test", "https://"+l.Addr().String(), c.PKI().CA, standard.AdminUser, pair)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return c, file
}

// kubectl is the library of that name, for one kubeconfig.
type kubectl struct {
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

// try runs a command and returns its standard output.
func (k *kubectl) try(stdin string, args ...string) (out string, err error) {
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
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &stdout, ErrOut: &stderr},
	})
	command.SetArgs(args)
	command.SetOut(&stdout)
	command.SetErr(&stderr)
	if err := command.Execute(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// run runs a command that must succeed.
func (k *kubectl) run(t *testing.T, args ...string) string {
	t.Helper()
	return k.runWith(t, "", args...)
}

// runWith is run with something on standard input.
func (k *kubectl) runWith(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := k.try(stdin, args...)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// value is a field of an object, by a JSONPath.
func (k *kubectl) value(t *testing.T, path string, object ...string) string {
	t.Helper()
	return k.run(t, append(append([]string{"get"}, object...), "-o", "jsonpath={"+path+"}")...)
}

// eventually asks again until a command prints what is wanted.
func (k *kubectl) eventually(t *testing.T, want string, args ...string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		out, err := k.try("", args...)
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

// exitCode is what the process of a kubectl would end with.
func exitCode(err error) int {
	if f, ok := errors.AsType[*fatal](err); ok {
		return f.code
	}
	return 0
}

func wantHeader(t *testing.T, table string, titles ...string) {
	t.Helper()
	first, _, _ := strings.Cut(table, "\n")
	if got, want := strings.Join(strings.Fields(first), " "), strings.Join(titles, " "); got != want {
		t.Errorf("columns are %q, want %q\n%s", got, want, table)
	}
}

func wantContains(t *testing.T, text string, parts ...string) {
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
