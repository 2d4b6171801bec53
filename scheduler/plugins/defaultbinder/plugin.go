// Package defaultbinder binds pods by posting a Binding to the API.
package defaultbinder

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Plugin is the binder.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "DefaultBinder" }

// Bind implements framework.BindPlugin.
func (Plugin) Bind(ctx context.Context, cs *framework.CycleState, node string) *framework.Status {
	pod := cs.Pod.Pod
	return framework.AsStatus(cs.Cluster.Client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: node},
	}, metav1.CreateOptions{}))
}
