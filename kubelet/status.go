package kubelet

import (
	"cmp"
	"slices"
	"time"

	"github.com/keelson-project/keelson/internal/qos"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// statusInput is all that a pod's status is made of.
type statusInput struct {
	pod *corev1.Pod
	// old is the status last made, or the one in the API.
	old *corev1.PodStatus
	// sandboxes are those of the pod in the runtime, newest first.
	sandboxes []Sandbox
	// ips are the addresses of the newest sandbox, if it is connected.
	ips []string
	// hostIPs are the node's addresses.
	hostIPs []string
	// waiting tells why containers do not run, by name.
	waiting map[string]waitReason
	// health tells what probes found, by container ID.
	health map[string]health
	// ending says that no container will be started any more.
	ending bool
	// final says that all containers have ended, for an ending pod.
	final bool
	// failed overrides the phase with Failed, for this reason.
	failed *waitReason
	// messages are the termination messages of containers, by ID.
	messages map[string]string
	// runtimeName is the scheme of container IDs, such as "containerd".
	runtimeName string
	now         time.Time
}

// makeStatus makes the status of a pod. It has no effects.
func makeStatus(in statusInput) corev1.PodStatus {
	m := statusMaker{statusInput: in}
	s := corev1.PodStatus{
		ObservedGeneration: in.pod.Generation,
		StartTime:          in.old.StartTime,
		QOSClass:           in.pod.Status.QOSClass,
		HostIP:             in.old.HostIP,
		HostIPs:            in.old.HostIPs,
		PodIP:              in.old.PodIP,
		PodIPs:             in.old.PodIPs,
		NominatedNodeName:  in.pod.Status.NominatedNodeName,
		// What others or other features fill in stays.
		Resize:                               in.pod.Status.Resize,
		ResourceClaimStatuses:                in.pod.Status.ResourceClaimStatuses,
		ExtendedResourceClaimStatus:          in.pod.Status.ExtendedResourceClaimStatus,
		AllocatedResources:                   in.pod.Status.AllocatedResources,
		Resources:                            in.pod.Status.Resources,
		NodeAllocatableResourceClaimStatuses: in.pod.Status.NodeAllocatableResourceClaimStatuses,
		VolumeHealth:                         in.pod.Status.VolumeHealth,
	}
	if s.StartTime == nil {
		now := stamp(in.now)
		s.StartTime = &now
	}
	if s.QOSClass == "" {
		s.QOSClass = qos.Of(&in.pod.Spec)
	}
	if len(in.hostIPs) > 0 {
		s.HostIP, s.HostIPs = in.hostIPs[0], nil
		for _, ip := range in.hostIPs {
			s.HostIPs = append(s.HostIPs, corev1.HostIP{IP: ip})
		}
	}
	ips := in.ips
	if in.pod.Spec.HostNetwork && s.PodIP == "" {
		ips = in.hostIPs
	}
	if len(ips) > 0 {
		s.PodIP, s.PodIPs = ips[0], nil
		for _, ip := range ips {
			s.PodIPs = append(s.PodIPs, corev1.PodIP{IP: ip})
		}
	}
	// A pod that was refused, or ended before anything was made for it, has no
	// containers to tell of.
	if !in.ending || len(in.sandboxes) > 0 || len(in.old.ContainerStatuses) > 0 || in.failed == nil && !isTerminal(in.pod.Status.Phase) {
		m.addContainers(&s)
	}

	if in.final {
		m.finish(&s)
	}
	s.Phase = phase(in.pod, &s, in.ending)
	if in.final && !isTerminal(s.Phase) {
		s.Phase = corev1.PodFailed
	}
	if !isTerminal(s.Phase) {
		for _, known := range []corev1.PodPhase{in.old.Phase, in.pod.Status.Phase} {
			if isTerminal(known) {
				s.Phase = known
			}
		}
	}
	if isTerminal(in.pod.Status.Phase) {
		s.Phase = in.pod.Status.Phase // there is no way back
	}
	if s.Phase == in.old.Phase {
		s.Reason = cmp.Or(in.old.Reason, in.pod.Status.Reason)
		s.Message = cmp.Or(in.old.Message, in.pod.Status.Message)
	}
	if in.failed != nil {
		s.Phase, s.Reason, s.Message = corev1.PodFailed, in.failed.reason, in.failed.message
	}
	m.setReady(&s)
	m.addConditions(&s)
	return s
}

type statusMaker struct{ statusInput }

// stamp is a time as the API keeps it, in whole seconds.
func stamp(t time.Time) metav1.Time {
	if t.IsZero() {
		return metav1.Time{}
	}
	return metav1.NewTime(t.Truncate(time.Second))
}

// addContainers fills in the statuses of all containers, in the order of the
// init containers in the pod and of the others by name.
func (m *statusMaker) addContainers(s *corev1.PodStatus) {
	spec := &m.pod.Spec
	main := "ContainerCreating"
	if len(spec.InitContainers) > 0 {
		main = "PodInitializing"
	}
	for i := range spec.InitContainers {
		s.InitContainerStatuses = append(s.InitContainerStatuses,
			m.container(&spec.InitContainers[i], "PodInitializing", m.old.InitContainerStatuses))
	}
	m.inferInit(s)
	for i := range spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses,
			m.container(&spec.Containers[i], main, m.old.ContainerStatuses))
	}
	for i := range spec.EphemeralContainers {
		c := (*corev1.Container)(&spec.EphemeralContainers[i].EphemeralContainerCommon)
		s.EphemeralContainerStatuses = append(s.EphemeralContainerStatuses,
			m.container(c, main, m.old.EphemeralContainerStatuses))
	}
	byName := func(a, b corev1.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) }
	slices.SortFunc(s.ContainerStatuses, byName)
	slices.SortFunc(s.EphemeralContainerStatuses, byName)
}

