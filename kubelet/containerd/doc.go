// Package containerd is a kubelet.Runtime that runs real containers: images and
// snapshots are kept by containerd's libraries inside this process, containers
// are run by runc under containerd's shim. No daemon needs to be installed.
//
// [Start] opens a runtime of its own on two directories; [Connect] keeps the
// images and snapshots in a containerd that is already there instead. Either
// way, every pod has one small process beside its containers, the shim
// (package shim): it reaps them, writes their logs and outlives this program.
// After a restart, even after kill -9, Start finds all of it as it is.
//
// The shim is either a program of its own, shim/keelson-shim, or the same
// program as this one (see Config.ShimPath). In that case main must begin with
//
//	func main() {
//		if containerd.RunAsShim() {
//			return
//		}
//		…
//	}
//
// and so must TestMain of tests. A supervisor that kills the whole control
// group of a program takes its containers along; systemd needs KillMode=process.
//
// A sandbox costs no process of its own but the shim: its network, IPC and UTS
// namespaces are pinned by bind mounts in StateDir, which is best on a tmpfs,
// so that a reboot of the host takes away what a reboot ends. Only a pod that
// shares its process namespace gets an init, of a few hundred bytes.
//
// Other processes of root, such as a command that loads an image, reach the
// images of a running runtime by [DialImages].
//
// Needed are Linux, root and runc; cgroup v1 and v2 both do. Nothing here is
// process-wide: several runtimes on different directories live side by side.
package containerd
