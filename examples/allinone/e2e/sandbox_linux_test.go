package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// roleVariable tells this program, started again by itself, what it is.
const roleVariable = "KEELSON_E2E_ROLE"

// binVariable names the directory of the programs under test.
const binVariable = "KEELSON_BIN"

const (
	nodeAddress = "192.168.77.2"
	gateway     = "192.168.77.1"
)

// TestMain runs the tests in network, process and mount namespaces of their
// own: whatever a test leaves behind ends with them, and no packet for a pod
// gets out.
func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "init":
		os.Exit(initProcess())
	case "tests":
		os.Exit(m.Run())
	}
	if os.Geteuid() != 0 {
		fmt.Println("skipping the end-to-end tests: they need root, for namespaces and containers")
		os.Exit(0)
	}
	code, err := sandbox()
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// sandbox runs the tests in namespaces and returns their exit code.
func sandbox() (int, error) {
	bin := os.Getenv(binVariable)
	if bin == "" {
		dir, err := os.MkdirTemp("", "keelson-bin-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(dir)
		build := exec.Command("go", "build", "-ldflags=-s -w", "-o", dir+"/", "../", "../../../kubelet/containerd/shim/keelson-shim")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("building the programs: %w\n%s", err, out)
		}
		bin = dir
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return 0, err
	}
	// What the tests keep on disk is kept in memory: a busy disk makes a store
	// that waits for it slow, and that is not what they are about.
	scratch, err := os.MkdirTemp("", "keelson-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	// The death signal comes when the thread ends that asked for it.
	runtime.LockOSThread()
	// Without this file the result is not cached, which would outlive changes
	// of the programs.
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(arg string) bool { return strings.HasPrefix(arg, "-test.testlogfile") })
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), roleVariable+"=init", binVariable+"="+bin, "TMPDIR="+scratch)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL,
	}
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), nil
	}
	if errors.Is(err, unix.EPERM) {
		fmt.Println("skipping the end-to-end tests: namespaces cannot be made here:", err)
		return 0, nil
	}
	return 0, err
}

// initProcess is the first process of the namespaces: it sets them up, starts
// the tests, and reaps whatever loses its parent.
func initProcess() int {
	if err := errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("proc", "/proc", "proc", 0, ""),
		unix.Mount("scratch", os.TempDir(), "tmpfs", 0, "mode=0700"),
		setUpNetwork(),
	); err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests: setting up namespaces:", err)
		return 1
	}
	if err := os.Setenv(roleVariable, "tests"); err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests:", err)
		return 1
	}
	child, err := syscall.ForkExec("/proc/self/exe", os.Args, &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}})
	if err != nil {
		fmt.Fprintln(os.Stderr, "end-to-end tests: starting them:", err)
		return 1
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			fmt.Fprintln(os.Stderr, "end-to-end tests: waiting for them:", err)
			return 1
		case pid == child && status.Signaled():
			return 128 + int(status.Signal())
		case pid == child:
			return status.ExitStatus()
		}
	}
}

// setUpNetwork gives the namespace an address of its own and a default route
// that leads nowhere.
func setUpNetwork() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "uplink"}, PeerName: "nowhere"}
	if err := errors.Join(netlink.LinkSetUp(lo), netlink.LinkAdd(pair)); err != nil {
		return err
	}
	uplink, err := netlink.LinkByName("uplink")
	if err != nil {
		return err
	}
	nowhere, err := netlink.LinkByName("nowhere")
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(nodeAddress), Mask: net.CIDRMask(24, 32)}}
	if err := errors.Join(netlink.AddrAdd(uplink, addr), netlink.LinkSetUp(uplink), netlink.LinkSetUp(nowhere)); err != nil {
		return fmt.Errorf("the node's interface: %w", err)
	}
	if err := netlink.RouteAdd(&netlink.Route{LinkIndex: uplink.Attrs().Index, Gw: net.ParseIP(gateway)}); err != nil {
		return fmt.Errorf("the default route: %w", err)
	}
	return nil
}
