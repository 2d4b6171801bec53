package admissionregistration

import (
	"fmt"
	"slices"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/admission/match"
)

// reservedSuffix is that of the names of policies and webhooks that a server
// reads from files.
const reservedSuffix = ".static.k8s.io"

const reserved = "names ending with %q are reserved for static manifest-based configurations and cannot be managed via the API"

// newName refuses the name of a new object that is kept for others.
func newName(name string) field.ErrorList {
	if !strings.HasSuffix(name, reservedSuffix) {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), name, fmt.Sprintf(reserved, reservedSuffix))}
}

// oldName warns of the name of an object that was there before such names were
// refused.
func oldName(name string) []string {
	if !strings.HasSuffix(name, reservedSuffix) {
		return nil
	}
	return []string{"metadata.name: " + fmt.Sprintf(reserved, reservedSuffix)}
}

// unasked warns of rules that name resources about which webhooks are never
// asked, because a cluster may not get out of it if they fail.
func unasked(webhook int, rules []v1.RuleWithOperations) (warnings []string) {
	for i := range rules {
		r := &rules[i]
		if slices.Contains(r.APIGroups, "*") || slices.Contains(r.Resources, "*") {
			continue
		}
		var seen []schema.GroupResource
		for _, group := range r.APIGroups {
			for _, resource := range r.Resources {
				gr := schema.GroupResource{Group: group, Resource: resource}
				if !match.Unasked(gr) || slices.Contains(seen, gr) {
					continue
				}
				seen = append(seen, gr)
				warnings = append(warnings, fmt.Sprintf("%s: %s is excluded from admission webhooks; this rule will have no effect",
					field.NewPath("webhooks").Index(webhook).Child("rules").Index(i), gr))
			}
		}
	}
	return warnings
}
