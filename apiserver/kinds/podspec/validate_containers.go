package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// each visits all containers of the pod with their paths.
func (c *checker) each(p *field.Path, visit func(*corev1.Container, *field.Path)) {
	for i := range c.spec.InitContainers {
		visit(&c.spec.InitContainers[i], p.Child("initContainers").Index(i))
	}
	for i := range c.spec.Containers {
		visit(&c.spec.Containers[i], p.Child("containers").Index(i))
	}
	for i := range c.spec.EphemeralContainers {
		visit((*corev1.Container)(&c.spec.EphemeralContainers[i].EphemeralContainerCommon), p.Child("ephemeralContainers").Index(i))
	}
}

func (c *checker) containers(p *field.Path) {
	if len(c.spec.Containers) == 0 {
		c.Required(p, "")
		return
	}
	names := map[string]bool{}
	for i := range c.spec.Containers {
		ctr, at := &c.spec.Containers[i], p.Index(i)
		c.container(ctr, at)
		if names[ctr.Name] {
			c.Duplicate(at.Child("name"), ctr.Name)
		}
		names[ctr.Name] = true
		c.lifecycle(ctr.Lifecycle, at.Child("lifecycle"))
		c.probes(ctr, at)
		c.restartRules(ctr, at)
	}
	c.uniqueHostPorts(c.spec.Containers, p)
}

func (c *checker) initContainers(p *field.Path) {
	names := map[string]bool{}
	for i := range c.spec.Containers {
		names[c.spec.Containers[i].Name] = true
	}
	for i := range c.spec.InitContainers {
		ctr, at := &c.spec.InitContainers[i], p.Index(i)
		c.container(ctr, at)
		if ctr.RestartPolicy != nil {
			c.restartRules(ctr, at)
		} else if len(ctr.RestartPolicyRules) > 0 {
			c.Required(at.Child("restartPolicy"), rulesWithoutPolicy)
		}
		if names[ctr.Name] {
			c.Duplicate(at.Child("name"), ctr.Name)
		} else if ctr.Name != "" {
			names[ctr.Name] = true
		}
		c.uniqueHostPorts(c.spec.InitContainers[i:i+1], p)
		if isSidecar(ctr) {
			c.lifecycle(ctr.Lifecycle, at.Child("lifecycle"))
			c.probes(ctr, at)
			continue
		}
		for _, f := range []struct {
			set  bool
			name string
		}{
			{ctr.Lifecycle != nil, "lifecycle"}, {ctr.LivenessProbe != nil, "livenessProbe"},
			{ctr.ReadinessProbe != nil, "readinessProbe"}, {ctr.StartupProbe != nil, "startupProbe"},
		} {
			if f.set {
				c.Forbidden(at.Child(f.name), "may not be set for init containers without restartPolicy=Always")
			}
		}
		for j, policy := range ctr.ResizePolicy {
			if policy.RestartPolicy == corev1.RestartContainer {
				c.Invalid(at.Child("resizePolicy").Index(j).Child("restartPolicy"), policy.RestartPolicy, "must not be set to 'RestartContainer' for non-sidecar initContainers")
			}
		}
	}
}

