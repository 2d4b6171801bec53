package keelson_test

import (
	"os/exec"
	"strings"
	"testing"
)

// An importer pays for what it imports: what each part must not link, beside
// what nothing may.
func TestImports(t *testing.T) {
	const module = "github.com/keelson-project/keelson/"
	everywhere := []string{
		"k8s.io/kubernetes", "k8s.io/apiserver/pkg/server", "k8s.io/apiserver/pkg/registry", "k8s.io/apiserver/pkg/endpoints/handlers",
		"k8s.io/apiserver/pkg/storage/cacher", "k8s.io/apiserver/pkg/storage/etcd3", "k8s.io/apiserver/pkg/storage/storagebackend",
	}
	parts := func(but ...string) (others []string) {
		for _, p := range []string{"apiserver", "controller", "scheduler", "kubelet", "proxy", "netplugin", "cluster", "store/etcd"} {
			keep := true
			for _, b := range but {
				keep = keep && p != b
			}
			if keep {
				others = append(others, module+p)
			}
		}
		return others
	}
	heavy := []string{"go.etcd.io/etcd", "github.com/containerd/containerd", "k8s.io/kubectl", "github.com/coredns", "github.com/google/nftables", "github.com/vishvananda/netlink"}
	for pkg, forbidden := range map[string][][]string{
		"apiserver/standard": {heavy, parts("apiserver")},
		"controller":         {heavy, parts("controller")},
		"scheduler":          {heavy, parts("scheduler")},
		"kubelet":            {heavy, parts("kubelet", "netplugin")},
		"proxy":              {heavy, parts("proxy")},
		"netplugin":          {heavy, parts("netplugin")},
		"cluster":            {heavy, {module + "store/etcd"}},
		"examples/apiserver": {{"github.com/containerd/containerd", "k8s.io/kubectl"}},
		"examples/allinone":  nil,
	} {
		out, err := exec.Command("go", "list", "-deps", module+pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		for path := range strings.FieldsSeq(string(out)) {
			for _, list := range append(forbidden, everywhere) {
				for _, f := range list {
					if path == f || strings.HasPrefix(path, f+"/") {
						t.Errorf("%s links %s", pkg, path)
					}
				}
			}
		}
	}
}
