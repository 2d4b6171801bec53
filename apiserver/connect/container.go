package connect

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// defaultContainer is the annotation that says which container is meant.
const defaultContainer = "kubectl.kubernetes.io/default-container"

// chooseContainer returns the container that a request names, or the only one
// there is.
func chooseContainer(pod *corev1.Pod, name string) (string, error) {
	var regular, initial, ephemeral []string
	for i := range pod.Spec.Containers {
		regular = append(regular, pod.Spec.Containers[i].Name)
	}
	for i := range pod.Spec.InitContainers {
		initial = append(initial, pod.Spec.InitContainers[i].Name)
	}
	for i := range pod.Spec.EphemeralContainers {
		ephemeral = append(ephemeral, pod.Spec.EphemeralContainers[i].Name)
	}
	if name == "" {
		if len(regular) == 1 {
			return regular[0], nil
		}
		if name = pod.Annotations[defaultContainer]; name == "" {
			text := fmt.Sprintf("a container name must be specified for pod %s, choose one of: [%s]", pod.Name, strings.Join(regular, " "))
			if len(initial) > 0 {
				text += fmt.Sprintf(" or one of the init containers: [%s]", strings.Join(initial, " "))
			}
			if len(ephemeral) > 0 {
				text += fmt.Sprintf(" or one of the ephemeral containers: [%s]", strings.Join(ephemeral, " "))
			}
			return "", apierrors.NewBadRequest(text)
		}
	}
	for _, list := range [][]string{regular, initial, ephemeral} {
		for _, have := range list {
			if have == name {
				return name, nil
			}
		}
	}
	return "", apierrors.NewBadRequest(fmt.Sprintf("container %s is not valid for pod %s", name, pod.Name))
}
