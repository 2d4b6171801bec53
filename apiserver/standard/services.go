package standard

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/apiserver/webhook"
)

// serviceAddress finds services by their cluster IPs, as kube-apiserver does.
func serviceAddress(r *registry.Registry) webhook.Resolver {
	services := registry.ObjectsOf[*corev1.Service](r, corev1.SchemeGroupVersion.WithResource("services"))
	return func(ctx context.Context, namespace, name string, port int32) (string, error) {
		s, err := services.Get(ctx, namespace, name)
		if apierrors.IsNotFound(err) {
			return "", fmt.Errorf("service %q not found", name)
		}
		if err != nil {
			return "", err
		}
		host := s.Spec.ClusterIP
		switch {
		case s.Spec.Type == corev1.ServiceTypeExternalName:
			host = s.Spec.ExternalName
		case host == "" || host == corev1.ClusterIPNone:
			return "", fmt.Errorf("service %s/%s has no cluster IP", namespace, name)
		}
		for _, p := range s.Spec.Ports {
			if p.Port == port {
				return net.JoinHostPort(host, strconv.Itoa(int(port))), nil
			}
		}
		return "", fmt.Errorf("service %s/%s has no port %d", namespace, name, port)
	}
}
