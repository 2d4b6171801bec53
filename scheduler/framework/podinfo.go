package framework

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	resourcehelper "k8s.io/component-helpers/resource"
)

// HostPort is a port a pod takes on its node.
type HostPort struct {
	IP       string // "0.0.0.0" means every address
	Protocol corev1.Protocol
	Port     int32
}

// PodInfo is a pod with what scheduling needs worked out once. It never
// changes after [NewPodInfo]; an updated pod gets a new PodInfo.
type PodInfo struct {
	Pod *corev1.Pod
	// Request is the pod's effective request: containers, init containers,
	// sidecars, overhead and pod-level resources taken together.
	Request Resource
	// NonZeroCPU and NonZeroMemory are the request with defaults for containers
	// that ask for nothing; scoring uses them.
	NonZeroCPU, NonZeroMemory int64
	// HostPorts are the node ports the pod takes.
	HostPorts []HostPort

	RequiredAffinity      []AffinityTerm
	RequiredAntiAffinity  []AffinityTerm
	PreferredAffinity     []AffinityTerm // with weights
	PreferredAntiAffinity []AffinityTerm // with weights

	class    string    // namespace, labels and whether terminating, as one key
	owned    []termKey // every term above, as keys into the snapshot's index
	termsOf  []ownTerm // parallel to owned
	parseErr error
}

// NewPodInfo works out a pod. It always returns a usable value; a selector in
// it that cannot be parsed matches nothing and is reported by [PodInfo.Err].
func NewPodInfo(pod *corev1.Pod) *PodInfo {
	p := &PodInfo{Pod: pod}
	opts := resourcehelper.PodResourcesOptions{UseStatusResources: pod.Spec.NodeName != ""}
	p.Request = NewResource(resourcehelper.PodRequests(pod, opts))
	p.Request.AllowedPods = 0
	p.NonZeroCPU, p.NonZeroMemory = nonZero(pod, opts, &p.Request)
	p.HostPorts = hostPorts(pod)
	p.parseAffinity()
	p.class = classKey(pod)
	return p
}

// Err returns what was wrong with the pod's affinity terms, if anything.
func (p *PodInfo) Err() error { return p.parseErr }

// Priority returns the pod's priority, 0 if it has none.
func (p *PodInfo) Priority() int32 { return PodPriority(p.Pod) }

// UID returns the pod's UID.
func (p *PodInfo) UID() types.UID { return p.Pod.UID }

// PodPriority returns a pod's priority, 0 if it has none.
func PodPriority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority != nil {
		return *pod.Spec.Priority
	}
	return 0
}

// nonZero fills in the defaults for containers without requests. Computing it
// from scratch is only needed when some container lacks a request.
func nonZero(pod *corev1.Pod, opts resourcehelper.PodResourcesOptions, r *Resource) (cpu, memory int64) {
	complete := func(cs []corev1.Container) bool {
		for i := range cs {
			req := cs[i].Resources.Requests
			if _, ok := req[corev1.ResourceCPU]; !ok {
				return false
			}
			if _, ok := req[corev1.ResourceMemory]; !ok {
				return false
			}
		}
		return true
	}
	if resourcehelper.IsPodLevelRequestsSet(pod) || complete(pod.Spec.Containers) && complete(pod.Spec.InitContainers) {
		return r.MilliCPU, r.Memory
	}
	opts.NonMissingContainerRequests = defaultRequests()
	nz := NewResource(resourcehelper.PodRequests(pod, opts))
	return nz.MilliCPU, nz.Memory
}

func hostPorts(pod *corev1.Pod) []HostPort {
	var out []HostPort
	collect := func(c *corev1.Container) {
		for i := range c.Ports {
			p := &c.Ports[i]
			if p.HostPort <= 0 {
				continue
			}
			hp := HostPort{IP: p.HostIP, Protocol: p.Protocol, Port: p.HostPort}
			if hp.IP == "" {
				hp.IP = "0.0.0.0"
			}
			if hp.Protocol == "" {
				hp.Protocol = corev1.ProtocolTCP
			}
			out = append(out, hp)
		}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			collect(c)
		}
	}
	for i := range pod.Spec.Containers {
		collect(&pod.Spec.Containers[i])
	}
	return out
}

func classKey(pod *corev1.Pod) string {
	keys := make([]string, 0, 8)
	n := len(pod.Namespace) + 2
	for k, v := range pod.Labels {
		keys = append(keys, k)
		n += len(k) + len(v) + 2
	}
	slices.Sort(keys)
	var b strings.Builder
	b.Grow(n)
	if pod.DeletionTimestamp != nil {
		b.WriteByte('-')
	} else {
		b.WriteByte('+')
	}
	b.WriteString(pod.Namespace)
	for _, k := range keys {
		b.WriteByte(0)
		b.WriteString(k)
		b.WriteByte('=')
		b.WriteString(pod.Labels[k])
	}
	return b.String()
}

// SameDemand reports whether two states of one assigned pod mean the same to other
// pods: equal requests, labels, ports and affinity, and neither or both terminating.
func (p *PodInfo) SameDemand(o *PodInfo) bool {
	return p.class == o.class && p.Request.MilliCPU == o.Request.MilliCPU && p.Request.Memory == o.Request.Memory &&
		p.Request.EphemeralStorage == o.Request.EphemeralStorage && maps.Equal(p.Request.Scalar, o.Request.Scalar) &&
		p.NonZeroCPU == o.NonZeroCPU && p.NonZeroMemory == o.NonZeroMemory && p.Pod.Spec.NodeName == o.Pod.Spec.NodeName &&
		slices.Equal(p.owned, o.owned) && slices.Equal(p.HostPorts, o.HostPorts) && p.Priority() == o.Priority()
}
