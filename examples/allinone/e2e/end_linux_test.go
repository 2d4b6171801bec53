package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"
)

// traces are what a running program has made on this machine besides data.
type traces struct {
	processes, mounts, interfaces, addresses, tables, cgroups, state []string
}

// lookForTraces looks at all of this test's namespaces: nothing else is in them.
func lookForTraces(t *testing.T, dataDir string) traces {
	t.Helper()
	var found traces
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands {
		data, err := os.ReadFile(c)
		name := strings.TrimSpace(strings.ReplaceAll(string(data), "\x00", " "))
		if err != nil || name == "" || strings.Contains(name, "e2e.test") {
			continue // it has ended, or is one of these tests
		}
		found.processes = append(found.processes, name)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		at := strings.Fields(line)[4]
		if strings.HasPrefix(at, dataDir+"/") || strings.HasPrefix(at, "/run/keelson-") {
			found.mounts = append(found.mounts, at)
		}
	}
	links, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		found.interfaces = append(found.interfaces, l.Attrs().Name)
		addrs, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			found.addresses = append(found.addresses, a.IP.String())
		}
	}
	conn, err := nftables.New()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := conn.ListTables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		found.tables = append(found.tables, table.Name)
	}
	for _, pattern := range []string{"/sys/fs/cgroup/keelson-*", "/sys/fs/cgroup/*/keelson-*"} { // version 2, 1
		cgroups, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		found.cgroups = append(found.cgroups, cgroups...)
	}
	if found.state, err = filepath.Glob("/run/keelson-*"); err != nil {
		t.Fatal(err)
	}
	for _, list := range []*[]string{&found.processes, &found.mounts, &found.interfaces, &found.addresses, &found.tables, &found.cgroups, &found.state} {
		slices.Sort(*list)
	}
	return found
}

// less is what the traces have that others have not.
func (found traces) less(others traces) []string {
	var out []string
	for _, kind := range []struct {
		name       string
		has, known []string
	}{
		{"process", found.processes, others.processes}, {"mount", found.mounts, others.mounts},
		{"interface", found.interfaces, others.interfaces}, {"address", found.addresses, others.addresses},
		{"nftables table", found.tables, others.tables}, {"cgroup", found.cgroups, others.cgroups}, {"directory", found.state, others.state},
	} {
		for _, one := range kind.has {
			if !slices.Contains(kind.known, one) {
				out = append(out, fmt.Sprintf("%s %s", kind.name, one))
			}
		}
	}
	return out
}

// Ctrl-C ends all of it but the data, and the next start has the data.
func TestEnd(t *testing.T) {
	registry := serveImages(t)
	dir := t.TempDir()
	before := lookForTraces(t, dir)
	i := start(t, dir, "-registry", mirror(registry))
	sh := i.shell()
	sh.run(t, "create", "deployment", "httpd-app", "--image=httpd", "--replicas=2")
	sh.run(t, "expose", "deployment", "httpd-app", "--port=80")
	sh.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=40s")
	running := lookForTraces(t, dir)
	for name, made := range map[string][2]int{
		"processes": {len(before.processes), len(running.processes)}, "mounts": {len(before.mounts), len(running.mounts)},
		"interfaces": {len(before.interfaces), len(running.interfaces)}, "tables": {len(before.tables), len(running.tables)},
		"cgroups": {len(before.cgroups), len(running.cgroups)}, "state": {len(before.state), len(running.state)},
	} {
		if made[1] <= made[0] {
			t.Errorf("a running cluster shows no more %s (%d) than none (%d): this test looks in the wrong place", name, made[1], made[0])
		}
	}
	if err := i.interrupt(t); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
	if left := lookForTraces(t, dir).less(before); len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
	if i.stderr.String() != "" {
		t.Errorf("it complains:\n%s", i.stderr)
	}

	again := start(t, dir, "-registry", mirror(registry))
	sh.run(t, "rollout", "status", "deployment/httpd-app", "--timeout=40s")
	if err := again.interrupt(t); err != nil {
		t.Fatalf("Ctrl-C: %v", err)
	}
}
