package quota

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
)

// serviceEvaluator measures services.
type serviceEvaluator struct{ count }

// Measures implements Evaluator.
func (serviceEvaluator) Measures(name corev1.ResourceName) bool {
	switch name {
	case "count/services", corev1.ResourceServices, corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers:
		return true
	}
	return false
}

// Changes implements Evaluator: a service can change its type.
func (serviceEvaluator) Changes(subresource string, _, _ runtime.Object) bool {
	return subresource == ""
}

// Usage implements Evaluator.
func (serviceEvaluator) Usage(obj runtime.Object) corev1.ResourceList {
	service, ok := obj.(*corev1.Service)
	if !ok {
		return nil
	}
	ports, balancers := 0, 0
	switch service.Spec.Type {
	case corev1.ServiceTypeNodePort:
		ports = len(service.Spec.Ports)
	case corev1.ServiceTypeLoadBalancer:
		balancers = 1
		wanted := service.Spec.AllocateLoadBalancerNodePorts == nil || *service.Spec.AllocateLoadBalancerNodePorts
		for _, p := range service.Spec.Ports {
			if wanted || p.NodePort != 0 {
				ports++
			}
		}
	}
	return corev1.ResourceList{
		"count/services": one(), corev1.ResourceServices: one(),
		corev1.ResourceServicesNodePorts:     *resource.NewQuantity(int64(ports), resource.DecimalSI),
		corev1.ResourceServicesLoadBalancers: *resource.NewQuantity(int64(balancers), resource.DecimalSI),
	}
}
