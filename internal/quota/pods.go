package quota

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keelson-project/keelson/internal/qos"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	resourcehelper "k8s.io/component-helpers/resource"
)

const (
	requestsPrefix = corev1.DefaultResourceRequestsPrefix
	hugePages      = corev1.ResourceHugePagesPrefix
)

// podEvaluator measures pods.
type podEvaluator struct{}

// Measures implements Evaluator.
func (podEvaluator) Measures(name corev1.ResourceName) bool {
	switch name {
	case "count/pods", corev1.ResourcePods,
		corev1.ResourceCPU, corev1.ResourceRequestsCPU, corev1.ResourceLimitsCPU,
		corev1.ResourceMemory, corev1.ResourceRequestsMemory, corev1.ResourceLimitsMemory,
		corev1.ResourceEphemeralStorage, corev1.ResourceRequestsEphemeralStorage, corev1.ResourceLimitsEphemeralStorage:
		return true
	}
	return strings.HasPrefix(string(name), hugePages) || strings.HasPrefix(string(name), requestsPrefix+hugePages) || requestsExtended(name)
}

// requestsExtended reports whether a quota's name is that of an extended
// resource.
func requestsExtended(name corev1.ResourceName) bool {
	text, ok := strings.CutPrefix(string(name), requestsPrefix)
	return ok && (!native(string(name)) || strings.HasPrefix(text, resourcev1.ResourceDeviceClassPrefix))
}

// native reports whether a resource name is one of Kubernetes' own.
func native(name string) bool {
	return !strings.Contains(name, "/") || strings.Contains(name, corev1.ResourceDefaultNamespacePrefix)
}

// extended reports whether a container's resource is one that quotas call by
// "requests." and its name.
func extended(name corev1.ResourceName) bool {
	text := string(name)
	if strings.HasPrefix(text, resourcev1.ResourceDeviceClassPrefix) {
		return true
	}
	return !native(text) && !strings.HasPrefix(text, requestsPrefix) && len(validation.IsQualifiedName(requestsPrefix+text)) == 0
}

// InScope implements Evaluator.
func (podEvaluator) InScope(obj runtime.Object, s corev1.ScopedResourceSelectorRequirement) (bool, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return false, nil
	}
	switch s.ScopeName {
	case corev1.ResourceQuotaScopeTerminating:
		return terminating(pod), nil
	case corev1.ResourceQuotaScopeNotTerminating:
		return !terminating(pod), nil
	case corev1.ResourceQuotaScopeBestEffort:
		return bestEffort(pod), nil
	case corev1.ResourceQuotaScopeNotBestEffort:
		return !bestEffort(pod), nil
	case corev1.ResourceQuotaScopePriorityClass:
		return selects(s, pod.Spec.PriorityClassName)
	case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
		return looksAbroad(pod.Spec.Affinity), nil
	}
	return false, nil
}

// terminating reports whether a pod ends by itself.
func terminating(pod *corev1.Pod) bool {
	s := pod.Spec.ActiveDeadlineSeconds
	return s != nil && *s >= 0
}

func bestEffort(pod *corev1.Pod) bool {
	class := pod.Status.QOSClass
	if class == "" {
		class = qos.Of(&pod.Spec)
	}
	return class == corev1.PodQOSBestEffort
}

// looksAbroad reports whether affinity is to pods of other namespaces.
func looksAbroad(a *corev1.Affinity) bool {
	if a == nil {
		return false
	}
	abroad := func(t corev1.PodAffinityTerm) bool { return len(t.Namespaces) > 0 || t.NamespaceSelector != nil }
	weighted := func(t corev1.WeightedPodAffinityTerm) bool { return abroad(t.PodAffinityTerm) }
	if p := a.PodAffinity; p != nil && (slices.ContainsFunc(p.RequiredDuringSchedulingIgnoredDuringExecution, abroad) ||
		slices.ContainsFunc(p.PreferredDuringSchedulingIgnoredDuringExecution, weighted)) {
		return true
	}
	p := a.PodAntiAffinity
	return p != nil && (slices.ContainsFunc(p.RequiredDuringSchedulingIgnoredDuringExecution, abroad) ||
		slices.ContainsFunc(p.PreferredDuringSchedulingIgnoredDuringExecution, weighted))
}

// Demand implements Evaluator. Where cpu or memory are limited, each container
// must name them.
func (podEvaluator) Demand(obj runtime.Object, names []corev1.ResourceName) error {
	pod, ok := obj.(*corev1.Pod)
	if !ok || resourcehelper.IsPodLevelResourcesSet(pod) {
		return nil
	}
	var missing []string
	for _, name := range names {
		switch name {
		case corev1.ResourceCPU, corev1.ResourceRequestsCPU, corev1.ResourceLimitsCPU,
			corev1.ResourceMemory, corev1.ResourceRequestsMemory, corev1.ResourceLimitsMemory:
		default:
			continue
		}
		var in []string
		for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
			for i := range containers {
				c := &containers[i]
				if _, named := compute(c.Resources.Requests, c.Resources.Limits)[name]; !named && !slices.Contains(in, c.Name) {
					in = append(in, c.Name)
				}
			}
		}
		if len(in) > 0 {
			slices.Sort(in)
			missing = append(missing, fmt.Sprintf("%s for: %s", name, strings.Join(in, ",")))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("must specify %s", strings.Join(missing, "; "))
}

// Changes implements Evaluator. Besides its resources, a deadline puts a pod
// into another scope.
func (podEvaluator) Changes(subresource string, obj, old runtime.Object) bool {
	if subresource == "resize" {
		return true
	}
	pod, ok := obj.(*corev1.Pod)
	was, wasOne := old.(*corev1.Pod)
	return subresource == "" && ok && wasOne && terminating(pod) != terminating(was)
}

// Usage implements Evaluator. A pod that has ended is still an object, but
// uses nothing more.
func (podEvaluator) Usage(obj runtime.Object) corev1.ResourceList {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil
	}
	list := corev1.ResourceList{"count/pods": one()}
	if ended(pod) {
		return list
	}
	o := resourcehelper.PodResourcesOptions{UseStatusResources: true}
	return Add(list, compute(resourcehelper.PodRequests(pod, o), resourcehelper.PodLimits(pod, o)))
}

// ended reports whether a pod runs no more, as far as can be known: one that
// should have stopped long ago may be on a lost node.
func ended(pod *corev1.Pod) bool {
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		return true
	}
	if pod.DeletionTimestamp == nil || pod.DeletionGracePeriodSeconds == nil {
		return false
	}
	return time.Now().After(pod.DeletionTimestamp.Add(time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second))
}

// compute is what quotas call requests and limits.
func compute(requests, limits corev1.ResourceList) corev1.ResourceList {
	list := corev1.ResourceList{corev1.ResourcePods: one()}
	for name, q := range requests {
		switch {
		case name == corev1.ResourceCPU || name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage || strings.HasPrefix(string(name), hugePages):
			list[name], list[requestsPrefix+name] = q, q
		case extended(name):
			list[requestsPrefix+name] = q
		}
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if q, ok := limits[name]; ok {
			list["limits."+name] = q
		}
	}
	return list
}
