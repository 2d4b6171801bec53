package podspec

import (
	"fmt"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// checker walks one pod specification.
type checker struct {
	check.Errors
	spec *corev1.PodSpec
	// pod is the metadata of a pod, nil for a template.
	pod *metav1.ObjectMeta
	// volumes are the valid volumes by name, claims the names of resource claims.
	volumes map[string]*corev1.VolumeSource
	claims  []string
}

// ValidateTemplate returns what is wrong with a pod template at p.
func ValidateTemplate(t *corev1.PodTemplateSpec, p *field.Path) field.ErrorList {
	c := &checker{spec: &t.Spec}
	c.Labels(p.Child("labels"), t.Labels)
	c.Annotations(p.Child("annotations"), t.Annotations)
	c.annotations(p.Child("annotations"), t.Annotations)
	at := p.Child("spec")
	c.podSpec(at)
	c.profilesMatch(at, t.Annotations)
	if len(t.Spec.EphemeralContainers) > 0 {
		c.Forbidden(at.Child("ephemeralContainers"), "ephemeral containers not allowed in pod template")
	}
	return c.List
}

// Validate returns what is wrong with a pod, whether new or changed, beyond
// its metadata.
func Validate(pod *corev1.Pod) field.ErrorList {
	p := field.NewPath("spec")
	c := &checker{spec: &pod.Spec, pod: &pod.ObjectMeta}
	c.annotations(field.NewPath("metadata", "annotations"), pod.Annotations)
	c.podSpec(p)
	if pod.Spec.ServiceAccountName == "" {
		for i, v := range pod.Spec.Volumes {
			if v.Projected == nil {
				continue
			}
			for j, s := range v.Projected.Sources {
				if s.ServiceAccountToken != nil {
					c.Forbidden(p.Child("volumes").Index(i).Child("projected", "sources").Index(j).Child("serviceAccountToken"), "must not be specified when serviceAccountName is not set")
				}
			}
		}
	}
	if s := pod.Spec.TerminationGracePeriodSeconds; s != nil {
		c.Nonnegative(p.Child("terminationGracePeriodSeconds"), *s)
	}
	for i := range pod.Spec.Containers {
		c.noPadding(p.Child("containers").Index(i).Child("image"), pod.Spec.Containers[i].Image)
	}
	for i := range pod.Spec.InitContainers {
		c.noPadding(p.Child("initContainers").Index(i).Child("image"), pod.Spec.InitContainers[i].Image)
	}
	return c.List
}

// ValidateNew returns what is wrong with a pod that is created.
func ValidateNew(pod *corev1.Pod) field.ErrorList {
	p := field.NewPath("spec")
	c := &checker{spec: &pod.Spec}
	c.List = Validate(pod)
	if len(pod.Spec.EphemeralContainers) > 0 {
		c.Forbidden(p.Child("ephemeralContainers"), "cannot be set on create")
	}
	if pod.Spec.NodeName != "" && len(pod.Spec.SchedulingGates) > 0 {
		c.Forbidden(p.Child("nodeName"), "cannot be set until all schedulingGates have been cleared")
	}
	c.profilesMatch(p, pod.Annotations)
	return c.List
}

func (c *checker) podSpec(p *field.Path) {
	s := c.spec
	if s.TerminationGracePeriodSeconds == nil {
		c.Required(p.Child("terminationGracePeriodSeconds"), "")
	}
	c.checkVolumes(p.Child("volumes"))
	c.resourceClaims(p.Child("resourceClaims"))
	c.containers(p.Child("containers"))
	c.initContainers(p.Child("initContainers"))
	c.ephemeralContainers(p.Child("ephemeralContainers"))
	c.podResources(p)
	c.hostPorts(p.Child("containers"))
	check.RequiredOneOf(&c.Errors, p.Child("restartPolicy"), s.RestartPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	check.RequiredOneOf(&c.Errors, p.Child("dnsPolicy"), s.DNSPolicy, corev1.DNSClusterFirstWithHostNet, corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone)
	c.Labels(p.Child("nodeSelector"), s.NodeSelector)
	c.podSecurity(p.Child("securityContext"))
	if share := s.ShareProcessNamespace; share != nil && *share && s.HostPID {
		c.Invalid(p.Child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled")
	}
	c.affinity(p.Child("affinity"))
	c.dnsConfig(p.Child("dnsConfig"))
	for i, gate := range s.ReadinessGates {
		c.QualifiedName(p.Child("readinessGates").Index(i).Child("conditionType"), string(gate.ConditionType))
	}
	c.schedulingGates(p.Child("schedulingGates"))
	c.topologySpread(p.Child("topologySpreadConstraints"))
	c.hostProcess(p)
	c.hostUsers(p)
	c.names(p)
	if d := s.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > math.MaxInt32) {
		c.Invalid(p.Child("activeDeadlineSeconds"), *d, validation.InclusiveRangeError(1, math.MaxInt32))
	}
	Tolerations(&c.Errors, p.Child("tolerations"), s.Tolerations)
	for i, a := range s.HostAliases {
		c.IP(p.Child("hostAliases").Index(i).Child("ip"), a.IP)
		for j, name := range a.Hostnames {
			c.DNSSubdomain(p.Child("hostAliases").Index(i).Child("hostnames").Index(j), name)
		}
	}
	if policy := s.PreemptionPolicy; policy != nil {
		check.RequiredOneOf(&c.Errors, p.Child("preemptionPolicy"), *policy, corev1.PreemptLowerPriority, corev1.PreemptNever)
	}
	c.Requirements(p.Child("overhead"), &corev1.ResourceRequirements{Limits: s.Overhead}, nil, (*check.Errors).ContainerResourceName)
	c.podOS(p)
	if g := s.SchedulingGroup; g != nil {
		at := p.Child("schedulingGroup", "podGroupName")
		if g.PodGroupName == nil {
			c.Invalid(at, g.PodGroupName, "must specify one of: `podGroupName`")
		} else {
			c.Messages(at, *g.PodGroupName, apivalidation.NameIsDNSSubdomain(*g.PodGroupName, false))
		}
	}
	c.fileKeyVolumes(p)
}

// names checks the names of other objects and hosts.
func (c *checker) names(p *field.Path) {
	s := c.spec
	if name := s.HostnameOverride; name != nil {
		at := p.Child("hostnameOverride")
		if s.SetHostnameAsFQDN != nil && *s.SetHostnameAsFQDN {
			c.Forbidden(at, "may not be specified when setHostnameAsFQDN is true")
		}
		if s.HostNetwork {
			c.Forbidden(at, "may not be specified when hostNetwork is true")
		}
		if len(*name) > 64 {
			c.TooLong(at, 64)
		}
		c.DNSSubdomain(at, *name)
	}
	if s.ServiceAccountName != "" {
		c.Messages(p.Child("serviceAccountName"), s.ServiceAccountName, apivalidation.ValidateServiceAccountName(s.ServiceAccountName, false))
	}
	if s.NodeName != "" {
		c.Messages(p.Child("nodeName"), s.NodeName, apivalidation.NameIsDNSSubdomain(s.NodeName, false))
	}
	if s.Hostname != "" {
		c.DNSLabel(p.Child("hostname"), s.Hostname)
	}
	if s.Subdomain != "" {
		c.DNSLabel(p.Child("subdomain"), s.Subdomain)
	}
	if s.PriorityClassName != "" {
		c.Messages(p.Child("priorityClassName"), s.PriorityClassName, apivalidation.NameIsDNSSubdomain(s.PriorityClassName, false))
	}
	if s.RuntimeClassName != nil {
		c.Messages(p.Child("runtimeClassName"), *s.RuntimeClassName, apivalidation.NameIsDNSSubdomain(*s.RuntimeClassName, false))
	}
}

func (c *checker) resourceClaims(p *field.Path) {
	for _, claim := range c.spec.ResourceClaims {
		if claim.Name != "" {
			c.claims = append(c.claims, claim.Name)
		}
	}
	if c.pod != nil && len(c.spec.ResourceClaims) > 0 {
		if _, mirror := c.pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror {
			c.Forbidden(field.NewPath(""), "static pods do not support resource claims")
			return
		}
	}
	seen := map[string]bool{}
	for i, claim := range c.spec.ResourceClaims {
		at := p.Index(i)
		switch {
		case claim.Name == "":
			c.Required(at.Child("name"), "")
		case seen[claim.Name]:
			c.Duplicate(at.Child("name"), claim.Name)
		default:
			c.DNSLabel(at.Child("name"), claim.Name)
			seen[claim.Name] = true
		}
		byName, byTemplate := claim.ResourceClaimName, claim.ResourceClaimTemplateName
		if byName != nil && byTemplate != nil {
			c.Invalid(at, claim, "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified")
		}
		if byName == nil && byTemplate == nil {
			c.Invalid(at, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")
		}
		if byName != nil {
			c.Messages(at.Child("resourceClaimName"), *byName, apivalidation.NameIsDNSSubdomain(*byName, false))
		}
		if byTemplate != nil {
			c.Messages(at.Child("resourceClaimTemplateName"), *byTemplate, apivalidation.NameIsDNSSubdomain(*byTemplate, false))
		}
	}
}

// hostPorts requires the ports of a pod in the host's network to be the host's.
func (c *checker) hostPorts(p *field.Path) {
	if !c.spec.HostNetwork {
		return
	}
	for i := range c.spec.Containers {
		for j, port := range c.spec.Containers[i].Ports {
			if (c.pod != nil || port.HostPort != 0) && port.HostPort != port.ContainerPort {
				c.Invalid(p.Index(i).Child("ports").Index(j).Child("hostPort"), port.HostPort, "must match `containerPort` when `hostNetwork` is true")
			}
		}
	}
}

func (c *checker) dnsConfig(p *field.Path) {
	config := c.spec.DNSConfig
	if c.spec.DNSPolicy == corev1.DNSNone {
		if config == nil {
			c.Required(p, "must provide `dnsConfig` when `dnsPolicy` is None")
			return
		}
		if len(config.Nameservers) == 0 {
			c.Required(p.Child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None")
			return
		}
	}
	if config == nil {
		return
	}
	const servers, searches, characters = 3, 32, 2048
	if len(config.Nameservers) > servers {
		c.Invalid(p.Child("nameservers"), config.Nameservers, fmt.Sprintf("must not have more than %d nameservers", servers))
	}
	for i, ns := range config.Nameservers {
		c.IP(p.Child("nameservers").Index(i), ns)
	}
	if len(config.Searches) > searches {
		c.Invalid(p.Child("searches"), config.Searches, fmt.Sprintf("must not have more than %d search paths", searches))
	}
	total := max(0, len(config.Searches)-1)
	for i, domain := range config.Searches {
		total += len(domain)
		if domain == "." {
			continue
		}
		if domain != "" && domain[len(domain)-1] == '.' {
			domain = domain[:len(domain)-1]
		}
		c.Messages(p.Child("searches").Index(i), domain, validation.IsDNS1123SubdomainWithUnderscore(domain))
	}
	if total > characters {
		c.Invalid(p.Child("searches"), config.Searches, fmt.Sprintf("must not have more than %d characters (including spaces) in the search list", characters))
	}
	for i, option := range config.Options {
		if option.Name == "" {
			c.Required(p.Child("options").Index(i), "must not be empty")
		}
	}
}

func (c *checker) schedulingGates(p *field.Path) {
	var seen []string
	for i, gate := range c.spec.SchedulingGates {
		c.QualifiedName(p.Index(i), gate.Name)
		if slices.Contains(seen, gate.Name) {
			c.Duplicate(p.Index(i), gate.Name)
		}
		seen = append(seen, gate.Name)
	}
}

// RunsForEver requires a template of a kind whose pods are always restarted.
func RunsForEver(e *check.Errors, p *field.Path, t *corev1.PodTemplateSpec, kind string) {
	check.OneOf(e, p.Child("spec", "restartPolicy"), t.Spec.RestartPolicy, corev1.RestartPolicyAlways)
	if t.Spec.ActiveDeadlineSeconds != nil {
		e.Forbidden(p.Child("spec", "activeDeadlineSeconds"), "activeDeadlineSeconds in "+kind+" is not Supported")
	}
}
