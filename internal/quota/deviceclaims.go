package quota

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// devicesOf follows the name of a device class.
	devicesOf = corev1.ResourceClaimsPerClass
	// implicit is how the name of a device class follows it in a request.
	implicit    = corev1.ResourceImplicitExtendedClaimsPerClass
	countClaims = "count/resourceclaims.resource.k8s.io"
)

// deviceClaimEvaluator measures resource claims.
type deviceClaimEvaluator struct{ Lookup }

// Measures implements Evaluator.
func (e deviceClaimEvaluator) Measures(name corev1.ResourceName) bool {
	text := string(name)
	if text == countClaims || strings.HasSuffix(text, devicesOf) {
		return true
	}
	if class, ok := strings.CutPrefix(text, implicit); ok && e.ExtendedResource != nil && e.ExtendedResource(class) != "" {
		return true
	}
	return requestsExtended(name) && e.HasClass != nil && e.HasClass(corev1.ResourceName(strings.TrimPrefix(text, requestsPrefix)))
}

// InScope implements Evaluator.
func (deviceClaimEvaluator) InScope(runtime.Object, corev1.ScopedResourceSelectorRequirement) (bool, error) {
	return false, nil
}

// Demand implements Evaluator.
func (deviceClaimEvaluator) Demand(runtime.Object, []corev1.ResourceName) error { return nil }

// Changes implements Evaluator.
func (deviceClaimEvaluator) Changes(subresource string, _, _ runtime.Object) bool {
	return subresource == ""
}

// Usage implements Evaluator.
func (e deviceClaimEvaluator) Usage(obj runtime.Object) corev1.ResourceList {
	claim, ok := obj.(*resourcev1.ResourceClaim)
	if !ok {
		return nil
	}
	devices := map[string]int64{} // by class
	for _, r := range claim.Spec.Devices.Requests {
		switch {
		case len(r.FirstAvailable) > 0: // one of them: the worst case counts
			most := map[string]int64{}
			for _, sub := range r.FirstAvailable {
				most[sub.DeviceClassName] = max(most[sub.DeviceClassName], devicesIn(sub.AllocationMode, sub.Count))
			}
			for class, n := range most {
				if n > 0 {
					devices[class] += n
				}
			}
		case r.Exactly != nil:
			devices[r.Exactly.DeviceClassName] += devicesIn(r.Exactly.AllocationMode, r.Exactly.Count)
		}
	}
	list := corev1.ResourceList{countClaims: one()}
	for class, n := range devices {
		list[corev1.ResourceName(class+devicesOf)] = *resource.NewQuantity(n, resource.DecimalSI)
	}
	e.addExtended(list, devices, claim)
	return list
}

func devicesIn(mode resourcev1.DeviceAllocationMode, n int64) int64 {
	switch mode {
	case resourcev1.DeviceAllocationModeExactCount:
		return n
	case resourcev1.DeviceAllocationModeAll:
		return resourcev1.AllocationResultsMaxSize
	}
	return 0
}

// addExtended counts devices under the names that pods ask for them by, but
// not those that the pod of the claim is charged for already.
func (e deviceClaimEvaluator) addExtended(list corev1.ResourceList, devices map[string]int64, claim *resourcev1.ResourceClaim) {
	charged := e.chargedToPod(claim)
	for class, n := range devices {
		if class == "" {
			continue
		}
		names := []corev1.ResourceName{corev1.ResourceName(implicit + class)}
		if e.ExtendedResource != nil {
			if name := e.ExtendedResource(class); name != "" {
				names = append(names, corev1.ResourceName(requestsPrefix+name))
			}
		}
		for _, name := range names {
			q := *resource.NewQuantity(n, resource.DecimalSI)
			q.Sub(charged[name])
			if q.Sign() > 0 {
				list[name] = q
			}
		}
	}
}

// chargedToPod is what a pod uses whose extended resources a claim is for.
func (e deviceClaimEvaluator) chargedToPod(claim *resourcev1.ResourceClaim) corev1.ResourceList {
	owner := metav1.GetControllerOfNoCopy(claim)
	if claim.Annotations[resourcev1.ExtendedResourceClaimAnnotation] != "true" || owner == nil || owner.Kind != "Pod" || owner.APIVersion != "v1" || e.Pod == nil {
		return nil
	}
	pod := e.Pod(claim.Namespace, owner.Name)
	if pod == nil || pod.UID != owner.UID {
		return nil
	}
	if s := pod.Status.ExtendedResourceClaimStatus; s != nil {
		if s.ResourceClaimName != claim.Name {
			return nil
		}
		return podEvaluator{}.Usage(pod)
	}
	// The pod does not say yet which claim is its own: the first one is.
	if e.Owned != nil {
		for _, other := range e.Owned(claim.Namespace, pod.UID) {
			if c := other.CreationTimestamp.Compare(claim.CreationTimestamp.Time); c < 0 || c == 0 && other.Name < claim.Name {
				return nil
			}
		}
	}
	return podEvaluator{}.Usage(pod)
}
