package kubelet

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// sandboxSpec describes the sandbox of a pod to the runtime.
func (k *Kubelet) sandboxSpec(pod *corev1.Pod, attempt uint32) (SandboxSpec, error) {
	spec := SandboxSpec{
		PodNamespace: pod.Namespace, PodName: pod.Name, PodUID: string(pod.UID), Attempt: attempt,
		HostNetwork: pod.Spec.HostNetwork, HostIPC: pod.Spec.HostIPC, HostPID: pod.Spec.HostPID,
		ShareProcesses: pod.Spec.ShareProcessNamespace != nil && *pod.Spec.ShareProcessNamespace,
		LogDir:         k.files.logDir(pod),
		Labels:         make(map[string]string), Annotations: make(map[string]string),
	}
	if !pod.Spec.HostNetwork {
		host, domain := k.hostname(pod)
		spec.Hostname = host
		if domain != "" && pod.Spec.SetHostnameAsFQDN != nil && *pod.Spec.SetHostnameAsFQDN {
			spec.Hostname = host + "." + domain
			if len(spec.Hostname) > 64 {
				return spec, fmt.Errorf("failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (64 characters is the max, %d characters requested)", spec.Hostname, len(spec.Hostname))
			}
		}
	}
	if k.simulated() {
		spec.CgroupParent = ""
	} else {
		spec.CgroupParent = k.cgroups.Path(podCgroup(pod))
	}
	if sc := pod.Spec.SecurityContext; sc != nil && len(sc.Sysctls) > 0 {
		spec.Sysctls = make(map[string]string)
		for _, s := range sc.Sysctls {
			spec.Sysctls[s.Name] = s.Value
		}
	}
	for key, value := range pod.Labels {
		spec.Labels[key] = value
	}
	for key, value := range pod.Annotations {
		spec.Annotations[key] = value
	}
	spec.Labels[labelPodName] = pod.Name
	spec.Labels[labelPodNamespace] = pod.Namespace
	spec.Labels[labelPodUID] = string(pod.UID)
	handler, err := k.runtimeHandler(pod)
	spec.RuntimeHandler = handler
	return spec, err
}

// hostname is a pod's host name and the domain it is in, if any.
func (k *Kubelet) hostname(pod *corev1.Pod) (host, domain string) {
	if pod.Spec.HostnameOverride != nil {
		return *pod.Spec.HostnameOverride, ""
	}
	host = pod.Spec.Hostname
	if host == "" {
		host = pod.Name
		if len(host) > 63 {
			host = strings.TrimRight(host[:63], "-.")
		}
	}
	if pod.Spec.Subdomain != "" {
		domain = fmt.Sprintf("%s.%s.svc.%s", pod.Spec.Subdomain, pod.Namespace, k.cfg.ClusterDomain)
	}
	return host, domain
}

// containerSpec describes a container to the runtime, everything it refers to
// resolved.
func (w *worker) containerSpec(ctx context.Context, pod *corev1.Pod, c *corev1.Container, image Image, s Sandbox, attempt uint32) (ContainerSpec, error) {
	k, ips := w.k, w.ips[s.ID]
	env := environment{
		refs: podReferences{k, pod.UID}, pod: pod, container: c, ips: ips,
		node:        nodeFacts{name: k.cfg.NodeName, hostIPs: k.hostIPs},
		services:    k.serviceVariables(pod),
		allocatable: k.machine.allocatable,
	}
	variables, err := env.make(ctx)
	if err != nil {
		return ContainerSpec{}, err
	}
	security, err := containerSecurity(pod, c, image)
	if err != nil {
		return ContainerSpec{}, err
	}
	mounts, err := k.files.mounts(pod, c, w.volumes, env.lookup)
	if err != nil {
		return ContainerSpec{}, err
	}
	files, err := k.files.networkMounts(pod, c, attempt, k.etcFiles(pod, ips))
	if err != nil {
		return ContainerSpec{}, err
	}
	ref, err := canonical(c.Image)
	if err != nil {
		return ContainerSpec{}, err
	}
	spec := ContainerSpec{
		Name: c.Name, Attempt: attempt, Image: ref,
		Command: expandAll(c.Command, env.lookup), Args: expandAll(c.Args, env.lookup),
		WorkingDir: c.WorkingDir, Env: variables, Mounts: append(mounts, files...),
		Stdin: c.Stdin, StdinOnce: c.StdinOnce, TTY: c.TTY,
		Resources: containerResources(pod, c, k.machine.memory()),
		Security:  security,
		Labels: map[string]string{
			labelPodName: pod.Name, labelPodNamespace: pod.Namespace, labelPodUID: string(pod.UID),
			labelContainerName: c.Name,
		},
		Annotations: map[string]string{
			annotationHash:         containerHash(c),
			annotationRestartCount: strconv.Itoa(int(attempt)),
			annotationMessagePath:  c.TerminationMessagePath,
			annotationMessagePol:   string(c.TerminationMessagePolicy),
			annotationImageRef:     imageReference(c.Image, image),
		},
	}
	if s.Spec.LogDir != "" {
		spec.LogPath = filepath.Join(s.Spec.LogDir, c.Name, strconv.Itoa(int(attempt))+".log")
		if err := k.files.makeLogDir(spec.LogPath); err != nil {
			return ContainerSpec{}, err
		}
	}
	if c.Lifecycle != nil && c.Lifecycle.StopSignal != nil {
		spec.StopSignal = string(*c.Lifecycle.StopSignal)
	}
	return spec, nil
}

