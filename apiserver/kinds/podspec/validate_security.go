package podspec

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func (c *checker) podSecurity(p *field.Path) {
	s := c.spec.SecurityContext
	if s == nil {
		return
	}
	c.GroupID(p.Child("fsGroup"), s.FSGroup)
	c.UserID(p.Child("runAsUser"), s.RunAsUser)
	c.GroupID(p.Child("runAsGroup"), s.RunAsGroup)
	for i := range s.SupplementalGroups {
		c.GroupID(p.Child("supplementalGroups").Index(i), &s.SupplementalGroups[i])
	}
	c.sysctls(s.Sysctls, p.Child("sysctls"))
	check.OptionalOneOf(&c.Errors, p.Child("fsGroupChangePolicy"), s.FSGroupChangePolicy, corev1.FSGroupChangeAlways, corev1.FSGroupChangeOnRootMismatch)
	c.seccomp(s.SeccompProfile, p.Child("seccompProfile"))
	c.windows(s.WindowsOptions, p.Child("windowsOptions"))
	c.appArmor(s.AppArmorProfile, p.Child("appArmorProfile"))
	check.OptionalOneOf(&c.Errors, p.Child("supplementalGroupsPolicy"), s.SupplementalGroupsPolicy, corev1.SupplementalGroupsPolicyMerge, corev1.SupplementalGroupsPolicyStrict)
	check.OptionalOneOf(&c.Errors, p.Child("seLinuxChangePolicy"), s.SELinuxChangePolicy, corev1.SELinuxChangePolicyMountOption, corev1.SELinuxChangePolicyRecursive)
}

const sysctlPattern = `^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`

func (c *checker) sysctls(list []corev1.Sysctl, p *field.Path) {
	if len(list) == 0 {
		return
	}
	const most = 253
	valid := regexp.MustCompile(sysctlPattern)
	seen := map[string]bool{}
	for i, s := range list {
		at := p.Index(i).Child("name")
		switch {
		case s.Name == "":
			c.Required(at, "")
		case len(s.Name) > most || !valid.MatchString(s.Name):
			c.Invalid(at, s.Name, fmt.Sprintf("must have at most %d characters and match regex %s", most, sysctlPattern))
		case seen[s.Name]:
			c.Duplicate(at, s.Name)
		}
		seen[s.Name] = true
		name := strings.ReplaceAll(s.Name, "/", ".")
		if c.spec.HostNetwork && strings.HasPrefix(name, "net.") {
			c.Invalid(at, s.Name, "may not be specified when 'hostNetwork' is true")
		} else if c.spec.HostIPC && (name == "kernel.sem" || strings.HasPrefix(name, "kernel.shm") || strings.HasPrefix(name, "kernel.msg") || strings.HasPrefix(name, "fs.mqueue.")) {
			c.Invalid(at, s.Name, "may not be specified when 'hostIPC' is true")
		}
	}
}

func (c *checker) seccomp(s *corev1.SeccompProfile, p *field.Path) {
	if s == nil {
		return
	}
	if s.Type == "" {
		c.Required(p.Child("type"), "type is required when seccompProfile is set")
	} else {
		check.OneOf(&c.Errors, p.Child("type"), s.Type, corev1.SeccompProfileTypeLocalhost, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined)
	}
	at := p.Child("localhostProfile")
	switch local := s.LocalhostProfile; {
	case s.Type != corev1.SeccompProfileTypeLocalhost:
		if local != nil {
			c.Invalid(at, s, "can only be set when seccomp type is Localhost")
		}
	case local == nil:
		c.Required(at, "must be set when seccomp type is Localhost")
	default:
		c.descending(at, *local)
	}
}

func (c *checker) appArmor(a *corev1.AppArmorProfile, p *field.Path) {
	if a == nil {
		return
	}
	const most = 4095
	at := p.Child("localhostProfile")
	switch local := a.LocalhostProfile; a.Type {
	case corev1.AppArmorProfileTypeLocalhost:
		switch {
		case local == nil || *local == "":
			c.Required(at, "must be set when AppArmor type is Localhost")
		case strings.TrimSpace(*local) != *local:
			c.Invalid(at, *local, "must not be padded with whitespace")
		}
		if local != nil && len(*local) > most {
			c.TooLong(at, most)
		}
	case corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined:
		if local != nil {
			c.Invalid(at, local, "can only be set when AppArmor type is Localhost")
		}
	case "":
		c.Required(p.Child("type"), "type is required when appArmorProfile is set")
	default:
		check.OneOf(&c.Errors, p.Child("type"), a.Type, corev1.AppArmorProfileTypeLocalhost, corev1.AppArmorProfileTypeRuntimeDefault, corev1.AppArmorProfileTypeUnconfined)
	}
}

