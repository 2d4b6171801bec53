package cgroup

import "path"

// The kernel's terms of CPU time.
const (
	// Period is the time that a quota is of, in microseconds.
	Period = 100_000
	// MinShares is the least weight the kernel takes.
	MinShares = 2

	maxShares = 262_144
	minQuota  = 1_000
)

// Mount is where the kernel's interface is on most machines.
const Mount = "/sys/fs/cgroup"

// Root is the cgroup, below the manager's parent, that holds those of all pods.
const Root = "/kubepods"

// Pod is a pod's cgroup with its limits.
type Pod struct {
	UID string
	// Class is the quality of service class: "guaranteed", "burstable" or
	// "besteffort".
	Class string
	// Shares is the weight in v1 terms, Quota the microseconds of CPU time
	// per Period, Memory the bytes. Zero quota and memory are unlimited.
	Shares uint64
	Quota  int64
	Memory int64
}

// Path is the cgroup's path from the manager's parent.
func (p Pod) Path() string {
	if p.Class == "guaranteed" {
		return path.Join(Root, "pod"+p.UID)
	}
	return path.Join(Root, p.Class, "pod"+p.UID)
}

// Shares is the weight of so many thousandths of a CPU.
func Shares(milliCPU int64) uint64 {
	if milliCPU <= 0 {
		return MinShares
	}
	return uint64(min(max(milliCPU*1024/1000, MinShares), maxShares))
}

// Quota is the CPU time per Period of so many thousandths of a CPU.
func Quota(milliCPU int64) int64 {
	if milliCPU <= 0 {
		return 0
	}
	return max(milliCPU*Period/1000, minQuota)
}

// Weight is the cgroup v2 weight that runtimes make of v1 shares.
func Weight(shares uint64) uint64 {
	if shares == 0 {
		return 0
	}
	return 1 + (min(max(shares, MinShares), maxShares)-2)*9999/262142
}
