package podspec

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// ValidateStatusUpdate returns what is wrong with a change of a pod's status.
func ValidateStatusUpdate(pod, old *corev1.Pod) field.ErrorList {
	c := &checker{spec: &pod.Spec, pod: &pod.ObjectMeta}
	c.annotationsUpdate(pod, old)
	p, s, was := field.NewPath("status"), &pod.Status, &old.Status
	for i, cond := range s.Conditions {
		if cond.ObservedGeneration < 0 {
			c.Invalid(p.Child("conditions").Index(i).Child("observedGeneration"), cond.ObservedGeneration, "must be a non-negative integer")
		}
		if cond.Type != corev1.PodScheduled && cond.Type != corev1.PodReady && cond.Type != corev1.PodInitialized {
			c.QualifiedName(p.Child("conditions").Index(i).Child("Type"), string(cond.Type))
		}
	}
	if name := s.NominatedNodeName; name != "" && name != was.NominatedNodeName {
		at := p.Child("nominatedNodeName")
		c.Messages(at, name, apivalidation.NameIsDNSSubdomain(name, false))
		if old.Spec.NodeName != "" {
			c.Forbidden(at, "may not be set on pods that are already bound to a node")
		}
	}
	if s.ObservedGeneration < 0 {
		c.Invalid(p.Child("observedGeneration"), s.ObservedGeneration, "must be a non-negative integer")
	}
	c.Same(p.Child("qosClass"), s.QOSClass, was.QOSClass)
	if !mayAllRestart(&old.Spec) {
		c.restarted(p.Child("containerStatuses"), s.ContainerStatuses, was.ContainerStatuses, old.Spec.Containers)
		c.restarted(p.Child("initContainerStatuses"), s.InitContainerStatuses, was.InitContainerStatuses, old.Spec.InitContainers)
	}
	c.restarted(p.Child("ephemeralContainerStatuses"), s.EphemeralContainerStatuses, was.EphemeralContainerStatuses, nil)
	c.claimStatuses(p.Child("resourceClaimStatuses"), s.ResourceClaimStatuses)
	c.extendedClaim(p.Child("extendedResourceClaimStatus"), s.ExtendedResourceClaimStatus)
	c.podIPs(p, s, was)
	c.users(p.Child("containerStatuses"), s.ContainerStatuses)
	c.users(p.Child("initContainerStatuses"), s.InitContainerStatuses)
	c.users(p.Child("ephemeralContainerStatuses"), s.EphemeralContainerStatuses)
	c.allocated(p.Child("containerStatuses"), s.ContainerStatuses, c.spec.Containers)
	c.allocated(p.Child("initContainerStatuses"), s.InitContainerStatuses, c.spec.InitContainers)
	for i, status := range s.EphemeralContainerStatuses {
		if len(status.AllocatedResourcesStatus) > 0 {
			c.Forbidden(p.Child("ephemeralContainerStatuses").Index(i).Child("allocatedResourcesStatus"), "must not be specified in container status")
		}
	}
	return c.List
}

// mayAllRestart reports whether a rule of the pod restarts all its containers.
func mayAllRestart(spec *corev1.PodSpec) bool {
	for _, list := range [][]corev1.Container{spec.Containers, spec.InitContainers} {
		for i := range list {
			for _, r := range list[i].RestartPolicyRules {
				if r.Action == corev1.ContainerRestartRuleActionRestartAllContainers {
					return true
				}
			}
		}
	}
	return false
}

// restarted refuses that a container which has ended for good runs again.
func (c *checker) restarted(p *field.Path, list, old []corev1.ContainerStatus, of []corev1.Container) {
	for i := range old {
		ended := old[i].State.Terminated
		if ended == nil {
			continue
		}
		if !slices.ContainsFunc(list, func(s corev1.ContainerStatus) bool { return s.Name == old[i].Name && s.State.Terminated == nil }) {
			continue
		}
		k := slices.IndexFunc(of, func(ctr corev1.Container) bool { return ctr.Name == old[i].Name })
		if k < 0 || !shouldRestart(&of[k], c.spec.RestartPolicy, ended.ExitCode) {
			c.Forbidden(p.Index(i).Child("state"), "may not be transitioned to non-terminated state")
		}
	}
}

