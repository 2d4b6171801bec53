package store_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports keeps the contract, its suite and the memory store free of what
// only the etcd stores need.
func TestImports(t *testing.T) {
	const module = "github.com/keelson-project/keelson/"
	// Each package may reach these modules outside the standard library.
	allowed := map[string][]string{
		"store":           {module + "store"},
		"store/memory":    {module + "store", "github.com/tidwall/btree"},
		"store/storetest": {module + "store", "github.com/anishathalye/porcupine"},
	}
	for pkg, allowed := range allowed {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", module+pkg).Output()
		if err != nil {
			t.Fatalf("go list %s: %v", pkg, err)
		}
		paths := strings.Fields(string(out))
		if len(paths) == 0 {
			t.Errorf("go list finds nothing for %s", pkg)
		}
		for _, path := range paths {
			ok := path == module+pkg
			for _, prefix := range allowed {
				ok = ok || path == prefix
			}
			if !ok {
				t.Errorf("%s links %s", pkg, path)
			}
		}
	}
}

// TestPlatforms builds the stores for the systems they are for.
func TestPlatforms(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for other systems")
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "build", "./memory", "./storetest")
		cmd.Env = append(cmd.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("build for %s: %v\n%s", system, err, out)
		}
	}
}
