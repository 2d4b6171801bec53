//go:build linux

package containerd

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/keelson-project/keelson/kubelet"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadCgroups(t *testing.T) {
	two, one := t.TempDir(), t.TempDir()
	write(t, two, map[string]string{
		"cpu.stat":       "usage_usec 1500000\nuser_usec 1\n",
		"memory.current": "1000\n",
		"memory.stat":    "anon 300\nfile 600\ninactive_file 250\n",
	})
	write(t, one, map[string]string{
		"cpuacct/pod/c/cpuacct.usage":        "1500000000\n",
		"memory/pod/c/memory.usage_in_bytes": "1000\n",
		"memory/pod/c/memory.stat":           "rss 1\ntotal_rss 300\ntotal_inactive_file 250\n",
	})
	var a, b kubelet.ContainerStats
	if err := readCgroup2(two, &a); err != nil {
		t.Fatal(err)
	}
	if err := readCgroup1(one, "/pod/c", &b); err != nil {
		t.Fatal(err)
	}
	want := kubelet.ContainerStats{CPU: 1500 * time.Millisecond, MemoryUsage: 1000, MemoryRSS: 300, MemoryWorkingSet: 750}
	if a != want || b != want {
		t.Errorf("v2 %+v\nv1 %+v\nwant %+v", a, b, want)
	}
}

func TestUserString(t *testing.T) {
	id := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		image string
		sec   kubelet.Security
		want  string
	}{
		{"", kubelet.Security{}, "0"},
		{"app:staff", kubelet.Security{}, "app:staff"},
		{"app:staff", kubelet.Security{RunAsUser: id(7)}, "7"},
		{"app:staff", kubelet.Security{RunAsGroup: id(8)}, "app:8"},
		{"app", kubelet.Security{RunAsUserName: "bob", RunAsGroup: id(8)}, "bob:8"},
		{"", kubelet.Security{RunAsUser: id(7), RunAsUserName: "bob"}, "7"},
	} {
		if got := userString(tt.image, tt.sec); got != tt.want {
			t.Errorf("%q, %+v: got %q, want %q", tt.image, tt.sec, got, tt.want)
		}
	}
}

func TestSetEnv(t *testing.T) {
	env := []string{"A=1", "AB=2"}
	for _, e := range []string{"B=3", "A=4", "B="} {
		env = setEnv(env, e)
	}
	if want := []string{"A=4", "AB=2", "B="}; !slices.Equal(env, want) {
		t.Errorf("got %q, want %q", env, want)
	}
}

func TestCommandAndArguments(t *testing.T) {
	img := &image{}
	img.config.Config.Entrypoint = []string{"entry"}
	img.config.Config.Cmd = []string{"cmd"}
	for _, tt := range []struct{ command, args, want []string }{
		{nil, nil, []string{"entry", "cmd"}},
		{nil, []string{"a"}, []string{"entry", "a"}},
		{[]string{"c"}, nil, []string{"c"}},
		{[]string{"c"}, []string{"a"}, []string{"c", "a"}},
	} {
		b := specBuilder{c: kubelet.ContainerSpec{Command: tt.command, Args: tt.args}, img: img, s: &specs.Spec{Process: &specs.Process{}}}
		if err := b.process(t.Context()); err != nil || !slices.Equal(b.s.Process.Args, tt.want) {
			t.Errorf("%q, %q: got %q, %v; want %q", tt.command, tt.args, b.s.Process.Args, err, tt.want)
		}
	}
	b := specBuilder{img: &image{}, s: &specs.Spec{Process: &specs.Process{}}}
	if err := b.process(t.Context()); err == nil {
		t.Error("nothing to run is no error")
	}
}

func TestPauseProgramIsSound(t *testing.T) {
	program, err := pauseProgram()
	if err != nil {
		t.Skip(err)
	}
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Progs) != 1 || f.Progs[0].Filesz != uint64(len(program)) || f.Entry != f.Progs[0].Vaddr+120 {
		t.Errorf("%d bytes: %+v", len(program), f.Progs[0].ProgHeader)
	}
}

func TestMirrors(t *testing.T) {
	r := &Runtime{cfg: Config{Registries: map[string]Registry{
		"docker.io": {Mirrors: []string{"http://127.0.0.1:5000/hub", "mirror.example"}},
		"bad.io":    {CA: []byte("nonsense")},
	}}}
	hosts, err := r.hosts(nil)("docker.io")
	if err != nil || len(hosts) != 2 {
		t.Fatalf("%+v, %v", hosts, err)
	}
	if h := hosts[0]; h.Scheme != "http" || h.Host != "127.0.0.1:5000" || h.Path != "/hub/v2" {
		t.Errorf("%+v", h)
	}
	if h := hosts[1]; h.Scheme != "https" || h.Host != "mirror.example" || h.Path != "/v2" {
		t.Errorf("%+v", h)
	}
	for host, scheme := range map[string]string{"localhost:5000": "http", "127.0.0.1:5000": "http", "quay.io": "https"} {
		if hosts, err := r.hosts(nil)(host); err != nil || len(hosts) != 1 || hosts[0].Scheme != scheme {
			t.Errorf("%s: %+v, %v", host, hosts, err)
		}
	}
	if _, err := r.hosts(nil)("bad.io"); err == nil {
		t.Error("a CA that is no PEM is no error")
	}
}
