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

type warnings struct{ list []string }

func (w *warnings) say(p *field.Path, text string, args ...any) {
	w.list = append(w.list, p.String()+": "+fmt.Sprintf(text, args...))
}

// NewTemplateWarnings are the Warnings about a template at p of a new object
// whose name its pods' names start with.
func NewTemplateWarnings(p *field.Path, name string, t *corev1.PodTemplateSpec) []string {
	return append(NameWarnings(name), TemplateWarnings(p, t)...)
}

// NameWarnings is what is worth mentioning about the name of a new object that
// its pods' names start with.
func NameWarnings(name string) []string {
	w := &warnings{}
	if msgs := validation.IsDNS1123Label(name); len(msgs) > 0 {
		w.say(field.NewPath("metadata", "name"), "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: %v", msgs)
	}
	return w.list
}

// TemplateWarnings are the Warnings about a template at p, if there is one.
func TemplateWarnings(p *field.Path, t *corev1.PodTemplateSpec) []string {
	if t == nil {
		return nil
	}
	return Warnings(p, &t.ObjectMeta, &t.Spec)
}

// Warnings are what is worth mentioning about the pods of a template at p, or
// about a pod with p nil.
func Warnings(p *field.Path, meta *metav1.ObjectMeta, s *corev1.PodSpec) []string {
	w, spec := &warnings{}, p.Child("spec")
	bytes := []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage}
	for _, key := range slices.Sorted(maps.Keys(s.NodeSelector)) {
		if msg := OldNodeLabel(key); msg != "" {
			w.say(spec.Child("nodeSelector").Key(key), "%s", msg)
		}
	}
	if a := s.Affinity; a != nil && a.NodeAffinity != nil {
		at := spec.Child("affinity", "nodeAffinity")
		w.nodeSelector(at.Child("requiredDuringSchedulingIgnoredDuringExecution"), a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		for i, t := range a.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
			w.nodeTerm(at.Child("preferredDuringSchedulingIgnoredDuringExecution").Index(i).Child("preference"), t.Preference, true)
		}
	}
	for i, t := range s.TopologySpreadConstraints {
		p := spec.Child("topologySpreadConstraints").Index(i)
		if msg := OldNodeLabel(t.TopologyKey); msg != "" {
			w.say(p.Child("topologyKey"), "%s is %s", t.TopologyKey, msg)
		}
		w.matchesNone(p, t.LabelSelector)
	}
	w.annotations(p.Child("metadata", "annotations"), meta.Annotations, [][2]string{
		{"scheduler.alpha.kubernetes.io/critical-pod", `non-functional in v1.16+; use the "priorityClassName" field instead`},
		{"security.alpha.kubernetes.io/sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
		{"security.alpha.kubernetes.io/unsafe-sysctls", `non-functional in v1.11+; use the "sysctls" field instead`},
	})
	w.volumes(spec.Child("volumes"), s.Volumes)
	w.overlaps(s.Volumes)
	w.twice(spec, s)
	for _, r := range bytes {
		w.fraction(spec.Child("overhead"), s.Overhead, r)
	}
	w.containers(p, meta, s)
	w.ports(spec, s)
	w.portNames(spec, s)
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

// annotations mentions those of the pairs of annotations and texts that are set.
func (w *warnings) annotations(p *field.Path, set map[string]string, old [][2]string) {
	for _, a := range old {
		if _, ok := set[a[0]]; ok {
			w.say(p.Key(a[0]), "%s", a[1])
		}
	}
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

// oldSource is a volume source that has had its day.
type oldSource struct {
	name string
	is   bool
	text string
}

func (w *warnings) sources(p *field.Path, list []oldSource) {
	for _, old := range list {
		if old.is {
			w.say(p.Child(old.name), "%s", old.text)
		}
	}
}

func (w *warnings) volumes(p *field.Path, list []corev1.Volume) {
	for i, v := range list {
		w.sources(p.Index(i), []oldSource{
			{"photonPersistentDisk", v.PhotonPersistentDisk != nil, "deprecated in v1.11, non-functional in v1.16+"},
			{"gitRepo", v.GitRepo != nil, "deprecated in v1.11, and disabled by default in v1.33+"},
			{"scaleIO", v.ScaleIO != nil, "deprecated in v1.16, non-functional in v1.22+"},
			{"flocker", v.Flocker != nil, "deprecated in v1.22, non-functional in v1.25+"},
			{"storageOS", v.StorageOS != nil, "deprecated in v1.22, non-functional in v1.25+"},
			{"quobyte", v.Quobyte != nil, "deprecated in v1.22, non-functional in v1.25+"},
			{"glusterfs", v.Glusterfs != nil, "deprecated in v1.25, non-functional in v1.26+"},
		})
		if e := v.Ephemeral; e != nil && e.VolumeClaimTemplate != nil {
			w.claim(p.Index(i).Child("ephemeral", "volumeClaimTemplate", "spec"), &e.VolumeClaimTemplate.Spec)
		}
		w.sources(p.Index(i), []oldSource{
			{"cephfs", v.CephFS != nil, "deprecated in v1.28, non-functional in v1.31+"},
			{"rbd", v.RBD != nil, "deprecated in v1.28, non-functional in v1.31+"},
		})
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
	secrets := p.Child("imagePullSecrets")
	for i, r := range s.ImagePullSecrets {
		if names[r.Name] {
			w.say(secrets.Index(i).Child("name"), "duplicate name %q", r.Name)
		}
		names[r.Name] = true
	}
	for i, r := range s.ImagePullSecrets {
		if r.Name == "" {
			w.say(secrets.Index(i).Child("name"), "invalid empty name %q", r.Name)
		}
	}
}

// fraction mentions an amount that is not a whole number of bytes.
func (w *warnings) fraction(p *field.Path, list corev1.ResourceList, r corev1.ResourceName) {
	if q, ok := list[r]; ok && q.MilliValue()%1000 != 0 {
		w.say(p.Key(string(r)), "fractional byte value %q is invalid, must be an integer", q.String())
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
	c, bytes := &checker{spec: s}, []corev1.ResourceName{corev1.ResourceMemory, corev1.ResourceEphemeralStorage}
	c.each(p.Child("spec"), func(ctr *corev1.Container, at *field.Path) {
		sc := ctr.SecurityContext
		mention(corev1.SeccompContainerAnnotationKeyPrefix+ctr.Name, sc != nil && sc.SeccompProfile != nil, seccompMoved)
		if p != nil { // AppArmorFields tells it of a pod
			w.appArmor(annotations, meta, s, ctr)
		}
		for _, r := range bytes {
			w.fraction(at.Child("resources", "limits"), ctr.Resources.Limits, r)
			w.fraction(at.Child("resources", "requests"), ctr.Resources.Requests, r)
		}
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

// ports mentions ports that are there twice.
func (w *warnings) ports(p *field.Path, s *corev1.PodSpec) {
	type seen struct {
		at   *field.Path
		port corev1.ContainerPort
	}
	var all []seen
	c := &checker{spec: s}
	c.each(p, func(ctr *corev1.Container, p *field.Path) {
		for i, x := range ctr.Ports {
			at := p.Child("ports").Index(i)
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
			}
			all = append(all, seen{at, x})
		}
	})
}

func (w *warnings) portNames(p *field.Path, s *corev1.PodSpec) {
	first := map[string]*field.Path{}
	c := &checker{spec: s}
	c.each(p, func(ctr *corev1.Container, p *field.Path) {
		for i, x := range ctr.Ports {
			at := p.Child("ports").Index(i)
			if x.Name == "" {
				continue
			}
			if other := first[x.Name]; other != nil {
				w.say(at, "duplicate port name %q with %s, services and probes that select ports by name will use %s", x.Name, other, other)
			} else {
				first[x.Name] = at
			}
		}
	})
}

// appArmor mentions an annotation in the place of a field, unless the pod's
// field says the same.
func (w *warnings) appArmor(p *field.Path, meta *metav1.ObjectMeta, s *corev1.PodSpec, ctr *corev1.Container) {
	key := corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + ctr.Name
	value, ok := meta.Annotations[key]
	if !ok || ctr.SecurityContext != nil && ctr.SecurityContext.AppArmorProfile != nil {
		return
	}
	if sc := s.SecurityContext; sc != nil && sc.AppArmorProfile != nil && equality.Semantic.DeepEqual(sc.AppArmorProfile, appArmorField(value)) {
		return
	}
	w.say(p.Key(key), "%s", appArmorMoved)
}

const (
	seccompMoved  = `non-functional in v1.27+; use the "seccompProfile" field instead`
	appArmorMoved = `deprecated since v1.30; use the "appArmorProfile" field instead`
)