// inferInit completes init containers whose records are gone from a pod whose
// main containers were made: they must have succeeded.
func (m *statusMaker) inferInit(s *corev1.PodStatus) {
	made := false
	for i := range m.pod.Spec.Containers {
		made = made || newest(m.sandboxes, m.pod.Spec.Containers[i].Name) != nil
	}
	if !made {
		return
	}
	for i := range s.InitContainerStatuses {
		c := &m.pod.Spec.InitContainers[i]
		if s.InitContainerStatuses[i].State.Waiting == nil || isSidecar(c) || newest(m.sandboxes, c.Name) != nil {
			continue
		}
		s.InitContainerStatuses[i].State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Reason:  "Completed",
			Message: "Unable to get init container status from container runtime and pod has been initialized, treat it as exited normally",
		}}
	}
}

// container makes one container's status.
func (m *statusMaker) container(c *corev1.Container, creating string, olds []corev1.ContainerStatus) corev1.ContainerStatus {
	s := corev1.ContainerStatus{
		Name: c.Name, Image: c.Image,
		State:   corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: creating}},
		Started: new(bool),
	}
	var old *corev1.ContainerStatus
	for i := range olds {
		if olds[i].Name == c.Name {
			old = &olds[i]
		}
	}
	for i := range c.VolumeMounts {
		mount := &c.VolumeMounts[i]
		status := corev1.VolumeMountStatus{Name: mount.Name, MountPath: mount.MountPath, ReadOnly: mount.ReadOnly}
		if mount.ReadOnly {
			mode := corev1.RecursiveReadOnlyDisabled
			status.RecursiveReadOnly = &mode
		}
		s.VolumeMounts = append(s.VolumeMounts, status)
	}

	all := attempts(m.sandboxes, c.Name)
	if len(all) == 0 {
		m.lost(&s, old, creating)
	} else {
		m.observed(&s, c, all, old)
	}
	if why, ok := m.waiting[c.Name]; ok && s.State.Running == nil {
		if s.State.Terminated != nil {
			s.LastTerminationState = s.State
		}
		s.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: why.reason, Message: why.message}}
	}
	return s
}

