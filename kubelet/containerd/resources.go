//go:build linux

package containerd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	task "github.com/containerd/containerd/api/runtime/task/v3"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"github.com/containerd/typeurl/v2"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	cgroups "github.com/containerd/cgroups/v3"
	"github.com/keelson-project/keelson/kubelet"
)

const defaultCPUPeriod = 100_000

// resources sets the limits and the place among the control groups.
func (b *specBuilder) resources(context.Context) error {
	parent := b.sandbox.CgroupParent
	if parent == "" {
		parent = "/keelson"
	}
	b.s.Linux.CgroupsPath = filepath.Join("/", parent, b.id)
	limits := linuxResources(b.c.Resources)
	limits.Devices = b.s.Linux.Resources.Devices
	b.s.Linux.Resources = limits
	return nil
}

func linuxResources(r kubelet.Resources) *specs.LinuxResources {
	out := &specs.LinuxResources{CPU: &specs.LinuxCPU{}, Memory: &specs.LinuxMemory{}}
	if r.CPUShares != 0 {
		out.CPU.Shares = &r.CPUShares
	}
	if r.CPUQuota != 0 {
		period := r.CPUPeriod
		if period == 0 {
			period = defaultCPUPeriod
		}
		out.CPU.Quota, out.CPU.Period = &r.CPUQuota, &period
	}
	if r.MemoryLimit != 0 {
		out.Memory.Limit = &r.MemoryLimit
		if swapAccounted() {
			out.Memory.Swap = &r.MemoryLimit // memory and swap together: no swap
		}
	}
	for size, limit := range r.HugepageLimits {
		out.HugepageLimits = append(out.HugepageLimits, specs.LinuxHugepageLimit{Pagesize: size, Limit: limit})
	}
	return out
}

// swapAccounted reports whether the kernel can limit swap.
func swapAccounted() bool {
	path := "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"
	if cgroups.Mode() == cgroups.Unified {
		own, err := os.ReadFile("/proc/self/cgroup")
		if err != nil {
			return false
		}
		_, dir, _ := strings.Cut(strings.TrimSpace(string(own)), "::")
		path = filepath.Join("/sys/fs/cgroup", dir, "memory.swap.max")
	}
	_, err := os.Stat(path)
	return err == nil
}

// clampOOMScoreAdj raises a score to the lowest this process may give: without
// CAP_SYS_RESOURCE that is its own.
func clampOOMScoreAdj(adj int) *int {
	if hasCapability(unix.CAP_SYS_RESOURCE) {
		return &adj
	}
	data, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return &adj
	}
	own, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err == nil && adj < own {
		adj = own
	}
	return &adj
}

// hasCapability reports whether this process has a capability.
func hasCapability(c int) bool {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range bytes.Lines(data) {
		if hex, ok := bytes.CutPrefix(line, []byte("CapEff:")); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(string(hex)), 16, 64)
			return err == nil && caps&(1<<c) != 0
		}
	}
	return false
}

// UpdateResources implements kubelet.ResourceUpdater. A container not running
// gets the new limits when it starts.
func (r *Runtime) UpdateResources(ctx context.Context, id string, res kubelet.Resources) error {
	ctx = scope(ctx)
	defer r.locks.lock("container/" + id)()
	fail := func(err error) error { return fmt.Errorf("update the resources of container %s: %w", id, err) }
	c := r.container(id)
	if c == nil {
		return fail(kubelet.ErrNotFound)
	}
	r.mu.Lock()
	rec, s := c.rec, c.sb.shim
	r.mu.Unlock()
	switch rec.State {
	case kubelet.StateExited:
		return fail(fmt.Errorf("it has exited"))
	case kubelet.StateRunning:
		if s == nil {
			return fail(fmt.Errorf("its shim is gone"))
		}
		limits, err := typeurl.MarshalAnyToProto(linuxResources(res))
		if err != nil {
			return fail(err)
		}
		if _, err := s.task.Update(ctx, &task.UpdateTaskRequest{ID: id, Resources: limits}); err != nil {
			return fail(errgrpc.ToNative(err))
		}
	}
	// What cannot be changed on the run stays as it was.
	res.OOMScoreAdj = rec.Spec.Resources.OOMScoreAdj
	if err := r.respec(ctx, id, res); err != nil {
		return fail(err)
	}
	r.mu.Lock()
	c.rec.Spec.Resources = res
	rec = c.rec
	r.mu.Unlock()
	if err := r.stores.updateContainer(ctx, id, rec); err != nil {
		return fail(err)
	}
	return nil
}

// respec writes new limits into a container's OCI spec.
func (r *Runtime) respec(ctx context.Context, id string, res kubelet.Resources) error {
	info, err := r.stores.containers.Get(ctx, id)
	if err != nil {
		return err
	}
	var spec specs.Spec
	if err := typeurl.UnmarshalTo(info.Spec, &spec); err != nil {
		return err
	}
	limits := linuxResources(res)
	limits.Devices = spec.Linux.Resources.Devices
	spec.Linux.Resources = limits
	if info.Spec, err = typeurl.MarshalAny(&spec); err != nil {
		return err
	}
	_, err = r.stores.containers.Update(ctx, info, "spec")
	return err
}
