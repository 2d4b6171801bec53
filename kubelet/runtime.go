package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Runtime runs pods: the contract between the kubelet and containers, in the
// words of the Container Runtime Interface. What is optional there is a
// separate, one-method interface here ([Execer], [Attacher], [LogStreamer],
// [LogReopener], [PortForwarder], [StatsReader], [ResourceUpdater]); a kubelet
// offers what its runtime implements.
//
// All methods may be called from many goroutines at once. Removals and stops
// of what does not exist (any more) succeed. Everything a runtime holds
// outlives the process that created it where the runtime can: after a restart
// the kubelet asks List and goes on with what it finds.
type Runtime interface {
	// RunSandbox makes and starts an isolated place for the containers of one
	// pod. For the same UID and attempt, a second call returns the sandbox
	// that is there. Networking is not the runtime's affair, unless it fills
	// Sandbox.IPs: the kubelet attaches Sandbox.NetNS by its network plugin.
	RunSandbox(ctx context.Context, spec SandboxSpec) (Sandbox, error)
	// StopSandbox kills what still runs in the sandbox and ends it. Its
	// record and its containers' stay until RemoveSandbox.
	StopSandbox(ctx context.Context, sandboxID string) error
	// RemoveSandbox stops the sandbox if need be and forgets it together
	// with its containers.
	RemoveSandbox(ctx context.Context, sandboxID string) error

	// CreateContainer prepares a container in a running sandbox. The image
	// must be present ([ErrImageNotFound]).
	CreateContainer(ctx context.Context, sandboxID string, spec ContainerSpec) (containerID string, err error)
	// StartContainer starts a created container, once. An error that is the
	// container's own fault (no such command, say) leaves it in state Exited
	// with exit code 128 and the message as its reason.
	StartContainer(ctx context.Context, containerID string) error
	// StopContainer sends the container's stop signal, after grace the kill
	// signal, and returns when the process is gone. Zero grace kills at once.
	StopContainer(ctx context.Context, containerID string, grace time.Duration) error
	// RemoveContainer forgets a container; a running one is killed first.
	RemoveContainer(ctx context.Context, containerID string) error

	// List returns all sandboxes with all their containers, as they are.
	List(ctx context.Context) ([]Sandbox, error)
	// Events delivers one event for every sandbox or container whose state
	// has changed, until ctx ends; then the channel closes. Events are hints:
	// several changes of one sandbox may be merged, none is lost.
	Events(ctx context.Context) (<-chan Event, error)

	Images

	// Version names the runtime for node.status.nodeInfo, such as
	// "containerd://2.4.2".
	Version(ctx context.Context) (string, error)
}

// Images is the part of a Runtime that keeps images.
type Images interface {
	// PullImage fetches an image. A failure is an error whose text tells the
	// cause to a user, such as the registry's answer.
	PullImage(ctx context.Context, ref string, auth *RegistryAuth) (Image, error)
	// ImageStatus returns an image by any of its names or its ID, or
	// [ErrImageNotFound].
	ImageStatus(ctx context.Context, ref string) (Image, error)
	// ListImages returns the images present.
	ListImages(ctx context.Context) ([]Image, error)
	// RemoveImage removes an image and all its names.
	RemoveImage(ctx context.Context, imageID string) error
}

// Execer is a Runtime that can run a further process in a container.
type Execer interface {
	// Exec runs command in the container and returns when it has ended. A
	// command that ran and failed is an [*ExitError]. When ctx ends the
	// process is killed.
	Exec(ctx context.Context, containerID string, command []string, streams Streams) error
}

// Attacher is a Runtime that can join a running container's streams.
type Attacher interface {
	// Attach connects streams to the container's main process until it ends,
	// ctx ends or, if nothing else is attached, stdin ends.
	Attach(ctx context.Context, containerID string, streams Streams) error
}

// LogStreamer is a Runtime that keeps container logs itself rather than
// writing them to ContainerSpec.LogPath.
type LogStreamer interface {
	// StreamLog writes the container's log, in the format of the CRI log
	// file, to w; with follow until the container has ended or ctx ends.
	StreamLog(ctx context.Context, containerID string, w io.Writer, opts LogOptions) error
}

