package kubelet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (k *Kubelet) getConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	return k.cfg.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
}

func (k *Kubelet) getSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	return k.cfg.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
}

// serviceVariables are a pod's service variables. A simulated node has none:
// it would have to watch all services for the sake of containers that do not
// read them.
func (k *Kubelet) serviceVariables(pod *corev1.Pod) map[string]string {
	if k.services == nil {
		return nil
	}
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	return serviceVariables(k.services.list(), pod.Namespace, links)
}

// runtimeHandler is the runtime's handler for a pod's RuntimeClass.
func (k *Kubelet) runtimeHandler(pod *corev1.Pod) (string, error) {
	if pod.Spec.RuntimeClassName == nil || *pod.Spec.RuntimeClassName == "" {
		return "", nil
	}
	class, err := k.cfg.Client.NodeV1().RuntimeClasses().Get(k.ctx, *pod.Spec.RuntimeClassName, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("runtime class %q of the pod: %w", *pod.Spec.RuntimeClassName, err)
	}
	return class.Handler, nil
}
