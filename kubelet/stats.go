package kubelet

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// containerUse is what one container uses, and whose it is.
type containerUse struct {
	ContainerStats
	namespace, pod string
	uid            types.UID
}

// measureContainers asks the runtime what its containers use.
func (k *Kubelet) measureContainers(r *http.Request) ([]containerUse, error) {
	reader, ok := k.runtime.(StatsReader)
	if !ok {
		return nil, nil
	}
	all, err := reader.Stats(r.Context())
	if err != nil {
		return nil, err
	}
	sandboxes := make(map[string]SandboxSpec)
	for _, list := range k.observer.all() {
		for i := range list {
			sandboxes[list[i].ID] = list[i].Spec
		}
	}
	var used []containerUse
	for _, s := range all {
		if spec, ok := sandboxes[s.SandboxID]; ok {
			used = append(used, containerUse{s, spec.PodNamespace, spec.PodName, types.UID(spec.PodUID)})
		}
	}
	slices.SortFunc(used, func(a, b containerUse) int {
		return strings.Compare(a.namespace+"/"+a.pod+"/"+a.Name, b.namespace+"/"+b.pod+"/"+b.Name)
	})
	return used, nil
}

// serveSummary gives the resource use of the node and its pods.
func (k *Kubelet) serveSummary(w http.ResponseWriter, r *http.Request) {
	used, err := k.measureContainers(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	now := metav1.Now()
	summary := stats.Summary{Node: stats.NodeStats{NodeName: k.cfg.NodeName, StartTime: metav1.NewTime(k.started)}, Pods: []stats.PodStats{}}
	var cpu, memory uint64
	for _, c := range used {
		i := slices.IndexFunc(summary.Pods, func(p stats.PodStats) bool { return p.PodRef.UID == string(c.uid) })
		if i < 0 {
			summary.Pods = append(summary.Pods, stats.PodStats{
				PodRef: stats.PodReference{Name: c.pod, Namespace: c.namespace, UID: string(c.uid)},
				CPU:    &stats.CPUStats{Time: now, UsageCoreNanoSeconds: new(uint64)},
				Memory: &stats.MemoryStats{Time: now, WorkingSetBytes: new(uint64), RSSBytes: new(uint64), UsageBytes: new(uint64)},
			})
			i = len(summary.Pods) - 1
		}
		p, at := &summary.Pods[i], metav1.NewTime(c.At)
		p.Containers = append(p.Containers, stats.ContainerStats{
			Name:   c.Name,
			CPU:    &stats.CPUStats{Time: at, UsageCoreNanoSeconds: new(uint64(c.CPU))},
			Memory: &stats.MemoryStats{Time: at, WorkingSetBytes: new(c.MemoryWorkingSet), RSSBytes: new(c.MemoryRSS), UsageBytes: new(c.MemoryUsage)},
			Rootfs: &stats.FsStats{Time: at, UsedBytes: new(c.RootfsUsed)},
			Logs:   &stats.FsStats{Time: at, UsedBytes: new(c.LogsUsed)},
		})
		*p.CPU.UsageCoreNanoSeconds += uint64(c.CPU)
		*p.Memory.WorkingSetBytes += c.MemoryWorkingSet
		*p.Memory.RSSBytes += c.MemoryRSS
		*p.Memory.UsageBytes += c.MemoryUsage
		cpu, memory = cpu+uint64(c.CPU), memory+c.MemoryWorkingSet
	}
	summary.Node.CPU = &stats.CPUStats{Time: now, UsageCoreNanoSeconds: &cpu}
	summary.Node.Memory = &stats.MemoryStats{Time: now, WorkingSetBytes: &memory}
	if !k.simulated() {
		if free, ok := memoryAvailable(); ok {
			summary.Node.Memory.AvailableBytes = new(uint64(free))
		}
		if u, err := diskUsage(k.cfg.RootDir); err == nil {
			summary.Node.Fs = &stats.FsStats{
				Time: now, AvailableBytes: new(uint64(u.free)), CapacityBytes: new(uint64(u.total)), UsedBytes: new(uint64(u.total - u.free)),
				Inodes: new(uint64(u.inodes)), InodesFree: new(uint64(u.inodesFree)), InodesUsed: new(uint64(u.inodes - u.inodesFree)),
			}
		}
	}
	writeJSON(w, summary)
}

// serveMetrics gives a few figures in the Prometheus text format.
func (k *Kubelet) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	pods, running := 0, make(map[State]int)
	for _, sandboxes := range k.observer.all() {
		for i := range sandboxes {
			if sandboxes[i].State == StateRunning {
				pods++
			}
			for _, c := range sandboxes[i].Containers {
				running[c.State]++
			}
		}
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	fmt.Fprintf(w, "# HELP kubelet_node_name The node's name. The count is always 1.\n# TYPE kubelet_node_name gauge\nkubelet_node_name{node=%q} 1\n", k.cfg.NodeName)
	fmt.Fprintf(w, "# HELP kubelet_running_pods Number of pods that have a running pod sandbox\n# TYPE kubelet_running_pods gauge\nkubelet_running_pods %d\n", pods)
	fmt.Fprint(w, "# HELP kubelet_running_containers Number of containers by state\n# TYPE kubelet_running_containers gauge\n")
	for _, s := range []struct {
		state State
		name  string
	}{{StateCreated, "created"}, {StateExited, "exited"}, {StateRunning, "running"}, {StateUnknown, "unknown"}} {
		fmt.Fprintf(w, "kubelet_running_containers{container_state=%q} %d\n", s.name, running[s.state])
	}
}

// serveResourceMetrics gives the use of CPU and memory in the Prometheus text
// format, as metrics servers read it.
func (k *Kubelet) serveResourceMetrics(w http.ResponseWriter, r *http.Request) {
	used, err := k.measureContainers(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	now := time.Now().UnixMilli()
	var cpu float64
	var memory uint64
	var cpuLines, memoryLines, startLines strings.Builder
	for _, c := range used {
		labels := fmt.Sprintf("{container=%q,namespace=%q,pod=%q}", c.Name, c.namespace, c.pod)
		fmt.Fprintf(&cpuLines, "container_cpu_usage_seconds_total%s %g %d\n", labels, c.CPU.Seconds(), c.At.UnixMilli())
		fmt.Fprintf(&memoryLines, "container_memory_working_set_bytes%s %d %d\n", labels, c.MemoryWorkingSet, c.At.UnixMilli())
		if have := newest(k.observer.pod(c.uid), c.Name); have != nil {
			fmt.Fprintf(&startLines, "container_start_time_seconds%s %g\n", labels, float64(have.StartedAt.UnixMilli())/1000)
		}
		cpu, memory = cpu+c.CPU.Seconds(), memory+c.MemoryWorkingSet
	}
	fmt.Fprintf(w, "# TYPE container_cpu_usage_seconds_total counter\n%s", cpuLines.String())
	fmt.Fprintf(w, "# TYPE container_memory_working_set_bytes gauge\n%s", memoryLines.String())
	fmt.Fprintf(w, "# TYPE container_start_time_seconds gauge\n%s", startLines.String())
	fmt.Fprintf(w, "# TYPE node_cpu_usage_seconds_total counter\nnode_cpu_usage_seconds_total %g %d\n", cpu, now)
	fmt.Fprintf(w, "# TYPE node_memory_working_set_bytes gauge\nnode_memory_working_set_bytes %d %d\n", memory, now)
	fmt.Fprint(w, "# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n")
}