func expandAll(list []string, lookup func(string) (string, bool)) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = expand(text, lookup)
	}
	return out
}

// imageReference names an image by its digest in the repository it was asked
// for, for the pod's status.
func imageReference(asked string, image Image) string {
	if len(image.Digests) == 0 {
		return image.ID
	}
	repository := asked
	if i := strings.IndexAny(asked, "@"); i >= 0 {
		repository = asked[:i]
	} else if i := strings.LastIndex(asked, ":"); i > strings.LastIndex(asked, "/") {
		repository = asked[:i]
	}
	for _, digest := range image.Digests {
		if at := strings.Index(digest, "@"); at > 0 && strings.HasSuffix(digest[:at], repository) {
			return digest
		}
	}
	return image.Digests[0]
}

// containerSecurity joins the security contexts of pod and container, the
// container's winning.
func containerSecurity(pod *corev1.Pod, c *corev1.Container, image Image) (Security, error) {
	s := Security{AllowPrivilegeEscalation: true, RunAsUserName: image.User}
	if p := pod.Spec.SecurityContext; p != nil {
		s.RunAsUser, s.RunAsGroup = p.RunAsUser, p.RunAsGroup
		s.RunAsNonRoot = p.RunAsNonRoot != nil && *p.RunAsNonRoot
		s.SupplementalGroups = append(s.SupplementalGroups, p.SupplementalGroups...)
		if p.FSGroup != nil {
			s.SupplementalGroups = append(s.SupplementalGroups, *p.FSGroup)
		}
		s.StrictSupplementalGroups = p.SupplementalGroupsPolicy != nil && *p.SupplementalGroupsPolicy == corev1.SupplementalGroupsPolicyStrict
		if p.SeccompProfile != nil {
			s.Seccomp = profile(string(p.SeccompProfile.Type), p.SeccompProfile.LocalhostProfile)
		}
		if p.AppArmorProfile != nil {
			s.AppArmor = profile(string(p.AppArmorProfile.Type), p.AppArmorProfile.LocalhostProfile)
		}
	}
	if sc := c.SecurityContext; sc != nil {
		if sc.RunAsUser != nil {
			s.RunAsUser = sc.RunAsUser
		}
		if sc.RunAsGroup != nil {
			s.RunAsGroup = sc.RunAsGroup
		}
		if sc.RunAsNonRoot != nil {
			s.RunAsNonRoot = *sc.RunAsNonRoot
		}
		s.Privileged = sc.Privileged != nil && *sc.Privileged
		s.ReadOnlyRootfs = sc.ReadOnlyRootFilesystem != nil && *sc.ReadOnlyRootFilesystem
		if sc.AllowPrivilegeEscalation != nil {
			s.AllowPrivilegeEscalation = *sc.AllowPrivilegeEscalation
		}
		if sc.Capabilities != nil {
			for _, capability := range sc.Capabilities.Add {
				s.AddCapabilities = append(s.AddCapabilities, string(capability))
			}
			for _, capability := range sc.Capabilities.Drop {
				s.DropCapabilities = append(s.DropCapabilities, string(capability))
			}
		}
		if sc.SeccompProfile != nil {
			s.Seccomp = profile(string(sc.SeccompProfile.Type), sc.SeccompProfile.LocalhostProfile)
		}
		if sc.AppArmorProfile != nil {
			s.AppArmor = profile(string(sc.AppArmorProfile.Type), sc.AppArmorProfile.LocalhostProfile)
		}
		s.UnmaskedProc = sc.ProcMount != nil && *sc.ProcMount == corev1.UnmaskedProcMount
	}
	if s.RunAsUser != nil {
		s.RunAsUserName = ""
	}
	return s, checkNonRoot(s, image)
}

func profile(kind string, path *string) string {
	if path != nil {
		return kind + "/" + *path
	}
	return kind
}

// checkNonRoot refuses what runAsNonRoot forbids, as far as it is known before
// the container runs.
func checkNonRoot(s Security, image Image) error {
	if !s.RunAsNonRoot {
		return nil
	}
	if s.RunAsUser != nil {
		if *s.RunAsUser == 0 {
			return errors.New("container's runAsUser breaks non-root policy")
		}
		return nil
	}
	user, _, _ := strings.Cut(image.User, ":")
	switch uid, err := strconv.ParseInt(user, 10, 64); {
	case user == "" || err == nil && uid == 0:
		return errors.New("container has runAsNonRoot and image will run as root")
	case err != nil:
		return fmt.Errorf("container has runAsNonRoot and image has non-numeric user (%s), cannot verify user is non-root", user)
	}
	return nil
}
