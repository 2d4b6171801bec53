package e2e

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What a user can get wrong is told in one sentence that says what to do.
func TestMisuse(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	used := t.TempDir()
	start(t, used, "-runtime", "simulated", "-store", "memory")
	// For the user who is not root: a place and a program within reach.
	open, err := os.MkdirTemp("/run", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	if err := errors.Join(os.Chmod(open, 0o777), copyFile(program("allinone"), filepath.Join(open, "allinone"))); err != nil {
		t.Fatal(err)
	}
	noRunc := append(withoutPath(os.Environ()), "PATH="+t.TempDir())
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}

	for _, c := range []struct {
		name string
		args []string
		as   *syscall.Credential
		env  []string
		says []string
	}{
		{"unknown flag", []string{"-no-such-flag"}, nil, nil, []string{"-no-such-flag", "see allinone -help"}},
		{"unknown command", []string{"kubctl"}, nil, nil, []string{`"kubctl" is no command`}},
		{"bad range", []string{"-pod-cidr", "10.0.0.0"}, nil, nil, []string{`-pod-cidr "10.0.0.0"`, "10.244.0.0/16"}},
		{"ranges overlap", []string{"-pod-cidr", "10.96.0.0/12"}, nil, nil, []string{"overlap"}},
		{"bad address", []string{"-listen", "6443"}, nil, nil, []string{`-listen "6443"`, "127.0.0.1:6443"}},
		{"bad runtime", []string{"-runtime", "docker"}, nil, nil, []string{`-runtime "docker"`, "containerd", "simulated"}},
		{"bad store", []string{"-store", "sqlite"}, nil, nil, []string{`-store "sqlite"`, "embedded", "memory"}},
		{"no etcd there", []string{"-store", "http://127.0.0.1:1", "-runtime", "simulated"}, nil, nil, []string{"-store http://127.0.0.1:1", "is etcd running there?"}},
		{"no image directory", []string{"-images", "/nowhere"}, nil, nil, []string{`-images "/nowhere" is no directory`}},
		{"bad node name", []string{"-node-name", "A B"}, nil, nil, []string{`-node-name "A B"`}},
		{"busy port", []string{"-listen", busy.Addr().String()}, nil, nil, []string{busy.Addr().String(), "address already in use", "choose another port"}},
		{"data directory in use", []string{"-data-dir", used}, nil, nil, []string{used, "in use by another instance", "-data-dir"}},
		{"no runc", nil, nil, noRunc, []string{"runc is not installed", "apt-get install runc"}},
		{"not root", nil, nobody, nil, []string{"needs root"}},
		{"image without a running instance", []string{"image", "-data-dir", "/nowhere", "ls"}, nil, nil, []string{"/nowhere", "start it first"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(open, "data")
			before := lookForTraces(t, dir)
			args := c.args
			if len(args) == 0 || strings.HasPrefix(args[0], "-") {
				args = append([]string{"-data-dir", dir, "-listen", "127.0.0.1:0"}, args...)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, filepath.Join(open, "allinone"), args...)
			cmd.Dir, cmd.Env = open, c.env
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as}
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			err := cmd.Run()
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.ExitCode() != 1 {
				t.Errorf("it ends with %v, want exit status 1", err)
			}
			text := stderr.String()
			wantContains(t, text, append([]string{"allinone: "}, c.says...)...)
			if strings.Count(text, "\n") != 1 || stdout.Len() > 0 {
				t.Errorf("it says more than one line:\n%s%s", &stdout, text)
			}
			if left := lookForTraces(t, dir).less(before); len(left) > 0 {
				t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
			}
			for _, made := range []string{"etcd", "containerd", "pki", "kubeconfig"} {
				if _, err := os.Stat(filepath.Join(dir, made)); err == nil {
					t.Errorf("%s was made", made)
				}
			}
		})
	}
}

func withoutPath(env []string) []string {
	var out []string
	for _, e := range env {
		if !strings.HasPrefix(e, "PATH=") {
			out = append(out, e)
		}
	}
	return out
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}