func (c *checker) containerSecurity(s *corev1.SecurityContext, p *field.Path) {
	if s == nil {
		return
	}
	c.UserID(p.Child("runAsUser"), s.RunAsUser)
	c.GroupID(p.Child("runAsGroup"), s.RunAsGroup)
	if m := s.ProcMount; m != nil {
		check.OneOf(&c.Errors, p.Child("procMount"), *m, corev1.DefaultProcMount, corev1.UnmaskedProcMount)
		if *m == corev1.UnmaskedProcMount && (c.spec.HostUsers == nil || *c.spec.HostUsers) {
			c.Invalid(p.Child("procMount"), m, "`hostUsers` must be false to use `Unmasked`")
		}
	}
	c.seccomp(s.SeccompProfile, p.Child("seccompProfile"))
	if s.AllowPrivilegeEscalation != nil && !*s.AllowPrivilegeEscalation {
		if s.Privileged != nil && *s.Privileged {
			c.Invalid(p, s, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
		}
		if s.Capabilities != nil {
			for _, capability := range s.Capabilities.Add {
				if capability == "CAP_SYS_ADMIN" {
					c.Invalid(p, s, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")
				}
			}
		}
	}
	c.windows(s.WindowsOptions, p.Child("windowsOptions"))
	c.appArmor(s.AppArmorProfile, p.Child("appArmorProfile"))
}

func (c *checker) hostUsers(p *field.Path) {
	s := c.spec
	if s.HostUsers == nil || *s.HostUsers {
		return
	}
	const detail = "when `hostUsers` is false"
	if s.HostNetwork {
		c.Forbidden(p.Child("hostNetwork"), detail)
	}
	if s.HostPID {
		c.Forbidden(p.Child("HostPID"), detail)
	}
	if s.HostIPC {
		c.Forbidden(p.Child("HostIPC"), detail)
	}
	c.each(p, func(ctr *corev1.Container, at *field.Path) {
		if len(ctr.VolumeDevices) > 0 {
			c.Forbidden(at.Child("volumeDevices"), detail)
		}
	})
}

// annotations checks those that the pod's specification is bound to.
func (c *checker) annotations(p *field.Path, set map[string]string) {
	if value, mirror := set[corev1.MirrorPodAnnotationKey]; mirror && c.spec.NodeName == "" {
		c.Invalid(p.Key(corev1.MirrorPodAnnotationKey), value, "must set spec.nodeName if mirror pod annotation is set")
	}
	const tolerated = "scheduler.alpha.kubernetes.io/tolerations"
	if s := set[tolerated]; s != "" {
		var list []corev1.Toleration
		if err := json.Unmarshal([]byte(s), &list); err != nil {
			c.Invalid(p, tolerated, strings.ReplaceAll(err.Error(), "v1.", "core."))
		} else {
			Tolerations(&c.Errors, p.Child(tolerated), list)
		}
	}
	if cost, ok := set[corev1.PodDeletionCost]; ok && !isInt32(cost) {
		c.Invalid(p.Key(corev1.PodDeletionCost), cost, "must be a 32bit integer")
	}
	for key, value := range set {
		if key == corev1.SeccompPodAnnotationKey || strings.HasPrefix(key, corev1.SeccompContainerAnnotationKeyPrefix) {
			at := p.Child(key)
			switch local, isLocal := strings.CutPrefix(value, corev1.SeccompLocalhostProfileNamePrefix); {
			case isLocal:
				c.descending(at, local)
			case value != corev1.SeccompProfileRuntimeDefault && value != corev1.DeprecatedSeccompProfileDockerDefault && value != corev1.SeccompProfileNameUnconfined:
				c.Invalid(at, value, "must be a valid seccomp profile")
			}
		}
		if name, ok := strings.CutPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix); ok {
			found := false
			c.each(p, func(ctr *corev1.Container, _ *field.Path) { found = found || ctr.Name == name })
			if !found {
				c.Invalid(p.Key(key), name, "container not found")
			}
			if value != "" && value != corev1.DeprecatedAppArmorBetaProfileRuntimeDefault && value != corev1.DeprecatedAppArmorBetaProfileNameUnconfined &&
				!strings.HasPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix) {
				c.Invalid(p.Key(key), value, fmt.Sprintf("invalid AppArmor profile name: %q", value))
			}
		}
	}
}