// LogOptions narrows StreamLog.
type LogOptions struct {
	// Follow waits for what is logged later.
	Follow bool
}

// LogReopener is a Runtime that can be told that a container's log file was
// moved away, so that it continues in a new one at the same path.
type LogReopener interface {
	ReopenLog(ctx context.Context, containerID string) error
}

// PortForwarder is a Runtime that can reach ports inside a sandbox.
type PortForwarder interface {
	// PortForward copies between stream and the sandbox's loopback port
	// until either side closes or ctx ends.
	PortForward(ctx context.Context, sandboxID string, port uint16, stream io.ReadWriteCloser) error
}

// StatsReader is a Runtime that measures what containers use.
type StatsReader interface {
	Stats(ctx context.Context) ([]ContainerStats, error)
}

// ResourceUpdater is a Runtime that can change a running container's limits.
type ResourceUpdater interface {
	UpdateResources(ctx context.Context, containerID string, r Resources) error
}

// Streams are the standard streams of a process; nil ones are not connected.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// TTY gives the process a terminal: its output all comes by Stdout.
	TTY bool
	// Resize delivers terminal sizes until it is closed; may be nil.
	Resize <-chan TerminalSize
}

// TerminalSize is in characters.
type TerminalSize struct{ Width, Height uint16 }

// ExitError is a process that ran and ended with a code other than zero.
type ExitError struct{ Code int }

// SandboxSpec describes the sandbox of a pod.
type SandboxSpec struct {
	PodNamespace, PodName, PodUID string
	// Attempt counts the sandboxes made for this pod, from 0.
	Attempt uint32
	// Hostname is the host name inside; empty with HostNetwork.
	Hostname string
	// HostNetwork, HostIPC and HostPID share the node's namespaces.
	HostNetwork, HostIPC, HostPID bool
	// ShareProcesses lets all containers of the pod see each other's
	// processes.
	ShareProcesses bool
	// CgroupParent is the cgroup of the pod, such as "/kubepods/burstable/pod<uid>",
	// made by the kubelet; empty leaves the choice to the runtime.
	CgroupParent string
	// Sysctls are namespaced kernel parameters to set.
	Sysctls map[string]string
	// LogDir is the directory of the pod's log files.
	LogDir string
	// Labels and Annotations are kept with the sandbox.
	Labels, Annotations map[string]string
	// RuntimeHandler is the handler of the pod's RuntimeClass; empty means
	// the runtime's default.
	RuntimeHandler string
}

// ContainerSpec describes a container, all references resolved.
type ContainerSpec struct {
	// Name is the container's name in its pod; Attempt counts its restarts.
	Name    string
	Attempt uint32
	// Image is the ID or a name of an image that is present.
	Image string
	// Command replaces the image's entry point and Args its arguments, by the
	// rules of the pod API; both empty leaves the image's.
	Command, Args []string
	WorkingDir    string
	// Env is in order; it is added to the image's environment.
	Env    []EnvVar
	Mounts []Mount
	// Devices are paths of host devices to pass through.
	Devices []Device
	// Stdin, StdinOnce and TTY are the fields of the container in the API.
	Stdin, StdinOnce, TTY bool
	// LogPath is the file for the container's output in CRI log format;
	// empty throws it away.
	LogPath    string
	StopSignal string
	Resources  Resources
	Security   Security
	// Labels and Annotations are kept with the container.
	Labels, Annotations map[string]string
}

// EnvVar is an environment variable.
type EnvVar struct{ Name, Value string }

// Mount makes a path of the host visible in a container.
type Mount struct {
	HostPath, ContainerPath string
	ReadOnly                bool
	// Propagation is "", "HostToContainer" or "Bidirectional".
	Propagation string
}

// Device is a host device made available in a container.
type Device struct {
	HostPath, ContainerPath string
	// Permissions is a subset of "rwm".
	Permissions string
}

