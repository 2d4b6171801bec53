package kubelet

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// measure fills in what the kernel tells of this machine. What it does not
// tell stays empty.
func measure(m *machine, root string) {
	var info syscall.Sysinfo_t
	if syscall.Sysinfo(&info) == nil {
		bytes := int64(info.Totalram) * int64(info.Unit)
		m.capacity[corev1.ResourceMemory] = *resource.NewQuantity(bytes, resource.BinarySI)
		if info.Totalswap > 0 {
			m.info.Swap = &corev1.NodeSwapStatus{Capacity: new(int64(info.Totalswap) * int64(info.Unit))}
		}
	}
	if usage, err := diskUsage(existing(root)); err == nil {
		m.capacity[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(usage.total, resource.BinarySI)
	}
	for name, size := range hugepages("/sys/kernel/mm/hugepages") {
		m.capacity[name] = size
	}
	var uts syscall.Utsname
	if syscall.Uname(&uts) == nil {
		var release strings.Builder
		for _, c := range uts.Release {
			if c == 0 {
				break
			}
			release.WriteByte(byte(c))
		}
		m.info.KernelVersion = release.String()
	}
	m.info.MachineID = firstLine("/etc/machine-id")
	m.info.SystemUUID = firstLine("/sys/class/dmi/id/product_uuid")
	m.info.BootID = firstLine("/proc/sys/kernel/random/boot_id")
	m.info.OSImage = osName("/etc/os-release")
}

// usage is how full a file system is.
type usage struct {
	total, free        int64 // bytes
	inodes, inodesFree int64
	usedPercent        int
}

// diskUsage measures the file system that a path is on.
func diskUsage(path string) (usage, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(path, &fs); err != nil {
		return usage{}, err
	}
	u := usage{
		total: int64(fs.Blocks) * int64(fs.Bsize), free: int64(fs.Bavail) * int64(fs.Bsize),
		inodes: int64(fs.Files), inodesFree: int64(fs.Ffree),
	}
	if u.total > 0 {
		u.usedPercent = int((u.total - u.free) * 100 / u.total)
	}
	return u, nil
}

// memoryAvailable is how many bytes of memory programs can still get.
func memoryAvailable() (int64, bool) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10, err == nil
		}
	}
	return 0, false
}

// hugepages are the huge pages that are set aside, by size.
func hugepages(dir string) corev1.ResourceList {
	list := make(corev1.ResourceList)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return list
	}
	for _, e := range entries {
		size, ok := strings.CutPrefix(e.Name(), "hugepages-")
		kib, err := strconv.ParseInt(strings.TrimSuffix(size, "kB"), 10, 64)
		if !ok || err != nil {
			continue
		}
		count, err := strconv.ParseInt(firstLine(filepath.Join(dir, e.Name(), "nr_hugepages")), 10, 64)
		if err != nil {
			continue
		}
		page := resource.NewQuantity(kib<<10, resource.BinarySI)
		list[corev1.ResourceName(corev1.ResourceHugePagesPrefix+page.String())] = *resource.NewQuantity(count*kib<<10, resource.BinarySI)
	}
	return list
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}

// osName is the distribution's name for people.
func osName(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "Linux"
	}
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(name, `"`)
		}
	}
	return "Linux"
}
