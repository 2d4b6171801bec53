package kubelet

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// The labels and annotations that tie containers to pods, as other kubelets
// and tools know them.
const (
	labelPodName       = "io.kubernetes.pod.name"
	labelPodNamespace  = "io.kubernetes.pod.namespace"
	labelPodUID        = "io.kubernetes.pod.uid"
	labelContainerName = "io.kubernetes.container.name"

	annotationHash         = "io.kubernetes.container.hash"
	annotationRestartCount = "io.kubernetes.container.restartCount"
	annotationMessagePath  = "io.kubernetes.container.terminationMessagePath"
	annotationMessagePol   = "io.kubernetes.container.terminationMessagePolicy"
	annotationImageRef     = "keelson.io/image-reference"
)

// containerHash changes when a container has to be made anew because its
// definition has changed; what else of a container can change needs no restart.
func containerHash(c *corev1.Container) string {
	key, err := json.Marshal([]string{c.Name, c.Image})
	if err != nil {
		panic(err) // two strings can always be encoded
	}
	h := fnv.New32a()
	h.Write(key)
	return strconv.FormatUint(uint64(h.Sum32()), 16)
}

// podKey names a pod the way messages to users do.
func podKey(pod *corev1.Pod) string {
	return fmt.Sprintf("%s_%s(%s)", pod.Name, pod.Namespace, pod.UID)
}

// isSidecar reports whether an init container keeps running beside the others.
func isSidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// newest returns the latest attempt of a container in these sandboxes.
func newest(sandboxes []Sandbox, name string) *Container {
	var found *Container
	for i := range sandboxes {
		for j := range sandboxes[i].Containers {
			c := &sandboxes[i].Containers[j]
			if c.Name == name && (found == nil || later(c, found)) {
				found = c
			}
		}
	}
	return found
}

// attempts returns all attempts of a container, the latest first.
func attempts(sandboxes []Sandbox, name string) []*Container {
	var all []*Container
	for i := range sandboxes {
		for j := range sandboxes[i].Containers {
			if c := &sandboxes[i].Containers[j]; c.Name == name {
				all = append(all, c)
			}
		}
	}
	slices.SortFunc(all, func(a, b *Container) int {
		if later(a, b) {
			return -1
		}
		return 1
	})
	return all
}

func later(a, b *Container) bool {
	if a.Attempt != b.Attempt {
		return a.Attempt > b.Attempt
	}
	return a.CreatedAt.After(b.CreatedAt)
}

// nextAttempt numbers the next start of a container: one more than the last
// that the runtime has, or that the pod's status tells of.
func nextAttempt(pod *corev1.Pod, sandboxes []Sandbox, name string) uint32 {
	if c := newest(sandboxes, name); c != nil {
		if c.State == StateCreated {
			return c.Attempt // it never ran
		}
		return c.Attempt + 1
	}
	for _, list := range [][]corev1.ContainerStatus{pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses} {
		for i := range list {
			if s := &list[i]; s.Name == name && (s.ContainerID != "" || s.LastTerminationState.Terminated != nil) {
				return uint32(s.RestartCount) + 1
			}
		}
	}
	return 0
}

// restarts reports whether a container that ended with this exit code is to be
// started again.
func restarts(pod *corev1.Pod, c *corev1.Container, exitCode int) bool {
	for i := range c.RestartPolicyRules {
		rule := &c.RestartPolicyRules[i]
		if rule.ExitCodes == nil {
			continue
		}
		in := slices.Contains(rule.ExitCodes.Values, int32(exitCode))
		if in == (rule.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return true // all actions there are restart the container
		}
	}
	policy := pod.Spec.RestartPolicy
	if c.RestartPolicy != nil {
		policy = corev1.RestartPolicy(*c.RestartPolicy)
	}
	switch policy {
	case corev1.RestartPolicyNever:
		return false
	case corev1.RestartPolicyOnFailure:
		return exitCode != 0
	}
	return true
}

// eachContainer calls f for all containers of a pod: init, main, ephemeral.
func eachContainer(pod *corev1.Pod, f func(*corev1.Container)) {
	for i := range pod.Spec.InitContainers {
		f(&pod.Spec.InitContainers[i])
	}
	for i := range pod.Spec.Containers {
		f(&pod.Spec.Containers[i])
	}
	for i := range pod.Spec.EphemeralContainers {
		f((*corev1.Container)(&pod.Spec.EphemeralContainers[i].EphemeralContainerCommon))
	}
}

// findContainer returns a container of a pod by name, or nil.
func findContainer(pod *corev1.Pod, name string) *corev1.Container {
	var found *corev1.Container
	eachContainer(pod, func(c *corev1.Container) {
		if c.Name == name {
			found = c
		}
	})
	return found
}

// isTerminal reports whether a pod has a final phase.
func isTerminal(phase corev1.PodPhase) bool {
	return phase == corev1.PodSucceeded || phase == corev1.PodFailed
}
