package podspec

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// podOS checks that a pod sets nothing its operating system lacks.
func (c *checker) podOS(p *field.Path) {
	os := c.spec.OS
	if os == nil {
		return
	}
	switch os.Name {
	case "":
		c.Required(p.Child("os", "name"), "")
	case corev1.Linux:
		c.notForLinux(p)
	case corev1.Windows:
		c.notForWindows(p)
	default:
		check.OneOf(&c.Errors, p.Child("os"), os.Name, corev1.Linux, corev1.Windows)
	}
}

func (c *checker) notForLinux(p *field.Path) {
	const detail = "windows options cannot be set for a linux pod"
	if s := c.spec.SecurityContext; s != nil && s.WindowsOptions != nil {
		c.Forbidden(p.Child("securityContext", "windowsOptions"), detail)
	}
	c.each(p, func(ctr *corev1.Container, at *field.Path) {
		if s := ctr.SecurityContext; s != nil && s.WindowsOptions != nil {
			c.Forbidden(at.Child("securityContext", "windowsOptions"), detail)
		}
	})
}

func (c *checker) notForWindows(p *field.Path) {
	not := func(at *field.Path, name string, set bool) {
		if set {
			c.Forbidden(at.Child(name), "cannot be set for a windows pod")
		}
	}
	spec := c.spec
	if s, at := spec.SecurityContext, p.Child("securityContext"); s != nil {
		not(at, "appArmorProfile", s.AppArmorProfile != nil)
		not(at, "seLinuxOptions", s.SELinuxOptions != nil)
		not(at, "seccompProfile", s.SeccompProfile != nil)
		not(at, "fsGroup", s.FSGroup != nil)
		not(at, "fsGroupChangePolicy", s.FSGroupChangePolicy != nil)
		not(at, "sysctls", len(s.Sysctls) > 0)
		not(at, "runAsUser", s.RunAsUser != nil)
		not(at, "runAsGroup", s.RunAsGroup != nil)
		not(at, "supplementalGroups", s.SupplementalGroups != nil)
		not(at, "supplementalGroupsPolicy", s.SupplementalGroupsPolicy != nil)
		not(at, "seLinuxChangePolicy", s.SELinuxChangePolicy != nil)
	}
	not(p, "hostUsers", spec.HostUsers != nil)
	not(p, "hostPID", spec.HostPID)
	not(p, "hostIPC", spec.HostIPC)
	not(p, "shareProcessNamespace", spec.ShareProcessNamespace != nil)
	c.each(p, func(ctr *corev1.Container, at *field.Path) {
		s := ctr.SecurityContext
		if s == nil {
			return
		}
		at = at.Child("securityContext")
		not(at, "appArmorProfile", s.AppArmorProfile != nil)
		not(at, "seLinuxOptions", s.SELinuxOptions != nil)
		not(at, "seccompProfile", s.SeccompProfile != nil)
		not(at, "capabilities", s.Capabilities != nil)
		not(at, "readOnlyRootFilesystem", s.ReadOnlyRootFilesystem != nil)
		not(at, "privileged", s.Privileged != nil)
		not(at, "allowPrivilegeEscalation", s.AllowPrivilegeEscalation != nil)
		not(at, "procMount", s.ProcMount != nil)
		not(at, "runAsUser", s.RunAsUser != nil)
		not(at, "runAsGroup", s.RunAsGroup != nil)
	})
}

func (c *checker) windows(w *corev1.WindowsSecurityContextOptions, p *field.Path) {
	if w == nil {
		return
	}
	if name := w.GMSACredentialSpecName; name != nil {
		c.Messages(p.Child("gmsaCredentialSpecName"), name, validation.IsDNS1123Subdomain(*name))
	}
	if spec := w.GMSACredentialSpec; spec != nil {
		const most = 64
		if *spec == "" {
			c.Invalid(p.Child("gmsaCredentialSpec"), spec, "gmsaCredentialSpec cannot be an empty string")
		} else if len(*spec) > most*1024 {
			c.Invalid(p.Child("gmsaCredentialSpec"), spec, fmt.Sprintf("gmsaCredentialSpec size must be under %d KiB", most))
		}
	}
	if w.RunAsUserName != nil {
		for _, detail := range windowsUser(*w.RunAsUserName) {
			c.Invalid(p.Child("runAsUserName"), w.RunAsUserName, detail)
		}
	}
}

// windowsUser returns what is wrong with a user's name on Windows, which may
// have a domain in front.
func windowsUser(name string) (wrong []string) {
	const domainMost, userMost = 256, 104
	if name == "" {
		return []string{"runAsUserName cannot be an empty string"}
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return []string{"runAsUserName cannot contain control characters"}
	}
	domain, user, hasDomain := strings.Cut(name, `\`)
	if !hasDomain {
		domain, user = "", name
	} else if strings.Contains(user, `\`) {
		return []string{"runAsUserName cannot contain more than one backslash"}
	}
	if len(domain) >= domainMost {
		wrong = append(wrong, fmt.Sprintf("runAsUserName's Domain length must be under %d characters", domainMost))
	}
	netBIOS := regexp.MustCompile(`^[^\\/:\*\?"<>|\.][^\\/:\*\?"<>|]{0,14}$`)
	if hasDomain && !netBIOS.MatchString(domain) && len(validation.IsDNS1123Subdomain(strings.ToLower(domain))) > 0 {
		wrong = append(wrong, "runAsUserName's Domain doesn't match the NetBios nor the DNS format")
	}
	if user == "" {
		wrong = append(wrong, "runAsUserName's User cannot be empty")
	} else if len(user) > userMost {
		wrong = append(wrong, fmt.Sprintf("runAsUserName's User length must not be longer than %d characters", userMost))
	}
	if user != "" && strings.Trim(user, ". ") == "" {
		wrong = append(wrong, "runAsUserName's User cannot contain only periods or spaces")
	}
	if strings.ContainsAny(user, `"/\:;|=,+*?<>@[]`) {
		wrong = append(wrong, `runAsUserName's User cannot contain the following characters: "/\:;|=,+*?<>@[]`)
	}
	return wrong
}

// hostProcess requires all containers of a pod, or none, to be processes of a
// Windows host.
func (c *checker) hostProcess(p *field.Path) {
	of := func(w *corev1.WindowsSecurityContextOptions) *bool {
		if w == nil {
			return nil
		}
		return w.HostProcess
	}
	var pod *bool
	if s := c.spec.SecurityContext; s != nil {
		pod = of(s.WindowsOptions)
	}
	all, host := 0, 0
	c.each(p, func(ctr *corev1.Container, at *field.Path) {
		all++
		var own *bool
		if s := ctr.SecurityContext; s != nil {
			own = of(s.WindowsOptions)
		}
		if pod != nil && own != nil && *pod != *own {
			c.Invalid(at.Child("securityContext", "windowsOptions", "hostProcess"), *own, fmt.Sprintf("pod hostProcess value must be identical if both are specified, was %v", *pod))
		}
		if own != nil && *own || own == nil && pod != nil && *pod {
			host++
		}
	})
	if host == 0 {
		return
	}
	if host != all {
		c.Invalid(p, "", "If pod contains any hostProcess containers then all containers must be HostProcess containers")
	}
	if !c.spec.HostNetwork {
		c.Invalid(p.Child("hostNetwork"), false, "hostNetwork must be true if pod contains any hostProcess containers")
	}
}
