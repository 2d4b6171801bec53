package podspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var oldLabels = map[string]string{
	"beta.kubernetes.io/arch":                  `deprecated since v1.14; use "kubernetes.io/arch" instead`,
	"beta.kubernetes.io/os":                    `deprecated since v1.14; use "kubernetes.io/os" instead`,
	"beta.kubernetes.io/instance-type":         `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`,
	"failure-domain.beta.kubernetes.io/region": `deprecated since v1.17; use "topology.kubernetes.io/region" instead`,
	"failure-domain.beta.kubernetes.io/zone":   `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
}

type warnings struct{ list []string }

func (w *warnings) say(p *field.Path, text string, args ...any) {
	w.list = append(w.list, p.String()+": "+fmt.Sprintf(text, args...))
}

// TemplateWarnings are the Warnings about a template at p of an object whose
// name its pods' names start with, unless the template is as it was; old is
// nil for a new object.
func TemplateWarnings(p *field.Path, name string, t, old *corev1.PodTemplateSpec) []string {
	if old != nil {
		if equality.Semantic.DeepEqual(t, old) {
			return nil
		}
		return Warnings(p, &t.ObjectMeta, &t.Spec)
	}
	w := &warnings{}
	if msgs := validation.IsDNS1123Label(name); len(msgs) > 0 && name != "" {
		w.say(field.NewPath("metadata", "name"), "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: %v", msgs)
	}
	return append(w.list, Warnings(p, &t.ObjectMeta, &t.Spec)...)
}

// Warnings are what is worth mentioning about the pods of a template at p, or
// about a pod with p nil.
func Warnings(p *field.Path, meta *metav1.ObjectMeta, s *corev1.PodSpec) []string {
	w, spec := &warnings{}, p.Child("spec")
	for _, key := range slices.Sorted(maps.Keys(s.NodeSelector)) {
		if msg, old := oldLabels[key]; old {
			w.say(spec.Child("nodeSelector").Key(key), "%s", msg)
		}
	}
	for i, t := range s.TopologySpreadConstraints {
		p := spec.Child("topologySpreadConstraints").Index(i)
		if msg, old := oldLabels[t.TopologyKey]; old {
			w.say(p.Child("topologyKey"), "%s is %s", t.TopologyKey, msg)
		}
		w.matchesNone(p, t.LabelSelector)
	}
	w.volumes(spec.Child("volumes"), s.Volumes)
	w.twice(spec, s)
	w.quantities(spec, "overhead", s.Overhead)
	w.containers(p, meta, s)
	w.ports(spec, s)
	if n := s.TerminationGracePeriodSeconds; n != nil && *n < 0 {
		w.say(spec.Child("terminationGracePeriodSeconds"), "must be >= 0; negative values are invalid and will be treated as 1")
	}
	if a := s.Affinity; a != nil && a.PodAffinity != nil {
		w.terms(spec.Child("affinity", "podAffinity"), a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a := s.Affinity; a != nil && a.PodAntiAffinity != nil {
		w.terms(spec.Child("affinity", "podAntiAffinity"), a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if d := s.DNSConfig; d != nil {
		for i, ns := range d.Nameservers {
			w.list = append(w.list, validation.GetWarningsForIP(spec.Child("dnsConfig", "nameservers").Index(i), ns)...)
		}
	}
	for i, a := range s.HostAliases {
		w.list = append(w.list, validation.GetWarningsForIP(spec.Child("hostAliases").Index(i).Child("ip"), a.IP)...)
	}
	return w.list
}

func (w *warnings) matchesNone(p *field.Path, s *metav1.LabelSelector) {
	if s == nil {
		w.say(p.Child("labelSelector"), "a null labelSelector results in matching no pod")
	}
}

func (w *warnings) terms(p *field.Path, required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
	for i, t := range required {
		w.matchesNone(p.Child("requiredDuringSchedulingIgnoredDuringExecution").Index(i), t.LabelSelector)
	}
	for i, t := range preferred {
		w.matchesNone(p.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("podAffinityTerm"), t.PodAffinityTerm.LabelSelector)
	}
}

func (w *warnings) volumes(p *field.Path, list []corev1.Volume) {
	for i, v := range list {
		for _, old := range []struct {
			name string
			is   bool
			text string
		}{
			{"photonPersistentDisk", v.PhotonPersistentDisk != nil, "deprecated in v1.11, non-functional in v1.16+"},
			{"gitRepo", v.GitRepo != nil, "deprecated in v1.11, and disabled by default in v1.33+"},
			{"scaleIO", v.ScaleIO != nil, "deprecated in v1.16, non-functional in v1.22+"},
			{"flocker", v.Flocker != nil, "deprecated in v1.22, non-functional in v1.25+"},
			{"storageOS", v.StorageOS != nil, "deprecated in v1.22, non-functional in v1.25+"},
			{"quobyte", v.Quobyte != nil, "deprecated in v1.22, non-functional in v1.25+"},
			{"glusterfs", v.Glusterfs != nil, "deprecated in v1.25, non-functional in v1.26+"},
			{"cephfs", v.CephFS != nil, "deprecated in v1.28, non-functional in v1.31+"},
			{"rbd", v.RBD != nil, "deprecated in v1.28, non-functional in v1.31+"},
		} {
			if old.is {
				w.say(p.Index(i).Child(old.name), "%s", old.text)
			}
		}
	}
}

// twice mentions entries that a merge by their keys would lose.
func (w *warnings) twice(p *field.Path, s *corev1.PodSpec) {
	ips, names := map[string]bool{}, map[string]bool{}
	for i, a := range s.HostAliases {
		if ips[a.IP] {
			w.say(p.Child("hostAliases").Index(i).Child("ip"), "duplicate ip %q", a.IP)
		}
		ips[a.IP] = true
	}
	for i, r := range s.ImagePullSecrets {
		at := p.Child("imagePullSecrets").Index(i).Child("name")
		if names[r.Name] {
			w.say(at, "duplicate name %q", r.Name)
		}
		if names[r.Name] = true; r.Name == "" {
			w.say(at, "invalid empty name %q", r.Name)
		}
	}
}

func (w *warnings) quantities(p *field.Path, name string, list corev1.ResourceList) {
	for _, r := range []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if q, ok := list[r]; ok && q.MilliValue()%1000 != 0 {
			w.say(p.Child(name).Key(string(r)), "fractional byte value %q is invalid, must be an integer", q.String())
		}
	}
}

func (w *warnings) containers(p *field.Path, meta *metav1.ObjectMeta, s *corev1.PodSpec) {
	annotations := p.Child("metadata", "annotations")
	mention := func(key string, done bool, text string) {
		if _, ok := meta.Annotations[key]; ok && !done {
			w.say(annotations.Key(key), "%s", text)
		}
	}
	mention(corev1.SeccompPodAnnotationKey, s.SecurityContext != nil && s.SecurityContext.SeccompProfile != nil, seccompMoved)
	c := &checker{spec: s}
	c.each(p.Child("spec"), func(ctr *corev1.Container, at *field.Path) {
		sc := ctr.SecurityContext
		mention(corev1.SeccompContainerAnnotationKeyPrefix+ctr.Name, sc != nil && sc.SeccompProfile != nil, seccompMoved)
		mention(corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix+ctr.Name, sc != nil && sc.AppArmorProfile != nil, appArmorMoved)
		w.quantities(at.Child("resources"), "limits", ctr.Resources.Limits)
		w.quantities(at.Child("resources"), "requests", ctr.Resources.Requests)
		names := map[string]bool{}
		for i, v := range ctr.Env {
			ref := "$(" + v.Name + ")"
			if names[v.Name] && (v.ValueFrom != nil || v.Value == ref || !strings.Contains(v.Value, ref)) {
				w.say(at.Child("env").Index(i), "hides previous definition of %q, which may be dropped when using apply", v.Name)
			}
			names[v.Name] = true
		}
	})
}

// ports mentions ports and names of ports that are there twice.
func (w *warnings) ports(p *field.Path, s *corev1.PodSpec) {
	type seen struct {
		at   *field.Path
		port corev1.ContainerPort
	}
	var all []seen
	c := &checker{spec: s}
	c.each(p, func(ctr *corev1.Container, p *field.Path) {
		for i, x := range ctr.Ports {
			at, named := p.Child("ports").Index(i), false
			if x.HostIP != "" && x.HostPort == 0 {
				w.say(at, "hostIP set without hostPort: %+v", x)
			}
			for _, old := range all {
				y := old.port
				if x.ContainerPort == y.ContainerPort && x.Protocol == y.Protocol {
					switch {
					case x.HostIP == y.HostIP && x.HostPort == y.HostPort:
						w.say(at, "duplicate port definition with %s", old.at)
					case x.HostPort == 0 || y.HostPort == 0:
						w.say(at, "overlapping port definition with %s", old.at)
					case x.HostPort == y.HostPort && (x.HostIP == "") != (y.HostIP == ""):
						w.say(at, "dangerously ambiguous port definition with %s", old.at)
					}
				}
				if x.Name != "" && x.Name == y.Name && !named {
					named = true
					w.say(at, "duplicate port name %q with %s, services and probes that select ports by name will use %s", x.Name, old.at, old.at)
				}
			}
			all = append(all, seen{at, x})
		}
	})
}

const (
	seccompMoved  = `non-functional in v1.27+; use the "seccompProfile" field instead`
	appArmorMoved = `deprecated since v1.30; use the "appArmorProfile" field instead`
)
