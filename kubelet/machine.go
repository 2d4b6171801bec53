package kubelet

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// machine is what a node is known to be: its resources and its system.
type machine struct {
	capacity, allocatable corev1.ResourceList
	info                  corev1.NodeSystemInfo
}

// memory is the node's memory in bytes.
func (m *machine) memory() int64 { return m.capacity.Memory().Value() }

// newMachine measures the node, or invents one for a simulated node.
func newMachine(cfg Config) machine {
	m := machine{capacity: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(110, resource.DecimalSI)}}
	m.info = corev1.NodeSystemInfo{
		KubeletVersion: cfg.Version, OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
	}
	if cfg.RootDir == "" {
		m.capacity[corev1.ResourceCPU] = resource.MustParse("8")
		m.capacity[corev1.ResourceMemory] = resource.MustParse("32Gi")
		m.capacity[corev1.ResourceEphemeralStorage] = resource.MustParse("100Gi")
		m.info.OperatingSystem, m.info.OSImage, m.info.KernelVersion = "linux", "Simulated", "6.12.0"
		sum := sha256.Sum256([]byte(cfg.NodeName))
		id := hex.EncodeToString(sum[:16])
		m.info.MachineID = id
		m.info.SystemUUID = strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
		m.info.BootID = m.info.SystemUUID
	} else {
		m.capacity[corev1.ResourceCPU] = *resource.NewQuantity(int64(runtime.NumCPU()), resource.DecimalSI)
		measure(&m, cfg.RootDir)
	}
	maps.Copy(m.capacity, cfg.Capacity)
	m.allocatable = m.capacity.DeepCopy()
	for name, reserved := range cfg.Reserved {
		if have, ok := m.allocatable[name]; ok {
			have.Sub(reserved)
			if have.Sign() < 0 {
				have = *resource.NewQuantity(0, have.Format)
			}
			m.allocatable[name] = have
		}
	}
	return m
}

// existing is the nearest directory above a path that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		above := filepath.Dir(path)
		if above == path {
			return path
		}
		path = above
	}
}
