package core

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func validateNode(n *corev1.Node) field.ErrorList {
	e := &check.Errors{}
	nodeAnnotations(e, field.NewPath("metadata", "annotations"), n.Annotations)
	taints(e, field.NewPath("metadata", "taints"), n.Spec.Taints)
	nodeResources(e, n)
	if swap := n.Status.NodeInfo.Swap; swap != nil && swap.Capacity != nil {
		e.Positive(field.NewPath("metadata", "nodeSwapStatus", "capacity"), *swap.Capacity)
	}
	declaredFeatures(e, n.Status.DeclaredFeatures)
	at := field.NewPath("spec", "podCIDRs")
	for i, cidr := range n.Spec.PodCIDRs {
		e.CIDR(at.Index(i), cidr)
	}
	if len(n.Spec.PodCIDRs) > 1 {
		dual, err := netutils.IsDualStackCIDRStrings(n.Spec.PodCIDRs)
		if err != nil {
			e.Add(field.InternalError(at, fmt.Errorf("invalid PodCIDRs. failed to check with dual stack with error:%v", err)))
		}
		if !dual || len(n.Spec.PodCIDRs) > 2 {
			e.Invalid(at, n.Spec.PodCIDRs, "may specify no more than one CIDR for each IP family")
		}
	}
	return e.List
}

// nodeAnnotations checks what was kept in annotations before there were fields.
func nodeAnnotations(e *check.Errors, p *field.Path, set map[string]string) {
	const tainted = "scheduler.alpha.kubernetes.io/taints"
	if s := set[tainted]; s != "" {
		var list []corev1.Taint
		if err := json.Unmarshal([]byte(s), &list); err != nil {
			e.Invalid(p, tainted, err.Error())
		} else {
			taints(e, p.Child(tainted), list)
		}
	}
	if s := set[corev1.PreferAvoidPodsAnnotationKey]; s != "" {
		var avoid corev1.AvoidPods
		if err := json.Unmarshal([]byte(s), &avoid); err != nil {
			e.Invalid(p.Child("AvoidPods"), corev1.PreferAvoidPodsAnnotationKey, err.Error())
		}
		for i, entry := range avoid.PreferAvoidPods {
			at := p.Child(corev1.PreferAvoidPodsAnnotationKey).Index(i).Child("PodSignature")
			if c := entry.PodSignature.PodController; c == nil {
				e.Required(at, "")
			} else if c.Controller == nil || !*c.Controller {
				e.Invalid(at.Child("PodController", "Controller"), false, "must point to a controller")
			}
		}
	}
}

func taints(e *check.Errors, p *field.Path, list []corev1.Taint) {
	type pair struct {
		key    string
		effect corev1.TaintEffect
	}
	seen := map[pair]bool{}
	for i, t := range list {
		at := p.Index(i)
		e.LabelName(at.Child("key"), t.Key)
		if msgs := validation.IsValidLabelValue(t.Value); len(msgs) > 0 {
			e.Invalid(at.Child("value"), t.Value, strings.Join(msgs, ";"))
		}
		if t.Effect == "" {
			e.Required(at.Child("effect"), "")
		} else {
			podspec.TaintEffect(e, at.Child("effect"), t.Effect)
		}
		if seen[pair{t.Key, t.Effect}] {
			e.Duplicate(at, t)
			e.List[len(e.List)-1].Detail = "taints must be unique by key and effect pair"
		}
		seen[pair{t.Key, t.Effect}] = true
	}
}

func nodeResources(e *check.Errors, n *corev1.Node) {
	for _, name := range check.Names(n.Status.Capacity) {
		e.Quantity(field.NewPath("status", "capacity", string(name)), name, n.Status.Capacity[name])
	}
	for _, name := range check.Names(n.Status.Allocatable) {
		e.Quantity(field.NewPath("status", "allocatable", string(name)), name, n.Status.Allocatable[name])
	}
}

