//go:build linux

package containerd

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/containerd/v2/core/snapshots"
)

// sweep removes what a runtime killed in the middle of its work has left: it
// is in no record, so nobody else ever would. What cannot be removed is tried
// again at the next start.
func (r *Runtime) sweep(ctx context.Context) {
	note := func(what, id string, err error) {
		if err != nil {
			r.log.Warn("remove remains", "of", what, "id", id, "error", err)
		}
	}
	for _, id := range names(r.state.bundle("")) {
		if r.containers[id] != nil || r.sandboxes[id] != nil {
			continue
		}
		note("container", id, errors.Join(r.runcDelete(id), r.cleanBundle(id)))
	}
	for _, id := range names(r.state.sandbox("")) {
		if r.sandboxes[id] != nil {
			continue
		}
		sb := &sandbox{id: id}
		if s, err := adoptShim(ctx, r.state.sandbox(id), 0, 0); err == nil {
			if resp, err := s.task.Connect(ctx, &task.ConnectRequest{ID: id}); err == nil {
				s.pid = int(resp.ShimPid)
				s.born, _ = processBorn(s.pid)
			}
			sb.shim = s
		}
		note("sandbox", id, errors.Join(r.dismantle(ctx, sb), os.RemoveAll(r.state.sandbox(id))))
	}
	for _, name := range names(string(r.state)) {
		if strings.HasPrefix(name, "x-") {
			note("exec", name, os.RemoveAll(filepath.Join(string(r.state), name)))
		}
	}
	var stray []string
	err := r.stores.snapshotter.Walk(ctx, func(_ context.Context, info snapshots.Info) error {
		if info.Kind == snapshots.KindActive && info.Labels[gcRootLabel] != "" && r.containers[info.Name] == nil {
			stray = append(stray, info.Name)
		}
		return nil
	})
	note("snapshots", "", err)
	for _, id := range stray {
		note("snapshot", id, r.removeSnapshot(ctx, id))
	}
}

// names lists a directory; one that cannot be read has none.
func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out
}