func shouldRestart(ctr *corev1.Container, pod corev1.RestartPolicy, code int32) bool {
	for _, r := range ctr.RestartPolicyRules {
		if r.ExitCodes == nil {
			continue
		}
		in := slices.Contains(r.ExitCodes.Values, code)
		if in == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return true
		}
	}
	if ctr.RestartPolicy != nil {
		pod = corev1.RestartPolicy(*ctr.RestartPolicy)
	}
	return pod == corev1.RestartPolicyAlways || pod == corev1.RestartPolicyOnFailure && code != 0
}

func (c *checker) claimStatuses(p *field.Path, list []corev1.PodResourceClaimStatus) {
	seen := map[string]bool{}
	for i, s := range list {
		at := p.Index(i)
		if !slices.ContainsFunc(c.spec.ResourceClaims, func(r corev1.PodResourceClaim) bool { return r.Name == s.Name }) {
			c.Invalid(at.Child("name"), s.Name, "must match the name of an entry in `spec.resourceClaims`")
		}
		if seen[s.Name] {
			c.Duplicate(at.Child("name"), s.Name)
		}
		seen[s.Name] = true
		if n := s.ResourceClaimName; n != nil {
			c.Messages(at.Child("resourceClaimName"), n, apivalidation.NameIsDNSSubdomain(*n, false))
		}
	}
}

// extendedClaim checks which claim stands for resources that containers ask
// for by their names.
func (c *checker) extendedClaim(p *field.Path, s *corev1.PodExtendedResourceClaimStatus) {
	if s == nil {
		return
	}
	mappings := p.Child("requestMappings")
	if len(s.RequestMappings) == 0 {
		c.Required(mappings, "at least one request mapping is required")
	}
	all := append(slices.Clone(c.spec.InitContainers), c.spec.Containers...)
	slices.Reverse(all)
	for i, m := range s.RequestMappings {
		at := mappings.Index(i)
		if j := slices.IndexFunc(all, func(ctr corev1.Container) bool { return ctr.Name == m.ContainerName }); j < 0 {
			c.Invalid(at.Child("containerName"), m.ContainerName, "must match the name of an entry in spec.initContainers.name or spec.containers.name")
		} else if _, ok := all[j].Resources.Requests[corev1.ResourceName(m.ResourceName)]; !ok {
			c.Invalid(at.Child("resourceName"), m.ResourceName, "must match the extended resource name of an entry in spec.initContainers.resources.requests or spec.containers.resources.requests")
		}
		c.DNSLabel(p.Child("requestName"), m.RequestName)
		if slices.Contains(s.RequestMappings[:i], m) {
			c.Duplicate(at.Child("containerName"), m.ContainerName)
			c.Duplicate(at.Child("resourceName"), m.ResourceName)
			c.Duplicate(at.Child("requestName"), m.RequestName)
		}
	}
	if name := s.ResourceClaimName; name == "" {
		c.Required(p.Child("resourceClaimName"), "")
	} else {
		c.Messages(p.Child("resourceClaimName"), name, apivalidation.NameIsDNSSubdomain(name, false))
	}
}

func (c *checker) podIPs(p *field.Path, s, was *corev1.PodStatus) {
	ips, old := make([]string, len(s.PodIPs)), make([]string, len(was.PodIPs))
	for i := range s.PodIPs {
		ips[i] = s.PodIPs[i].IP
	}
	for i := range was.PodIPs {
		old[i] = was.PodIPs[i].IP
	}
	c.addresses(p.Child("podIPs"), ips, old, s.PodIPs)
	if (s.PodIP == "") != (len(ips) == 0) {
		c.Invalid(p.Child("podIPs"), s.PodIPs, "podIP and podIPs must either both be set or both be unset")
	} else if len(ips) > 0 && s.PodIP != ips[0] {
		c.Invalid(p.Child("podIPs").Index(0).Child("ip"), ips[0], "must be equal to `podIP`")
	}
	if len(s.HostIPs) == 0 {
		return
	}
	if s.HostIP != s.HostIPs[0].IP {
		c.Invalid(p.Child("hostIPs").Index(0).Child("ip"), s.HostIPs[0].IP, "must be equal to `hostIP`")
	}
	ips, old = make([]string, len(s.HostIPs)), make([]string, len(was.HostIPs))
	for i := range s.HostIPs {
		ips[i] = s.HostIPs[i].IP
	}
	for i := range was.HostIPs {
		old[i] = was.HostIPs[i].IP
	}
	c.addresses(p.Child("hostIPs"), ips, old, s.HostIPs)
}

