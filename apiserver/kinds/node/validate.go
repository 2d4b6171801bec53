package node

import (
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func validate(rc *nodev1.RuntimeClass) field.ErrorList {
	e := &check.Errors{}
	if o := rc.Overhead; o != nil {
		e.Requirements(field.NewPath("overhead"), &corev1.ResourceRequirements{Limits: o.PodFixed}, nil, (*check.Errors).ContainerResourceName)
	}
	if s := rc.Scheduling; s != nil {
		p := field.NewPath("scheduling")
		e.Labels(p.Child("nodeSelector"), s.NodeSelector)
		podspec.Tolerations(e, p.Child("tolerations"), s.Tolerations)
		seen := map[corev1.Toleration]bool{}
		for i, t := range s.Tolerations {
			key := t
			key.TolerationSeconds = nil
			if seen[key] {
				e.Duplicate(p.Child("tolerations").Index(i), t)
			}
			seen[key] = true
		}
	}
	return e.List
}

func validateUpdate(rc, old *nodev1.RuntimeClass) field.ErrorList {
	e := &check.Errors{List: validate(rc)}
	if rc.Handler != "" && rc.Handler != old.Handler {
		// The rule of the name is not asked where it is found changed.
		e.DNSLabel(field.NewPath("handler"), rc.Handler)
	}
	return e.List
}
