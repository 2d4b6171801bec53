package owned

import (
	"context"
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// MarkDisrupted gives the pod a DisruptionTarget condition, which says why it is about
// to be deleted.
func MarkDisrupted(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, reason, message string) error {
	return patchStatus(ctx, client, pod, "", disruption(pod, reason, message))
}

// MarkFailed sets the pod's phase to Failed, where nobody else can: its kubelet is
// gone. A reason, if not empty, is given in a DisruptionTarget condition. A pod that
// has finished is left as it is.
func MarkFailed(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, reason, message string) error {
	if IsFinished(pod) {
		return nil
	}
	var condition *corev1.PodCondition
	if reason != "" {
		condition = disruption(pod, reason, message)
	}
	return patchStatus(ctx, client, pod, corev1.PodFailed, condition)
}

func disruption(pod *corev1.Pod, reason, message string) *corev1.PodCondition {
	c := &corev1.PodCondition{
		Type:               corev1.DisruptionTarget,
		ObservedGeneration: pod.Generation,
		Status:             corev1.ConditionTrue,
		Reason:             reason,
		Message:            message,
		LastTransitionTime: metav1.Now(),
	}
	if have := PodCondition(pod, corev1.DisruptionTarget); have != nil && have.Status == corev1.ConditionTrue {
		c.LastTransitionTime = have.LastTransitionTime
	}
	return c
}

func patchStatus(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod, phase corev1.PodPhase, condition *corev1.PodCondition) error {
	status := map[string]any{}
	if phase != "" {
		status["phase"] = phase
	}
	if condition != nil {
		status["conditions"] = []corev1.PodCondition{*condition}
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, "status")
	return err
}
