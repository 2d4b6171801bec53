package podspec

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// AppArmorFields writes the AppArmor profiles that annotations name into the
// fields of a new pod that took their place, and returns warnings about them.
func AppArmorFields(spec *corev1.PodSpec, annotations map[string]string) (texts []string) {
	if spec.OS != nil && spec.OS.Name == corev1.Windows || len(annotations) == 0 {
		return nil
	}
	var whole *corev1.AppArmorProfile
	if spec.SecurityContext != nil {
		whole = spec.SecurityContext.AppArmorProfile
	}
	containers(spec, func(c *corev1.Container) {
		key := corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix + c.Name
		value, annotated := annotations[key]
		if !annotated || c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
			return
		}
		profile := appArmorField(value)
		if profile != nil && equality.Semantic.DeepEqual(profile, whole) {
			return
		}
		if profile != nil {
			if c.SecurityContext == nil {
				c.SecurityContext = &corev1.SecurityContext{}
			}
			c.SecurityContext.AppArmorProfile = profile
		}
		w := &warnings{}
		w.say(field.NewPath("metadata", "annotations").Key(key), "%s", appArmorMoved)
		texts = append(texts, w.list...)
	})
	return texts
}

// appArmorField is the profile that an annotation means; nil if it is none.
func appArmorField(value string) *corev1.AppArmorProfile {
	switch value {
	case corev1.DeprecatedAppArmorBetaProfileNameUnconfined:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined}
	case corev1.DeprecatedAppArmorBetaProfileRuntimeDefault:
		return &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeRuntimeDefault}
	}
	local, ok := strings.CutPrefix(value, corev1.DeprecatedAppArmorBetaProfileNamePrefix)
	if !ok || local == "" {
		return nil
	}
	profile := &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeLocalhost, LocalhostProfile: &local}
	c := &checker{}
	if c.appArmor(profile, nil); len(c.List) > 0 {
		return nil
	}
	return profile
}
