package netplugin

import (
	"context"
	"errors"
	"net/netip"
)

// Plugin gives pods their network. All methods may be called from many
// goroutines at once, for different attachments in parallel.
type Plugin interface {
	// Add attaches a sandbox and returns what it got. Adding the same
	// sandbox again answers with the same result and repairs what is
	// missing, so that a caller that died halfway may simply repeat.
	// A full address range is [ErrNoAddress].
	Add(ctx context.Context, a Attachment) (Result, error)

	// Del takes the attachment away and frees its addresses. It succeeds if
	// there is nothing (any more), and works when the namespace is gone.
	Del(ctx context.Context, a Attachment) error

	// Check reports whether the attachment is as Add left it; nil means yes,
	// [ErrNotAttached] that Add was never called or Del has been.
	Check(ctx context.Context, a Attachment) error

	// GC removes every attachment of this plugin whose SandboxID is not in
	// keep, and frees its addresses: for those whose Del was lost in a crash.
	GC(ctx context.Context, keep []string) error

	// Status returns nil if Add would work, else why it would not; the
	// kubelet shows it in the node's Ready condition. A full address range
	// is no such reason: the pods that are there do well.
	Status(ctx context.Context) error
}

// Attachment names one sandbox to connect.
type Attachment struct {
	// SandboxID identifies the sandbox on this node; required.
	SandboxID string
	// NetNS is the path of the sandbox's network namespace. Simulated
	// networks ignore it.
	NetNS string
	// PodNamespace, PodName and PodUID say whose sandbox it is.
	PodNamespace, PodName, PodUID string
	// Ports are the host ports to forward to the pod.
	Ports []PortMapping
}

// PortMapping forwards a port of the node to one of the pod.
type PortMapping struct {
	// HostIP restricts the node addresses listened on; the zero Addr means
	// all of them.
	HostIP netip.Addr
	// HostPort and ContainerPort are port numbers from 1 to 65535.
	HostPort, ContainerPort uint16
	// Protocol is "TCP", "UDP" or "SCTP".
	Protocol string
}

// Result is what an attachment got.
type Result struct {
	// IPs are the pod's addresses, the primary one first; never empty.
	IPs []netip.Addr
	// Gateway is the address of the default route, if there is one.
	Gateway netip.Addr
}

// The errors a Plugin answers with; test with errors.Is.
var (
	// ErrNoAddress says that the address range is used up.
	ErrNoAddress = errors.New("no free address left in the pod range")
	// ErrNotAttached says that the sandbox has no attachment.
	ErrNotAttached = errors.New("sandbox is not attached")
)
