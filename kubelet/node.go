package kubelet

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nodeImages is how many images a Node lists at most.
const nodeImages = 50

// initialNode is the Node object that this kubelet creates.
func (k *Kubelet) initialNode() *corev1.Node {
	labels := k.nodeLabels()
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{
			Name: k.cfg.NodeName, Labels: labels,
			Annotations: map[string]string{"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
		},
		Spec: corev1.NodeSpec{Taints: slices.Clone(k.cfg.Taints)},
	}
	return node
}

// nodeLabels are the labels that a kubelet sees to.
func (k *Kubelet) nodeLabels() map[string]string {
	labels := map[string]string{
		corev1.LabelHostname: k.cfg.NodeName, corev1.LabelOSStable: k.machine.info.OperatingSystem, corev1.LabelArchStable: k.machine.info.Architecture,
		"beta.kubernetes.io/os": k.machine.info.OperatingSystem, "beta.kubernetes.io/arch": k.machine.info.Architecture,
	}
	maps.Copy(labels, k.cfg.Labels)
	return labels
}

// register creates the Node object or takes over the one that is there. It
// tries until that has succeeded or ctx ends.
func (k *Kubelet) register(ctx context.Context) error {
	for delay := 100 * time.Millisecond; ; delay = min(2*delay, 7*time.Second) {
		err := k.registerOnce(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		k.log.Warn("registering the node failed, trying again", "err", err, "after", delay)
		if err := sleep(ctx, delay); err != nil {
			return err
		}
	}
}

func (k *Kubelet) registerOnce(ctx context.Context) error {
	nodes := k.cfg.Client.CoreV1().Nodes()
	node := k.initialNode()
	k.setStatus(ctx, node)
	created, err := nodes.Create(ctx, node, metav1.CreateOptions{})
	if err == nil {
		k.setNode(created)
		return nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	have, err := nodes.Get(ctx, k.cfg.NodeName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	want := have.DeepCopy()
	if want.Labels == nil {
		want.Labels = make(map[string]string)
	}
	maps.Copy(want.Labels, k.nodeLabels())
	if !equality.Semantic.DeepEqual(have, want) {
		if have, err = nodes.Update(ctx, want, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	k.setNode(have)
	return nil
}

// setNode takes in the Node as it is in the API.
func (k *Kubelet) setNode(node *corev1.Node) {
	k.mu.Lock()
	if k.node != nil && k.node.UID == node.UID && !newerNode(node, k.node) {
		k.mu.Unlock()
		return
	}
	k.node = node
	cidrs := node.Spec.PodCIDRs
	if len(cidrs) == 0 && node.Spec.PodCIDR != "" {
		cidrs = []string{node.Spec.PodCIDR}
	}
	changed := len(cidrs) > 0 && !slices.Equal(cidrs, k.podCIDRs)
	if changed {
		k.podCIDRs = slices.Clone(cidrs)
	}
	k.mu.Unlock()
	if !changed || k.cfg.PodCIDRs == nil {
		return
	}
	if err := k.cfg.PodCIDRs(cidrs); err != nil {
		k.log.Error("the node's pod ranges were refused", "podCIDRs", cidrs, "err", err)
		return
	}
	k.cidrOnce.Do(func() { close(k.cidrKnown) })
	k.nodeStatusSoon() // the network may be ready now
}

func newerNode(a, b *corev1.Node) bool {
	x, y := a.ResourceVersion, b.ResourceVersion
	if len(x) != len(y) {
		return len(x) > len(y)
	}
	return x > y
}

// waitPodCIDR waits until the node's pod range is known, where that matters.
func (k *Kubelet) waitPodCIDR(ctx context.Context) error {
	if k.cfg.PodCIDRs == nil {
		return nil
	}
	select {
	case <-k.cidrKnown:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setStatus fills in a Node's status as it is now.
func (k *Kubelet) setStatus(ctx context.Context, node *corev1.Node) {
	s := &node.Status
	s.Capacity, s.Allocatable = k.machine.capacity.DeepCopy(), k.machine.allocatable.DeepCopy()
	s.NodeInfo = k.machine.info
	version, err := k.runtime.Version(ctx)
	if err != nil {
		version = k.runtimeName() + "://unknown"
	}
	s.NodeInfo.ContainerRuntimeVersion = version
	s.NodeInfo.KubeProxyVersion = ""
	s.Addresses = nil
	for _, ip := range k.hostIPs {
		s.Addresses = append(s.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: ip})
	}
	s.Addresses = append(s.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: k.cfg.NodeName})
	s.DaemonEndpoints.KubeletEndpoint.Port = k.cfg.Server.Port
	if images, err := k.runtime.ListImages(ctx); err == nil {
		s.Images = imageList(images)
	}
	s.RuntimeHandlers = nil
	now := time.Now()
	for _, c := range k.nodeConditions(ctx, err) {
		setNodeCondition(s, c, now)
	}
}

// imageList is the images for a Node, the largest first.
func imageList(images []Image) []corev1.ContainerImage {
	slices.SortStableFunc(images, func(a, b Image) int { return int(min(max(b.Size-a.Size, -1), 1)) })
	var list []corev1.ContainerImage
	for _, i := range images {
		names := append(slices.Clone(i.Digests), i.Tags...)
		if len(names) == 0 || len(list) == nodeImages {
			continue
		}
		list = append(list, corev1.ContainerImage{Names: names[:min(5, len(names))], SizeBytes: i.Size})
	}
	return list
}

// The limits at which a node is under pressure, as part of what it has.
const (
	memoryPressureBytes = 100 << 20
	diskPressurePercent = 90
	inodePressureShare  = 20 // one in so many left
)

// nodeConditions tells how the node is. runtimeErr is why the runtime does not
// answer, if so.
func (k *Kubelet) nodeConditions(ctx context.Context, runtimeErr error) []corev1.NodeCondition {
	memory := corev1.NodeCondition{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse,
		Reason: "KubeletHasSufficientMemory", Message: "kubelet has sufficient memory available"}
	disk := corev1.NodeCondition{Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse,
		Reason: "KubeletHasNoDiskPressure", Message: "kubelet has no disk pressure"}
	pid := corev1.NodeCondition{Type: corev1.NodePIDPressure, Status: corev1.ConditionFalse,
		Reason: "KubeletHasSufficientPID", Message: "kubelet has sufficient PID available"}
	if !k.simulated() {
		if free, ok := memoryAvailable(); ok && free < memoryPressureBytes {
			memory.Status, memory.Reason, memory.Message = corev1.ConditionTrue, "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"
		}
		if u, err := diskUsage(k.cfg.RootDir); err == nil &&
			(u.usedPercent > diskPressurePercent || u.inodes > 0 && u.inodesFree < u.inodes/inodePressureShare) {
			disk.Status, disk.Reason, disk.Message = corev1.ConditionTrue, "KubeletHasDiskPressure", "kubelet has disk pressure"
		}
	}
	ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
		Reason: "KubeletReady", Message: "kubelet is posting ready status"}
	notReady := func(message string) {
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "KubeletNotReady", message
	}
	switch {
	case runtimeErr != nil:
		notReady("container runtime is down: " + runtimeErr.Error())
	case k.cfg.Network != nil:
		if err := k.cfg.Network.Status(ctx); err != nil {
			notReady("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:" + err.Error())
		}
	}
	return []corev1.NodeCondition{memory, disk, pid, ready}
}

// setNodeCondition sets one condition.
func setNodeCondition(s *corev1.NodeStatus, c corev1.NodeCondition, now time.Time) {
	c.LastHeartbeatTime, c.LastTransitionTime = stamp(now), stamp(now)
	for i := range s.Conditions {
		have := &s.Conditions[i]
		if have.Type == c.Type {
			if have.Status == c.Status {
				c.LastTransitionTime = have.LastTransitionTime
			}
			*have = c
			return
		}
	}
	s.Conditions = append(s.Conditions, c)
}
