package check

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The resources that exist without a prefix.
const (
	containerResource = 1 << iota
	quotaResource
	integerResource
	standardResource
)

func classOf(name corev1.ResourceName) int {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return containerResource | quotaResource | standardResource
	case corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceRequestsEphemeralStorage, corev1.ResourceRequestsStorage,
		corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceLimitsEphemeralStorage:
		return quotaResource | standardResource
	case corev1.ResourcePods, corev1.ResourceQuotas, corev1.ResourceServices, corev1.ResourceReplicationControllers, corev1.ResourceSecrets,
		corev1.ResourceConfigMaps, corev1.ResourcePersistentVolumeClaims, corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers:
		return quotaResource | integerResource | standardResource
	case corev1.ResourceStorage:
		return standardResource
	}
	if IsHugePages(name) {
		return containerResource | quotaResource | standardResource
	}
	if strings.HasPrefix(string(name), corev1.ResourceRequestsHugePagesPrefix) {
		return quotaResource | standardResource
	}
	return 0
}

// IsHugePages reports whether a resource is memory in huge pages.
func IsHugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// IsNative reports whether a resource is one of Kubernetes' own.
func IsNative(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// IsExtended reports whether a resource is one that nodes may advertise.
func IsExtended(name corev1.ResourceName) bool {
	return !IsNative(name) && !strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) &&
		len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

// MayOvercommit reports whether more of a resource may be allowed than asked for.
func MayOvercommit(name corev1.ResourceName) bool { return IsNative(name) && !IsHugePages(name) }

// IsStandardQuota reports whether quotas know a resource by itself.
func IsStandardQuota(name corev1.ResourceName) bool { return classOf(name)&quotaResource != 0 }

// ResourceName requires the name of a resource.
func (e *Errors) ResourceName(p *field.Path, name corev1.ResourceName) {
	if msgs := validation.IsQualifiedName(string(name)); len(msgs) > 0 {
		e.Messages(p, name, msgs)
	} else if !strings.Contains(string(name), "/") && classOf(name)&standardResource == 0 {
		e.Invalid(p, name, "must be a standard resource type or fully qualified")
	}
}

// ContainerResourceName requires the name of a resource that containers have.
func (e *Errors) ContainerResourceName(p *field.Path, name corev1.ResourceName) {
	e.ResourceName(p, name)
	if !strings.Contains(string(name), "/") {
		if classOf(name)&containerResource == 0 {
			e.Invalid(p, name, "must be a standard resource for containers")
		}
	} else if !IsNative(name) && !IsExtended(name) {
		e.Invalid(p, name, "doesn't follow extended resource name standard")
	}
}

// QuotaResourceName requires the name of a resource that a quota can limit.
func (e *Errors) QuotaResourceName(p *field.Path, name corev1.ResourceName) {
	e.ResourceName(p, name)
	if !strings.Contains(string(name), "/") && !IsStandardQuota(name) {
		e.Invalid(p, name, "must be a standard resource for quota")
	}
}

// NonnegativeQuantity refuses quantities below zero.
func (e *Errors) NonnegativeQuantity(p *field.Path, q resource.Quantity) {
	if q.Sign() < 0 {
		e.Invalid(p, q.String(), apivalidation.IsNegativeErrorMsg)
	}
}

// PositiveQuantity requires a quantity above zero.
func (e *Errors) PositiveQuantity(p *field.Path, q resource.Quantity) {
	if q.Sign() <= 0 {
		e.Invalid(p, q.String(), NotPositive)
	}
}

// Quantity requires an amount that makes sense for a resource.
func (e *Errors) Quantity(p *field.Path, name corev1.ResourceName, q resource.Quantity) {
	e.NonnegativeQuantity(p, q)
	if (classOf(name)&integerResource != 0 || IsExtended(name)) && q.MilliValue()%1000 != 0 {
		e.Invalid(p, q, "must be an integer")
	}
}

// Names returns the resources of a list in order.
func Names(list corev1.ResourceList) []corev1.ResourceName {
	names := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Requirements requires limits and requests that fit together; name judges the
// resources' names. claims are the names that r.Claims may refer to.
func (e *Errors) Requirements(
	p *field.Path, r *corev1.ResourceRequirements, claims []string, name func(*Errors, *field.Path, corev1.ResourceName),
) {
	if len(r.Limits)+len(r.Requests)+len(r.Claims) == 0 {
		return
	}
	limits, requests := p.Child("limits"), p.Child("requests")
	compute, huge := false, false
	look := func(at *field.Path, n corev1.ResourceName, q resource.Quantity) {
		compute = compute || n == corev1.ResourceCPU || n == corev1.ResourceMemory
		if IsHugePages(n) {
			huge = true
			if !divisible(n, q) {
				e.Invalid(at, q.String(), fmt.Sprintf("%s is not positive integer multiple of %s", q.String(), n))
			}
		}
	}
	for _, n := range Names(r.Limits) {
		q, at := r.Limits[n], limits.Key(string(n))
		name(e, at, n)
		e.Quantity(at, n, q)
		look(at, n, q)
	}
	for _, n := range Names(r.Requests) {
		q, at := r.Requests[n], requests.Key(string(n))
		name(e, at, n)
		e.Quantity(at, n, q)
		limit, limited := r.Limits[n]
		switch {
		case !limited && !MayOvercommit(n):
			e.Required(limits, "Limit must be set for non overcommitable resources")
		case limited && !MayOvercommit(n) && q.Cmp(limit) != 0:
			e.Invalid(requests, q.String(), fmt.Sprintf("must be equal to %s limit of %s", n, limit.String()))
		case limited && q.Cmp(limit) > 0:
			e.Invalid(requests, q.String(), fmt.Sprintf("must be less than or equal to %s limit of %s", n, limit.String()))
		}
		look(at, n, q)
	}
	if huge && !compute {
		e.Forbidden(p, "HugePages require cpu or memory")
	}
	e.resourceClaims(p.Child("claims"), r.Claims, claims)
}

func divisible(name corev1.ResourceName, q resource.Quantity) bool {
	size, err := resource.ParseQuantity(strings.TrimPrefix(string(name), corev1.ResourceHugePagesPrefix))
	return err == nil && size.Sign() > 0 && size.MilliValue()%1000 == 0 && q.Value()%size.Value() == 0
}

func (e *Errors) resourceClaims(p *field.Path, refs []corev1.ResourceClaim, claims []string) {
	whole, parts, seen := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for i, r := range refs {
		at := p.Index(i)
		if r.Name == "" {
			e.Required(at, "")
			continue
		}
		key := r.Name
		if whole[r.Name] {
			e.Duplicate(at, r.Name)
		} else {
			if r.Request != "" {
				e.DNSLabel(at.Child("request"), r.Request)
				key += "/" + r.Request
			}
			if seen[key] {
				e.Duplicate(at, key)
			} else if r.Request == "" && parts[r.Name] {
				e.Duplicate(at, r.Name)
			}
			seen[key] = true
			if r.Request == "" {
				whole[r.Name] = true
			} else {
				parts[r.Name] = true
			}
		}
		if !slices.Contains(claims, r.Name) {
			err := field.NotFound(at, r.Name)
			err.Detail = "must be one of the names in pod.spec.resourceClaims which is empty"
			if len(claims) > 0 {
				known := slices.Clone(claims)
				slices.Sort(known)
				err.Detail = "must be one of the names in pod.spec.resourceClaims: " + strings.Join(slices.Compact(known), ", ")
			}
			e.Add(err)
		}
	}
}
