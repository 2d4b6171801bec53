//go:build !linux

package kubelet

import "errors"

// measure does nothing: real nodes are Linux machines.
func measure(*machine, string) {}

// usage is how full a file system is.
type usage struct {
	total, free        int64 // bytes
	inodes, inodesFree int64
	usedPercent        int
}

func diskUsage(string) (usage, error) {
	return usage{}, errors.New("disk usage is only known on Linux")
}

func memoryAvailable() (int64, bool) { return 0, false }
