package framework

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// NodeInfo is a node with the pods on it, bound or assumed, and their sums.
// Plugins only read it.
type NodeInfo struct {
	Node *corev1.Node
	// Slot is the node's place in the snapshot's per-node arrays; it is stable
	// while the node exists and reused afterwards.
	Slot int32
	// Pods are the pods on the node.
	Pods []*PodInfo
	// Requested is the sum of the pods' requests.
	Requested Resource
	// NonZeroCPU and NonZeroMemory are the same sum with scoring's defaults.
	NonZeroCPU, NonZeroMemory int64
	// Allocatable is what the node offers to pods.
	Allocatable Resource
	// Unschedulable and Taints are the node's own, at hand.
	Unschedulable bool
	Taints        []corev1.Taint
	// HasPreferNoSchedule is whether a taint asks to avoid the node.
	HasPreferNoSchedule bool
	// Generation grows whenever anything about the node changes.
	Generation uint64

	ports  []HostPort
	images map[string]int64
}

// Name returns the node's name.
func (n *NodeInfo) Name() string { return n.Node.Name }

// PortsConflict reports whether any of the ports is taken on the node. The address
// 0.0.0.0 conflicts with every address.
func (n *NodeInfo) PortsConflict(want []HostPort) bool {
	for _, w := range want {
		for _, u := range n.ports {
			if w.Port == u.Port && w.Protocol == u.Protocol &&
				(w.IP == u.IP || w.IP == "0.0.0.0" || u.IP == "0.0.0.0") {
				return true
			}
		}
	}
	return false
}

// ImageSize returns the size in bytes of an image the node already has.
func (n *NodeInfo) ImageSize(name string) (int64, bool) {
	size, ok := n.images[name]
	return size, ok
}

// Clone copies the node so that pods can be added and removed to see what would happen.
func (n *NodeInfo) Clone() *NodeInfo {
	c := *n
	c.Pods = slices.Clone(n.Pods)
	c.Requested = n.Requested.Clone()
	c.ports = slices.Clone(n.ports)
	return &c
}

// AddPod puts a pod on a clone of the node.
func (n *NodeInfo) AddPod(p *PodInfo) {
	n.Pods = append(n.Pods, p)
	n.account(p, 1)
	n.ports = append(n.ports, p.HostPorts...)
}

// RemovePod takes a pod off a clone of the node and returns what was there, or nil.
func (n *NodeInfo) RemovePod(uid types.UID) *PodInfo {
	for i, p := range n.Pods {
		if p.Pod.UID != uid {
			continue
		}
		last := len(n.Pods) - 1
		n.Pods[i] = n.Pods[last]
		n.Pods[last] = nil
		n.Pods = n.Pods[:last]
		n.account(p, -1)
		for _, hp := range p.HostPorts {
			if j := slices.Index(n.ports, hp); j >= 0 {
				n.ports = slices.Delete(n.ports, j, j+1)
			}
		}
		return p
	}
	return nil
}

func (n *NodeInfo) account(p *PodInfo, sign int64) {
	n.Requested.add(&p.Request, sign)
	n.NonZeroCPU += sign * p.NonZeroCPU
	n.NonZeroMemory += sign * p.NonZeroMemory
}

func (n *NodeInfo) setNode(node *corev1.Node) {
	n.Node = node
	n.Allocatable = NewResource(node.Status.Allocatable)
	n.Unschedulable, n.Taints = node.Spec.Unschedulable, node.Spec.Taints
	n.HasPreferNoSchedule = false
	for i := range node.Spec.Taints {
		if node.Spec.Taints[i].Effect == corev1.TaintEffectPreferNoSchedule {
			n.HasPreferNoSchedule = true
		}
	}
	n.images = make(map[string]int64, len(node.Status.Images))
	for i := range node.Status.Images {
		img := &node.Status.Images[i]
		for _, name := range img.Names {
			n.images[NormalizeImage(name)] = img.SizeBytes
		}
	}
}

// NormalizeImage gives an image reference without tag or digest the tag latest, as nodes report it.
func NormalizeImage(name string) string {
	if strings.LastIndexByte(name, ':') <= strings.LastIndexByte(name, '/') {
		return name + ":latest"
	}
	return name
}