// Resources are the limits of a container, in the kernel's terms.
type Resources struct {
	// CPUShares is the relative weight (1024 is one core); zero leaves the default.
	CPUShares uint64
	// CPUQuota is microseconds of CPU time per CPUPeriod; zero is unlimited.
	CPUQuota int64
	// CPUPeriod is in microseconds; zero means 100,000.
	CPUPeriod uint64
	// MemoryLimit is in bytes; zero is unlimited.
	MemoryLimit int64
	// OOMScoreAdj is -1000 to 1000; the runtime clamps it to what it may set.
	OOMScoreAdj int
	// HugepageLimits maps page sizes such as "2MB" to bytes.
	HugepageLimits map[string]uint64
}

// Security is what a container may do.
type Security struct {
	Privileged bool
	// RunAsUser and RunAsGroup are numeric; nil leaves the image's user.
	RunAsUser, RunAsGroup *int64
	// RunAsUserName is used where RunAsUser is nil and set explicitly.
	RunAsUserName string
	// RunAsNonRoot refuses to start a process of user 0.
	RunAsNonRoot       bool
	SupplementalGroups []int64
	// StrictSupplementalGroups ignores groups of the user in the image.
	StrictSupplementalGroups bool
	ReadOnlyRootfs           bool
	// AllowPrivilegeEscalation false sets no_new_privs.
	AllowPrivilegeEscalation          bool
	AddCapabilities, DropCapabilities []string
	// Seccomp is "RuntimeDefault", "Unconfined", or "Localhost/" and a path.
	Seccomp string
	// AppArmor is "RuntimeDefault", "Unconfined", or "Localhost/" and a name.
	AppArmor string
	// UnmaskedProc shows all of /proc and /sys (procMount Unmasked).
	UnmaskedProc bool
}

// State is how far a sandbox or container has got.
type State int

// The states. A sandbox is Running or Exited.
const (
	StateUnknown State = iota
	StateCreated
	StateRunning
	StateExited
)

// Sandbox is a sandbox as it is, with its containers.
type Sandbox struct {
	ID   string
	Spec SandboxSpec
	// State is Running while containers can be started in it.
	State     State
	CreatedAt time.Time
	// NetNS is the path of the network namespace, empty with HostNetwork.
	NetNS string
	// IPs are set only by runtimes that do the networking themselves.
	IPs        []string
	Containers []Container
}

// Container is a container as it is.
type Container struct {
	ID, SandboxID string
	Name          string
	Attempt       uint32
	State         State
	// Image is the reference it was made from, ImageID the image's ID.
	Image, ImageID                   string
	CreatedAt, StartedAt, FinishedAt time.Time
	// ExitCode, Reason ("Completed", "Error", "OOMKilled", …) and Message
	// are those of an Exited one.
	ExitCode            int
	Reason, Message     string
	LogPath             string
	Labels, Annotations map[string]string
}

// Event says that a sandbox, or a container in it, has changed.
type Event struct{ SandboxID, PodUID string }

// Image is an image that is present.
type Image struct {
	// ID is "sha256:…" of its configuration.
	ID string
	// Tags are the names with tag, Digests those with digest.
	Tags, Digests []string
	// Size is in bytes on disk.
	Size int64
	// User is the image's user: numeric if it starts with a digit.
	User string
	// Volumes are mount points the image declares.
	Volumes []string
	// Pinned images are never collected.
	Pinned bool
}

// RegistryAuth are credentials for a pull.
type RegistryAuth struct{ Username, Password, IdentityToken, RegistryToken string }

// ContainerStats is what one container uses.
type ContainerStats struct {
	ContainerID, SandboxID, Name string
	At                           time.Time
	// CPU is the total CPU time used.
	CPU time.Duration
	// MemoryWorkingSet, MemoryRSS and MemoryUsage are in bytes.
	MemoryWorkingSet, MemoryRSS, MemoryUsage uint64
	// RootfsUsed and LogsUsed are in bytes.
	RootfsUsed, LogsUsed uint64
}

// The errors a Runtime answers with; test with errors.Is.
var (
	// ErrImageNotFound says that the image is not present.
	ErrImageNotFound = errors.New("image is not present")
	// ErrNotFound says that there is no such sandbox or container.
	ErrNotFound = errors.New("no such sandbox or container")
)

// Error implements error.
func (e *ExitError) Error() string {
	return fmt.Sprintf("command terminated with exit code %d", e.Code)
}