func isSidecar(ctr *corev1.Container) bool {
	return ctr.RestartPolicy != nil && *ctr.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

func (c *checker) ephemeralContainers(p *field.Path) {
	others, names := map[string]bool{}, map[string]bool{}
	for _, list := range [][]corev1.Container{c.spec.Containers, c.spec.InitContainers} {
		for i := range list {
			others[list[i].Name], names[list[i].Name] = true, true
		}
	}
	for i := range c.spec.EphemeralContainers {
		ec, at := &c.spec.EphemeralContainers[i], p.Index(i)
		ctr := (*corev1.Container)(&ec.EphemeralContainerCommon)
		c.container(ctr, at)
		c.noPadding(at.Child("image"), ctr.Image)
		if names[ctr.Name] {
			c.Duplicate(at.Child("name"), ctr.Name)
		}
		names[ctr.Name] = true
		if t := ec.TargetContainerName; t != "" && !others[t] {
			c.Add(field.NotFound(at.Child("targetContainerName"), t))
		}
		r := ctr.Resources
		for _, f := range []struct {
			set  bool
			name string
		}{
			{ctr.Ports != nil, "ports"}, {r.Limits != nil || r.Requests != nil || r.Claims != nil, "resources"},
			{ctr.ResizePolicy != nil, "resizePolicy"}, {ctr.RestartPolicy != nil, "restartPolicy"},
			{ctr.RestartPolicyRules != nil, "restartPolicyRules"}, {ctr.LivenessProbe != nil, "livenessProbe"},
			{ctr.ReadinessProbe != nil, "readinessProbe"}, {ctr.StartupProbe != nil, "startupProbe"}, {ctr.Lifecycle != nil, "lifecycle"},
		} {
			if f.set {
				c.Forbidden(at.Child(f.name), "cannot be set for an Ephemeral Container")
			}
		}
		for j, m := range ctr.VolumeMounts {
			if m.SubPath != "" {
				c.Forbidden(at.Child("volumeMounts").Index(j).Child("subPath"), "cannot be set for an Ephemeral Container")
			}
			if m.SubPathExpr != "" {
				c.Forbidden(at.Child("volumeMounts").Index(j).Child("subPathExpr"), "cannot be set for an Ephemeral Container")
			}
		}
	}
}

// container checks what all sorts of containers have.
func (c *checker) container(ctr *corev1.Container, p *field.Path) {
	c.RequiredDNSLabel(p.Child("name"), ctr.Name)
	c.NotEmpty(p.Child("image"), ctr.Image)
	check.RequiredOneOf(&c.Errors, p.Child("terminationMessagePolicy"), ctr.TerminationMessagePolicy,
		corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError)
	c.ports(ctr.Ports, p.Child("ports"))
	c.env(ctr, p)
	c.volumeMounts(ctr, p.Child("volumeMounts"))
	c.volumeDevices(ctr, p.Child("volumeDevices"))
	c.pullPolicy(p.Child("imagePullPolicy"), ctr.ImagePullPolicy)
	c.Requirements(p.Child("resources"), &ctr.Resources, c.claims, (*check.Errors).ContainerResourceName)
	c.resizePolicy(ctr.ResizePolicy, p.Child("resizePolicy"))
	c.containerSecurity(ctr.SecurityContext, p.Child("securityContext"))
}

func (c *checker) pullPolicy(p *field.Path, policy corev1.PullPolicy) {
	check.RequiredOneOf(&c.Errors, p, policy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
}

func (c *checker) noPadding(p *field.Path, image string) {
	if strings.TrimSpace(image) != image {
		c.Invalid(p, image, "must not have leading or trailing whitespace")
	}
}

func (c *checker) ports(ports []corev1.ContainerPort, p *field.Path) {
	names := map[string]bool{}
	for i, port := range ports {
		at := p.Index(i)
		if port.Name != "" {
			if msgs := validation.IsValidPortName(port.Name); len(msgs) > 0 {
				c.Messages(at.Child("name"), port.Name, msgs)
			} else if names[port.Name] {
				c.Duplicate(at.Child("name"), port.Name)
			}
			names[port.Name] = true
		}
		if port.ContainerPort == 0 {
			c.Required(at.Child("containerPort"), "")
		} else {
			c.Port(at.Child("containerPort"), port.ContainerPort)
		}
		if port.HostPort != 0 {
			c.Port(at.Child("hostPort"), port.HostPort)
		}
		check.RequiredOneOf(&c.Errors, at.Child("protocol"), port.Protocol, corev1.ProtocolSCTP, corev1.ProtocolTCP, corev1.ProtocolUDP)
	}
}

func (c *checker) uniqueHostPorts(list []corev1.Container, p *field.Path) {
	seen := map[string]bool{}
	for i := range list {
		for j, port := range list[i].Ports {
			if port.HostPort == 0 {
				continue
			}
			key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
			if seen[key] {
				c.Duplicate(p.Index(i).Child("ports").Index(j).Child("hostPort"), key)
			}
			seen[key] = true
		}
	}
}

func (c *checker) lifecycle(l *corev1.Lifecycle, p *field.Path) {
	if l == nil {
		return
	}
	for _, h := range []struct {
		name string
		hook *corev1.LifecycleHandler
	}{{"postStart", l.PostStart}, {"preStop", l.PreStop}} {
		if h.hook != nil {
			c.action(p.Child(h.name), h.hook.Exec, h.hook.HTTPGet, h.hook.TCPSocket, nil, h.hook.Sleep)
		}
	}
	if l.StopSignal != nil {
		c.stopSignal(p.Child("stopSignal"), *l.StopSignal)
	}
}

func (c *checker) stopSignal(p *field.Path, s corev1.Signal) {
	switch os := c.spec.OS; {
	case os == nil:
		c.Forbidden(p, "may not be set for containers with empty `spec.os.name`")
	case os.Name == corev1.Windows:
		check.OneOf(&c.Errors, p, s, corev1.SIGKILL, corev1.SIGTERM)
	case os.Name == corev1.Linux:
		check.OneOf(&c.Errors, p, s, linuxSignals()...)
	}
}

func (c *checker) probes(ctr *corev1.Container, p *field.Path) {
	c.probe(ctr.LivenessProbe, p.Child("livenessProbe"))
	c.probe(ctr.ReadinessProbe, p.Child("readinessProbe"))
	c.probe(ctr.StartupProbe, p.Child("startupProbe"))
	if r := ctr.ReadinessProbe; r != nil && r.TerminationGracePeriodSeconds != nil {
		c.Invalid(p.Child("readinessProbe", "terminationGracePeriodSeconds"), r.TerminationGracePeriodSeconds, "must not be set for readinessProbes")
	}
	if r := ctr.LivenessProbe; r != nil && r.SuccessThreshold != 1 {
		c.Invalid(p.Child("livenessProbe", "successThreshold"), r.SuccessThreshold, "must be 1")
	}
	if r := ctr.StartupProbe; r != nil && r.SuccessThreshold != 1 {
		c.Invalid(p.Child("startupProbe", "successThreshold"), r.SuccessThreshold, "must be 1")
	}
}

func (c *checker) probe(probe *corev1.Probe, p *field.Path) {
	if probe == nil {
		return
	}
	c.action(p, probe.Exec, probe.HTTPGet, probe.TCPSocket, probe.GRPC, nil)
	c.Nonnegative(p.Child("initialDelaySeconds"), int64(probe.InitialDelaySeconds))
	c.Nonnegative(p.Child("timeoutSeconds"), int64(probe.TimeoutSeconds))
	c.Nonnegative(p.Child("periodSeconds"), int64(probe.PeriodSeconds))
	c.Nonnegative(p.Child("successThreshold"), int64(probe.SuccessThreshold))
	c.Nonnegative(p.Child("failureThreshold"), int64(probe.FailureThreshold))
	if s := probe.TerminationGracePeriodSeconds; s != nil && *s <= 0 {
		c.Invalid(p.Child("terminationGracePeriodSeconds"), *s, "must be greater than 0")
	}
}

// action checks what a probe or a hook does, which must be one thing.
func (c *checker) action(
	p *field.Path, exec *corev1.ExecAction, http *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction, grpc *corev1.GRPCAction, sleep *corev1.SleepAction,
) {
	one := false
	only := func(set bool, name string, checkIt func(at *field.Path)) {
		switch {
		case !set:
		case one:
			c.Forbidden(p.Child(name), "may not specify more than 1 handler type")
		default:
			one = true
			checkIt(p.Child(name))
		}
	}
	only(exec != nil, "exec", func(at *field.Path) {
		if len(exec.Command) == 0 {
			c.Required(at.Child("command"), "")
		}
	})
	only(http != nil, "httpGet", func(at *field.Path) { c.httpGet(http, at) })
	only(tcp != nil, "tcpSocket", func(at *field.Path) { c.PortOrName(at.Child("port"), tcp.Port) })
	only(grpc != nil, "grpc", func(at *field.Path) { c.PortOrName(at.Child("port"), intstr.FromInt32(grpc.Port)) })
	only(sleep != nil, "sleep", func(at *field.Path) {
		if grace := c.spec.TerminationGracePeriodSeconds; grace != nil && (sleep.Seconds < 0 || sleep.Seconds > *grace) {
			c.Invalid(at, sleep.Seconds, fmt.Sprintf("must be non-negative and less than terminationGracePeriodSeconds (%d)", *grace))
		}
	})
	if !one {
		c.Required(p, "must specify a handler type")
	}
}

func (c *checker) httpGet(get *corev1.HTTPGetAction, p *field.Path) {
	c.NotEmpty(p.Child("path"), get.Path)
	c.PortOrName(p.Child("port"), get.Port)
	check.OneOf(&c.Errors, p.Child("scheme"), get.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)
	for _, h := range get.HTTPHeaders {
		c.Messages(p.Child("httpHeaders"), h.Name, validation.IsHTTPHeaderName(h.Name))
	}
}

func (c *checker) resizePolicy(list []corev1.ContainerResizePolicy, p *field.Path) {
	seen := map[corev1.ResourceName]bool{}
	for i, r := range list {
		if seen[r.ResourceName] {
			c.Duplicate(p.Index(i), r.ResourceName)
		}
		seen[r.ResourceName] = true
		check.RequiredOneOf(&c.Errors, p, r.ResourceName, corev1.ResourceCPU, corev1.ResourceMemory)
		check.RequiredOneOf(&c.Errors, p, r.RestartPolicy, corev1.NotRequired, corev1.RestartContainer)
		if c.spec.RestartPolicy == corev1.RestartPolicyNever && r.RestartPolicy != corev1.NotRequired {
			c.Invalid(p, r.RestartPolicy, "must be 'NotRequired' when pod `restartPolicy` is 'Never'")
		}
	}
}

const rulesWithoutPolicy = "must specify restartPolicy when restart rules are used"

func (c *checker) restartRules(ctr *corev1.Container, p *field.Path) {
	policy, rules := ctr.RestartPolicy, ctr.RestartPolicyRules
	if policy == nil {
		if len(rules) == 0 {
			return
		}
		c.Required(p.Child("restartPolicy"), rulesWithoutPolicy)
	} else {
		check.OneOf(&c.Errors, p.Child("restartPolicy"), *policy,
			corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever, corev1.ContainerRestartPolicyOnFailure)
	}
	const mostRules, mostCodes = 20, 255
	at := p.Child("restartPolicyRules")
	if len(rules) > mostRules {
		c.Add(field.TooMany(at, len(rules), mostRules))
	}
	for i, r := range rules {
		check.OneOf(&c.Errors, at.Index(i).Child("action"), r.Action,
			corev1.ContainerRestartRuleActionRestart, corev1.ContainerRestartRuleActionRestartAllContainers)
		codes := at.Index(i).Child("exitCodes")
		if r.ExitCodes == nil {
			c.Required(codes, "must be specified")
			continue
		}
		check.OneOf(&c.Errors, codes.Child("operator"), r.ExitCodes.Operator,
			corev1.ContainerRestartRuleOnExitCodesOpIn, corev1.ContainerRestartRuleOnExitCodesOpNotIn)
		if len(r.ExitCodes.Values) > mostCodes {
			c.Add(field.TooMany(codes.Child("values"), len(r.ExitCodes.Values), mostCodes))
		}
	}
}

func linuxSignals() []corev1.Signal {
	names := strings.Fields("ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT " +
		"RTMAX RTMAX-1 RTMAX-10 RTMAX-11 RTMAX-12 RTMAX-13 RTMAX-14 RTMAX-2 RTMAX-3 RTMAX-4 RTMAX-5 RTMAX-6 RTMAX-7 RTMAX-8 RTMAX-9 " +
		"RTMIN RTMIN+1 RTMIN+10 RTMIN+11 RTMIN+12 RTMIN+13 RTMIN+14 RTMIN+15 RTMIN+2 RTMIN+3 RTMIN+4 RTMIN+5 RTMIN+6 RTMIN+7 RTMIN+8 RTMIN+9 " +
		"SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ")
	out := make([]corev1.Signal, len(names))
	for i, n := range names {
		out[i] = corev1.Signal("SIG" + n)
	}
	return out
}
