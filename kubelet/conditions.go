package kubelet

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// addConditions keeps the conditions of others and makes the kubelet's own.
func (m *statusMaker) addConditions(s *corev1.PodStatus) {
	own := map[corev1.PodConditionType]bool{
		corev1.PodReadyToStartContainers: true, corev1.PodInitialized: true,
		corev1.PodReady: true, corev1.ContainersReady: true,
	}
	for _, c := range m.pod.Status.Conditions {
		if !own[c.Type] {
			s.Conditions = append(s.Conditions, c)
		}
	}
	for _, c := range []corev1.PodCondition{
		m.startableCondition(),
		m.initializedCondition(s),
		m.readyCondition(s),
		m.containersReadyCondition(s),
		{Type: corev1.PodScheduled, Status: corev1.ConditionTrue},
	} {
		m.setCondition(s, c)
	}
}

// setCondition adds a condition, or replaces the one of its type.
func (m *statusMaker) setCondition(s *corev1.PodStatus, c corev1.PodCondition) {
	c.ObservedGeneration = m.pod.Generation
	c.LastTransitionTime = stamp(m.now)
	for _, olds := range [][]corev1.PodCondition{m.old.Conditions, m.pod.Status.Conditions} {
		if old := findCondition(olds, c.Type); old != nil && old.Status == c.Status {
			c.LastTransitionTime = old.LastTransitionTime
			break
		}
	}
	if have := findCondition(s.Conditions, c.Type); have != nil {
		if c.Type != corev1.PodScheduled || have.Status != c.Status {
			*have = c
		}
		return
	}
	s.Conditions = append(s.Conditions, c)
}

func findCondition(list []corev1.PodCondition, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range list {
		if list[i].Type == kind {
			return &list[i]
		}
	}
	return nil
}

// startableCondition tells whether the sandbox runs and is connected.
func (m *statusMaker) startableCondition() corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue}
	running := len(m.sandboxes) > 0 && m.sandboxes[0].State == StateRunning
	if !running || !m.pod.Spec.HostNetwork && len(m.ips) == 0 {
		c.Status = corev1.ConditionFalse
	}
	return c
}

// initializedCondition tells whether all init containers have done their work.
func (m *statusMaker) initializedCondition(s *corev1.PodStatus) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.PodInitialized, Status: corev1.ConditionTrue}
	if s.Phase == corev1.PodSucceeded {
		c.Reason = "PodCompleted"
		return c
	}
	for i := range s.ContainerStatuses {
		status := &s.ContainerStatuses[i]
		if status.State.Running != nil || status.State.Terminated != nil || status.LastTerminationState.Terminated != nil {
			return c
		}
	}
	var incomplete []string
	for i := range s.InitContainerStatuses {
		status := &s.InitContainerStatuses[i]
		done := status.Ready
		if isSidecar(&m.pod.Spec.InitContainers[i]) {
			done = *status.Started
		}
		if !done {
			incomplete = append(incomplete, status.Name)
		}
	}
	if len(incomplete) > 0 {
		c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotInitialized"
		c.Message = fmt.Sprintf("containers with incomplete status: %s", incomplete)
	}
	return c
}

// containersReadyCondition tells whether all containers are ready.
func (m *statusMaker) containersReadyCondition(s *corev1.PodStatus) corev1.PodCondition {
	c := corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionTrue}
	switch s.Phase {
	case corev1.PodSucceeded:
		c.Status, c.Reason = corev1.ConditionFalse, "PodCompleted"
		return c
	case corev1.PodFailed:
		c.Status, c.Reason = corev1.ConditionFalse, "PodFailed"
		return c
	}
	var unready []string
	for i := range s.InitContainerStatuses {
		if isSidecar(&m.pod.Spec.InitContainers[i]) && !s.InitContainerStatuses[i].Ready {
			unready = append(unready, s.InitContainerStatuses[i].Name)
		}
	}
	for i := range m.pod.Spec.Containers {
		name := m.pod.Spec.Containers[i].Name
		for j := range s.ContainerStatuses {
			if s.ContainerStatuses[j].Name == name && !s.ContainerStatuses[j].Ready {
				unready = append(unready, name)
			}
		}
	}
	if len(unready) > 0 {
		c.Status, c.Reason = corev1.ConditionFalse, "ContainersNotReady"
		c.Message = fmt.Sprintf("containers with unready status: %s", unready)
	}
	return c
}

// readyCondition adds the readiness gates to containersReadyCondition.
func (m *statusMaker) readyCondition(s *corev1.PodStatus) corev1.PodCondition {
	c := m.containersReadyCondition(s)
	c.Type = corev1.PodReady
	if c.Status != corev1.ConditionTrue {
		return c
	}
	var unready []string
	for _, gate := range m.pod.Spec.ReadinessGates {
		switch have := findCondition(s.Conditions, gate.ConditionType); {
		case have == nil:
			unready = append(unready, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		case have.Status != corev1.ConditionTrue:
			unready = append(unready, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %v", gate.ConditionType, have.Status))
		}
	}
	if len(unready) > 0 {
		c.Status, c.Reason = corev1.ConditionFalse, "ReadinessGatesNotReady"
		c.Message = strings.Join(unready, ", ")
	}
	return c
}

// phase sums up the containers' statuses. ending says that none is restarted.
func phase(pod *corev1.Pod, s *corev1.PodStatus, ending bool) corev1.PodPhase {
	initialized := false
	for i := range s.ContainerStatuses {
		c := &s.ContainerStatuses[i]
		initialized = initialized || c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil
	}
	pendingInit, runningSidecars := false, 0
	for i := range s.InitContainerStatuses {
		c, status := &pod.Spec.InitContainers[i], &s.InitContainerStatuses[i]
		if isSidecar(c) {
			switch {
			case status.State.Running != nil:
				runningSidecars++
				pendingInit = pendingInit || !initialized && (status.Started == nil || !*status.Started)
			case status.State.Waiting != nil && status.LastTerminationState.Terminated == nil:
				pendingInit = pendingInit || !initialized
			}
			continue
		}
		ended := lastEnd(status)
		switch {
		case ended == nil || status.State.Running != nil:
			pendingInit = true
		case ended.ExitCode != 0:
			if ending || !restartsInit(pod, c, int(ended.ExitCode)) {
				return corev1.PodFailed
			}
			pendingInit = true
		}
	}
	running, waiting, stopped, succeeded, restarting := runningSidecars, 0, 0, 0, 0
	for i := range s.ContainerStatuses {
		status := &s.ContainerStatuses[i]
		ended := lastEnd(status)
		switch {
		case status.State.Running != nil:
			running++
		case ended == nil:
			waiting++
		default:
			stopped++
			if c := findContainer(pod, status.Name); c != nil && !ending && restarts(pod, c, int(ended.ExitCode)) {
				restarting++
			}
			if ended.ExitCode == 0 && status.State.Terminated != nil {
				succeeded++
			}
		}
	}
	switch {
	case pendingInit || waiting > 0:
		return corev1.PodPending
	case running > 0 || restarting > 0:
		return corev1.PodRunning
	case stopped == 0:
		return corev1.PodPending
	case stopped == succeeded:
		return corev1.PodSucceeded
	}
	return corev1.PodFailed
}

// lastEnd is how a container ended, if it does not run.
func lastEnd(s *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if s.State.Terminated != nil {
		return s.State.Terminated
	}
	if s.State.Waiting != nil {
		return s.LastTerminationState.Terminated
	}
	return nil
}