// observed fills in what the runtime has of a container; all is not empty.
func (m *statusMaker) observed(s *corev1.ContainerStatus, c *corev1.Container, all []*Container, old *corev1.ContainerStatus) {
	latest := all[0]
	s.RestartCount = int32(latest.Attempt)
	s.Image = latest.Image
	s.ImageID = cmp.Or(latest.Annotations[annotationImageRef], latest.ImageID)
	s.ContainerID = m.runtimeName + "://" + latest.ID
	resources := c.Resources.DeepCopy()
	s.Resources, s.AllocatedResources = resources, c.Resources.Requests.DeepCopy()
	switch latest.State {
	case StateRunning:
		s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: stamp(latest.StartedAt)}}
	case StateExited:
		s.State = m.terminated(latest)
	}
	switch {
	case len(all) > 1 && all[1].State == StateExited:
		s.LastTerminationState = m.terminated(all[1])
	case old != nil && old.ContainerID == s.ContainerID:
		s.LastTerminationState = old.LastTerminationState
	case old != nil && old.State.Terminated != nil:
		s.LastTerminationState = old.State
	}
}

// lost fills in what is known of a container that the runtime does not have.
func (m *statusMaker) lost(s *corev1.ContainerStatus, old *corev1.ContainerStatus, creating string) {
	if old == nil {
		return
	}
	if old.State.Terminated != nil {
		mounts := s.VolumeMounts
		*s = *old
		s.VolumeMounts = mounts
		return
	}
	s.RestartCount, s.LastTerminationState = old.RestartCount, old.LastTerminationState
	if old.State.Running != nil && s.LastTerminationState.Terminated == nil {
		s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{
			Reason: "ContainerStatusUnknown", ExitCode: 137,
			Message: "The container could not be located when the pod was deleted.  The container used to be Running",
		}
		if m.pod.DeletionTimestamp == nil {
			s.RestartCount++
		}
	}
}

func (m *statusMaker) terminated(c *Container) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: int32(c.ExitCode), Reason: c.Reason, Message: cmp.Or(m.messages[c.ID], c.Message),
		StartedAt: stamp(c.StartedAt), FinishedAt: stamp(c.FinishedAt),
		ContainerID: m.runtimeName + "://" + c.ID,
	}}
}

// finish ends the containers of an initialized pod that were never seen to end.
func (m *statusMaker) finish(s *corev1.PodStatus) {
	if len(m.pod.Spec.InitContainers) > 0 {
		if c := findCondition(m.old.Conditions, corev1.PodInitialized); c == nil || c.Status != corev1.ConditionTrue {
			return
		}
	}
	for i := range s.ContainerStatuses {
		status := &s.ContainerStatuses[i]
		if status.State.Terminated == nil {
			if status.State.Waiting != nil && status.LastTerminationState.Terminated != nil {
				status.State, status.LastTerminationState = status.LastTerminationState, corev1.ContainerState{}
				continue
			}
			status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				Reason: "ContainerStatusUnknown", ExitCode: 137,
				Message: "The container could not be located when the pod was terminated",
			}}
		}
	}
}

// setReady fills in started and ready of all containers.
func (m *statusMaker) setReady(s *corev1.PodStatus) {
	for i := range s.InitContainerStatuses {
		status, c := &s.InitContainerStatuses[i], &m.pod.Spec.InitContainers[i]
		if isSidecar(c) {
			m.setReadyOf(status)
			continue
		}
		status.Started = new(status.State.Running != nil)
		status.Ready = status.State.Terminated != nil && status.State.Terminated.ExitCode == 0
	}
	for i := range s.ContainerStatuses {
		m.setReadyOf(&s.ContainerStatuses[i])
	}
	for i := range s.EphemeralContainerStatuses {
		s.EphemeralContainerStatuses[i].Started = nil
	}
}

func (m *statusMaker) setReadyOf(status *corev1.ContainerStatus) {
	latest := newest(m.sandboxes, status.Name)
	running := status.State.Running != nil && latest != nil
	status.Started = new(running && m.health[latest.ID].started)
	status.Ready = running && *status.Started && m.health[latest.ID].ready
}