func declaredFeatures(e *check.Errors, list []string) {
	if len(list) == 0 {
		return
	}
	valid := regexp.MustCompile(`^[A-Z][a-zA-Z0-9]*(\/[a-zA-Z][a-zA-Z0-9]*)*$`)
	p := field.NewPath("status", "declaredFeatures")
	for i, name := range list {
		if i == 0 {
		} else if before := list[i-1]; before == name {
			e.Duplicate(p.Index(i), name)
		} else if before > name {
			e.Invalid(p.Index(i), name, "list must be sorted alphabetically")
		}
		if most := validation.DNS1123SubdomainMaxLength; len(name) > most {
			e.Invalid(p.Index(i), name, fmt.Sprintf("invalid feature name %q: must be no more than %d characters", name, most))
		} else if !valid.MatchString(name) {
			e.Invalid(p.Index(i), name, fmt.Sprintf("invalid feature name %q: must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes", name))
		}
	}
}

// validateNodeUpdate checks a change of a node or of its status.
func validateNodeUpdate(n, old *corev1.Node) field.ErrorList {
	e, spec := &check.Errors{}, field.NewPath("spec")
	nodeAnnotations(e, field.NewPath("metadata", "annotations"), n.Annotations)
	nodeResources(e, n)
	declaredFeatures(e, n.Status.DeclaredFeatures)
	for i, a := range n.Status.Addresses {
		if slices.Contains(n.Status.Addresses[:i], a) {
			e.Duplicate(field.NewPath("status", "addresses").Index(i), a)
		}
	}
	const cidrs = "node updates may not change podCIDR except from \"\" to valid"
	if was := old.Spec.PodCIDRs; len(was) > 0 {
		if len(was) != len(n.Spec.PodCIDRs) {
			e.Forbidden(spec.Child("podCIDRs"), cidrs)
		} else {
			for i := range was {
				if was[i] != n.Spec.PodCIDRs[i] {
					e.Forbidden(spec.Child("podCIDRs"), cidrs)
				}
			}
		}
	}
	if was, now := old.Spec.ProviderID, n.Spec.ProviderID; was != "" && now == "" {
		e.Invalid(spec.Child("providerID"), nil, "field cannot be cleared once set")
	} else if was != "" && was != now {
		e.Invalid(spec.Child("providerID"), nil, "field cannot be modified once set")
	}
	if c := n.Spec.ConfigSource; c != nil {
		configSource(e, spec.Child("configSource"), c, false)
	}
	if c := n.Status.Config; c != nil {
		at := field.NewPath("status", "config")
		for _, s := range []struct {
			name   string
			source *corev1.NodeConfigSource
		}{{"assigned", c.Assigned}, {"active", c.Active}, {"lastKnownGood", c.LastKnownGood}} {
			if s.source != nil {
				configSource(e, at.Child(s.name), s.source, true)
			}
		}
	}
	taints(e, field.NewPath("metadata", "taints"), n.Spec.Taints)
	if n.Spec.DoNotUseExternalID != old.Spec.DoNotUseExternalID {
		e.Forbidden(spec.Child("externalID"), "may not be updated")
	}
	return e.List
}

// configSource checks where a kubelet's configuration comes from: which version
// of it is for the status to say.
func configSource(e *check.Errors, p *field.Path, c *corev1.NodeConfigSource, status bool) {
	m, at := c.ConfigMap, p.Child("configMap")
	if m == nil {
		e.Invalid(p, c, "exactly one reference subfield must be non-nil")
		return
	}
	for _, f := range [][2]string{{"uid", string(m.UID)}, {"resourceVersion", m.ResourceVersion}} {
		if status {
			e.NotEmpty(at.Child(f[0]), f[1])
		} else if f[1] != "" {
			e.Forbidden(at.Child(f[0]), f[0]+" must not be set in spec")
		}
	}
	if m.Namespace == "" {
		e.Required(at.Child("namespace"), "")
	} else {
		e.Messages(at.Child("namespace"), m.Namespace, apivalidation.ValidateNamespaceName(m.Namespace, false))
	}
	if m.Name == "" {
		e.Required(at.Child("name"), "")
	} else {
		e.Messages(at.Child("name"), m.Name, apivalidation.NameIsDNSSubdomain(m.Name, false))
	}
	if m.KubeletConfigKey == "" {
		e.Required(at.Child("kubeletConfigKey"), "")
	} else {
		e.Messages(at.Child("kubeletConfigKey"), m.KubeletConfigKey, validation.IsConfigMapKey(m.KubeletConfigKey))
	}
}
