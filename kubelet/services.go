package kubelet

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// serviceVariables are the environment variables that tell a pod of the
// services: those of its own namespace if it wants links, and always of the
// API's service in namespace default.
func serviceVariables(services []*corev1.Service, namespace string, links bool) map[string]string {
	vars := make(map[string]string)
	for _, master := range []bool{true, false} { // those of the pod's namespace win
		for _, s := range services {
			isMaster := s.Namespace == corev1.NamespaceDefault && s.Name == "kubernetes"
			if s.Spec.ClusterIP == "" || s.Spec.ClusterIP == corev1.ClusterIPNone || len(s.Spec.Ports) == 0 {
				continue
			}
			if master && isMaster || !master && links && s.Namespace == namespace {
				addServiceVariables(vars, s)
			}
		}
	}
	return vars
}

func addServiceVariables(vars map[string]string, s *corev1.Service) {
	prefix := strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
	ip := s.Spec.ClusterIP
	vars[prefix+"_SERVICE_HOST"] = ip
	vars[prefix+"_SERVICE_PORT"] = strconv.Itoa(int(s.Spec.Ports[0].Port))
	for i := range s.Spec.Ports {
		port := &s.Spec.Ports[i]
		number := strconv.Itoa(int(port.Port))
		if port.Name != "" {
			name := strings.ToUpper(strings.ReplaceAll(port.Name, "-", "_"))
			vars[prefix+"_SERVICE_PORT_"+name] = number
		}
		protocol := string(corev1.ProtocolTCP)
		if port.Protocol != "" {
			protocol = string(port.Protocol)
		}
		url := fmt.Sprintf("%s://%s", strings.ToLower(protocol), net.JoinHostPort(ip, number))
		if i == 0 {
			vars[prefix+"_PORT"] = url
		}
		link := fmt.Sprintf("%s_PORT_%s_%s", prefix, number, strings.ToUpper(protocol))
		vars[link] = url
		vars[link+"_PROTO"] = strings.ToLower(protocol)
		vars[link+"_PORT"] = number
		vars[link+"_ADDR"] = ip
	}
}
