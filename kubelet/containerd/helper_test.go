//go:build linux

package containerd_test

func maybeHelper() bool { return false }