// isInt32 accepts the spelling that a deletion cost has: no sign but a minus,
// no leading zeros, except behind one.
func isInt32(s string) bool {
	return s != "" && s[0] != '+' && (s[0] != '0' || s == "0") && parsesInt32(s)
}

// profilesMatch requires security profiles in annotations, where they used to
// be, to agree with those in fields.
func (c *checker) profilesMatch(p *field.Path, annotations map[string]string) {
	var podProfile *corev1.AppArmorProfile
	if s := c.spec.SecurityContext; s != nil {
		podProfile = s.AppArmorProfile
		if value, ok := annotations[corev1.SeccompPodAnnotationKey]; ok && s.SeccompProfile != nil {
			c.seccompMatches(p.Child("securityContext", "seccompProfile"), value, s.SeccompProfile)
		}
	}
	if len(annotations) == 0 {
		return
	}
	windows := c.spec.OS != nil && c.spec.OS.Name == corev1.Windows
	c.each(p, func(ctr *corev1.Container, at *field.Path) {
		profile := podProfile
		if s := ctr.SecurityContext; s != nil {
			if value, ok := annotations[corev1.SeccompContainerAnnotationKeyPrefix+ctr.Name]; ok && s.SeccompProfile != nil {
				c.seccompMatches(at.Child("securityContext", "seccompProfile"), value, s.SeccompProfile)
			}
			if s.AppArmorProfile != nil {
				profile = s.AppArmorProfile
			}
		}
		value, ok := annotations[corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+ctr.Name]
		if !ok || profile == nil || windows {
			return
		}
		at = at.Child("securityContext", "appArmorProfile")
		local, isLocal := strings.CutPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix)
		switch t := profile.Type; {
		case t == corev1.AppArmorProfileTypeUnconfined && value != corev1.DeprecatedAppArmorBetaProfileNameUnconfined,
			t == corev1.AppArmorProfileTypeRuntimeDefault && value != corev1.DeprecatedAppArmorBetaProfileRuntimeDefault,
			t == corev1.AppArmorProfileTypeLocalhost && !isLocal:
			c.Forbidden(at.Child("type"), "apparmor type in annotation and field must match")
		case t == corev1.AppArmorProfileTypeLocalhost && (profile.LocalhostProfile == nil || *profile.LocalhostProfile != local):
			c.Forbidden(at.Child("localhostProfile"), "apparmor profile in annotation and field must match")
		}
	})
}

func (c *checker) seccompMatches(p *field.Path, value string, s *corev1.SeccompProfile) {
	local, isLocal := strings.CutPrefix(value, corev1.SeccompLocalhostProfileNamePrefix)
	switch t := s.Type; {
	case t == corev1.SeccompProfileTypeUnconfined && value != corev1.SeccompProfileNameUnconfined,
		t == corev1.SeccompProfileTypeRuntimeDefault && value != corev1.SeccompProfileRuntimeDefault && value != corev1.DeprecatedSeccompProfileDockerDefault,
		t == corev1.SeccompProfileTypeLocalhost && !isLocal:
		c.Forbidden(p.Child("type"), "seccomp type in annotation and field must match")
	case t == corev1.SeccompProfileTypeLocalhost && (s.LocalhostProfile == nil || *s.LocalhostProfile != local):
		c.Forbidden(p.Child("localhostProfile"), "seccomp profile in annotation and field must match")
	}
}

// podResources checks the resources of the pod as a whole.
func (c *checker) podResources(p *field.Path) {
	r := c.spec.Resources
	if r == nil {
		return
	}
	at := p.Child("resources")
	if c.spec.OS != nil && c.spec.OS.Name == corev1.Windows {
		c.Forbidden(at, "may not be set for a windows pod")
		return
	}
	if r.Claims != nil {
		c.Forbidden(at.Child("claims"), "claims may not be set for Resources at pod-level")
	}
	c.Requirements(at, r, c.claims, podResourceName)
	c.podResourcesSuffice(at)
}
