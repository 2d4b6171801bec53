package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Manager makes cgroups below a mount of the kernel's interface.
type Manager struct {
	root, parent string
	unified      bool
}

// New returns a Manager for the interface mounted at root, /sys/fs/cgroup on
// most machines. It finds out the version by looking. All that it makes is
// below the cgroup parent; empty means the root of the hierarchy.
func New(root, parent string) *Manager {
	_, err := os.Stat(filepath.Join(root, "cgroup.controllers"))
	return &Manager{root: root, parent: path.Join("/", parent), unified: err == nil}
}

// Path is the path of a pod's cgroup from the root of the hierarchy.
func (m *Manager) Path(p Pod) string { return path.Join(m.parent, p.Path()) }

// controllers are those that pods are limited by; v1 has a hierarchy for each.
func controllers() []string {
	return []string{"cpu", "cpuset", "memory", "pids", "hugetlb", "cpuacct", "blkio", "devices", "freezer", "net_cls", "net_prio", "perf_event"}
}

// Make makes a pod's cgroup, or brings its limits up to date.
func (m *Manager) Make(p Pod) error {
	if m.unified {
		return m.makeUnified(p)
	}
	seen := make(map[string]bool)
	for _, controller := range controllers() {
		base, err := filepath.EvalSymlinks(filepath.Join(m.root, controller))
		if err != nil || seen[base] {
			continue // the kernel does not have it, or two controllers share one
		}
		seen[base] = true
		dir := filepath.Join(base, m.Path(p))
		if err := makeV1(base, dir); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	limits := []struct{ file, value string }{
		{"cpu/" + m.Path(p) + "/cpu.shares", strconv.FormatUint(max(p.Shares, MinShares), 10)},
		{"cpu/" + m.Path(p) + "/cpu.cfs_period_us", strconv.Itoa(Period)},
		{"cpu/" + m.Path(p) + "/cpu.cfs_quota_us", orUnlimited(p.Quota, "-1")},
	}
	if p.Memory > 0 {
		limits = append(limits, struct{ file, value string }{"memory/" + m.Path(p) + "/memory.limit_in_bytes", strconv.FormatInt(p.Memory, 10)})
	}
	for _, l := range limits {
		if err := m.write(l.file, l.value); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("limit cgroup: %w", err)
		}
	}
	return nil
}

// makeV1 makes a directory and those above it, each with the processors and
// memory nodes of its parent, without which no process can enter it.
func makeV1(base, dir string) error {
	rest, err := filepath.Rel(base, dir)
	if err != nil {
		return err
	}
	at := base
	for _, name := range strings.Split(rest, string(filepath.Separator)) {
		parent := at
		at = filepath.Join(at, name)
		if err := os.Mkdir(at, 0o755); err != nil && !os.IsExist(err) {
			return err
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			have, err := os.ReadFile(filepath.Join(at, file))
			if err != nil || strings.TrimSpace(string(have)) != "" {
				continue
			}
			inherited, err := os.ReadFile(filepath.Join(parent, file))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(at, file), inherited, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeUnified makes a pod's cgroup on version 2.
func (m *Manager) makeUnified(p Pod) error {
	at := m.root
	for _, name := range strings.Split(strings.Trim(m.Path(p), "/"), "/") {
		if err := enable(at); err != nil {
			return fmt.Errorf("make cgroup: %w", err)
		}
		at = filepath.Join(at, name)
		if err := os.Mkdir(at, 0o755); err != nil && !os.IsExist(err) {
			return fmt.Errorf("make cgroup: %w", err)
		}
	}
	if err := enable(at); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	memory := "max"
	if p.Memory > 0 {
		memory = strconv.FormatInt(p.Memory, 10)
	}
	for _, l := range []struct{ file, value string }{
		{"cpu.weight", strconv.FormatUint(Weight(max(p.Shares, MinShares)), 10)},
		{"cpu.max", orUnlimited(p.Quota, "max") + " " + strconv.Itoa(Period)},
		{"memory.max", memory},
	} {
		if err := m.write(m.Path(p)+"/"+l.file, l.value); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("limit cgroup: %w", err)
		}
	}
	return nil
}

// enable lets the children of a cgroup be limited by all that limits it. A
// controller that cannot be passed on is left out.
func enable(dir string) error {
	have, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, controller := range strings.Fields(string(have)) {
		// Refused for controllers in use by processes of this very cgroup.
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
	return nil
}

func orUnlimited(value int64, unlimited string) string {
	if value <= 0 {
		return unlimited
	}
	return strconv.FormatInt(value, 10)
}

func (m *Manager) write(file, value string) error {
	return os.WriteFile(filepath.Join(m.root, file), []byte(value), 0o644)
}

// Remove removes a pod's cgroup and what containers have left in it.
func (m *Manager) Remove(p Pod) error {
	return m.remove(m.Path(p))
}

// RemoveAll removes everything below the parent, and the parent itself if it is
// not the root. It is for when no pod is left.
func (m *Manager) RemoveAll() error {
	if err := m.remove(path.Join(m.parent, Root)); err != nil || m.parent == "/" {
		return err
	}
	return m.remove(m.parent)
}

// remove removes a cgroup from every hierarchy, also from those without limits
// (named ones, and a version 2 one beside version 1), where the runtime has
// made it.
func (m *Manager) remove(name string) error {
	bases := []string{m.root}
	if !m.unified {
		bases = bases[:0]
		hierarchies, err := os.ReadDir(m.root)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
		for _, h := range hierarchies {
			if h.IsDir() { // a link leads to another of them
				bases = append(bases, filepath.Join(m.root, h.Name()))
			}
		}
	}
	for _, base := range bases {
		if err := removeTree(filepath.Join(base, name)); err != nil {
			return fmt.Errorf("remove cgroup: %w", err)
		}
	}
	return nil
}

// removeTree removes a cgroup and those below it. A cgroup whose last process
// has just ended is busy for a moment longer.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	for wait := time.Millisecond; ; wait *= 2 {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if wait > time.Second {
			return err
		}
		time.Sleep(wait)
	}
}

// Prune removes the cgroups of pods that keep does not want.
func (m *Manager) Prune(keep func(uid string) bool) error {
	var errs []error
	seen := make(map[string]bool)
	bases := []string{m.root}
	if !m.unified {
		for _, controller := range controllers() {
			bases = append(bases, filepath.Join(m.root, controller))
		}
	}
	for _, base := range bases {
		for _, class := range []string{"guaranteed", "burstable", "besteffort"} {
			list, err := os.ReadDir(filepath.Dir(filepath.Join(base, m.Path(Pod{Class: class}))))
			if err != nil {
				continue // no pod of the class was ever made
			}
			for _, e := range list {
				uid, ok := strings.CutPrefix(e.Name(), "pod")
				if !ok || !e.IsDir() || seen[uid] || keep(uid) {
					continue
				}
				seen[uid] = true
				errs = append(errs, m.Remove(Pod{UID: uid, Class: class}))
			}
		}
	}
	return errors.Join(errs...)
}