// addresses requires at most one address of each family.
func (c *checker) addresses(p *field.Path, ips, old []string, value any) {
	for i, ip := range ips {
		c.IP(p.Index(i), ip, old...)
	}
	if len(ips) < 2 {
		return
	}
	dual, err := netutils.IsDualStackIPStrings(ips)
	if err != nil {
		c.Add(field.InternalError(p, fmt.Errorf("failed to check for dual stack with error:%v", err)))
	}
	if !dual || len(ips) > 2 {
		c.Invalid(p, value, "may specify no more than one IP for each IP family")
	}
}

func (c *checker) users(p *field.Path, list []corev1.ContainerStatus) {
	windows := c.spec.OS != nil && c.spec.OS.Name == corev1.Windows
	for i := range list {
		if list[i].User == nil || list[i].User.Linux == nil {
			continue
		}
		u, at := list[i].User.Linux, p.Index(i).Child("user", "linux")
		if windows {
			c.Forbidden(at, "cannot be set for a windows pod")
			continue
		}
		if u.UID < 0 || u.UID > math.MaxUint32 {
			c.Invalid(at.Child("uid"), u.UID, fmt.Sprintf("must be between 0 and %d, inclusive", int64(math.MaxUint32)))
		}
		c.Messages(at.Child("gid"), u.GID, validation.IsValidGroupID(u.GID))
		for j, gid := range u.SupplementalGroups {
			c.Messages(at.Child("supplementalGroups").Index(j), gid, validation.IsValidGroupID(gid))
		}
	}
}

// allocated checks the health of devices that containers were given.
func (c *checker) allocated(p *field.Path, list []corev1.ContainerStatus, of []corev1.Container) {
	for i := range list {
		k := slices.IndexFunc(of, func(ctr corev1.Container) bool { return ctr.Name == list[i].Name })
		for j, r := range list[i].AllocatedResourcesStatus {
			at := p.Index(i).Child("allocatedResourcesStatus").Index(j)
			if k >= 0 {
				c.allocatedName(at.Child("name"), r.Name, &of[k].Resources)
			}
			seen := map[corev1.ResourceID]bool{}
			for l, h := range r.Resources {
				at := at.Child("resources").Index(l)
				check.OneOf(&c.Errors, at.Child("health"), h.Health, corev1.ResourceHealthStatusHealthy, corev1.ResourceHealthStatusUnhealthy, corev1.ResourceHealthStatusUnknown)
				if seen[h.ResourceID] {
					c.Duplicate(at.Child("resourceID"), h.ResourceID)
				}
				seen[h.ResourceID] = true
			}
		}
	}
}

func (c *checker) allocatedName(p *field.Path, name corev1.ResourceName, r *corev1.ResourceRequirements) {
	if _, ok := r.Requests[name]; ok {
		return
	}
	const prefix = "claim:"
	if len(name) < len(prefix) || name[:len(prefix)] != prefix {
		c.Invalid(p, name, "must match one of the container's resource requests")
		return
	}
	for _, claim := range r.Claims {
		want := prefix + claim.Name
		if claim.Request != "" {
			want += "/" + claim.Request
		}
		if string(name) == want {
			return
		}
	}
	c.Invalid(p, name, "must match one of the container's resource claims as 'claim:<claimName>/<requestName>' when container.resources.claims[*].request is set or 'claim:<claimName>' when it is empty")
}
