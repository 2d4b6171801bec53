package kubelet

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

// Prober is a Runtime whose containers cannot be reached over a network, such
// as a simulated one: it answers the http, tcp and grpc probes itself. Without
// it the kubelet dials the pod's address. Exec probes always go by [Execer].
type Prober interface {
	// Probe returns nil if the container answers as a healthy one would; an
	// error's text tells the failure.
	Probe(ctx context.Context, containerID string, probe ProbeRequest) error
}

// ProbeRequest is one try of one probe.
type ProbeRequest struct {
	// Kind is the probe's purpose.
	Kind ProbeKind
	// Handler says what to try.
	Handler corev1.ProbeHandler
}

// ProbeKind is the purpose of a probe.
type ProbeKind string

// The kinds of probes.
const (
	ProbeStartup   ProbeKind = "Startup"
	ProbeReadiness ProbeKind = "Readiness"
	ProbeLiveness  ProbeKind = "Liveness"
)
