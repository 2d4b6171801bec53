package podsecurity

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// templateOf returns what an object makes pods of, or nil.
func templateOf(obj runtime.Object) *corev1.PodTemplateSpec {
	switch o := obj.(type) {
	case *corev1.PodTemplate:
		return &o.Template
	case *corev1.ReplicationController:
		return o.Spec.Template
	case *appsv1.ReplicaSet:
		return &o.Spec.Template
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.DaemonSet:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	case *batchv1.Job:
		return &o.Spec.Template
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template
	}
	return nil
}

// runsSomethingElse reports whether an update of a pod changes what the
// standards are about: its images, which alone can change, and its ephemeral
// containers.
func runsSomethingElse(pod, old *corev1.Pod) bool {
	return !slices.EqualFunc(pod.Spec.Containers, old.Spec.Containers, sameImage) ||
		!slices.EqualFunc(pod.Spec.InitContainers, old.Spec.InitContainers, sameImage) ||
		slices.ContainsFunc(pod.Spec.EphemeralContainers, func(c corev1.EphemeralContainer) bool {
			return !slices.ContainsFunc(old.Spec.EphemeralContainers, func(o corev1.EphemeralContainer) bool {
				return o.Name == c.Name && o.Image == c.Image
			})
		})
}

func sameImage(a, b corev1.Container) bool { return a.Image == b.Image }
