package v1

import (
	"context"
	"strings"

	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// firstPriority is the lowest priority that is not kept for Kubernetes' own
// eviction responders.
const firstPriority = 1000

// ValidateCustom_EvictionResponder_Name keeps responders below the domains
// k8s.io and kubernetes.io for Kubernetes itself.
func ValidateCustom_EvictionResponder_Name(_ context.Context, _ operation.Operation, fldPath *field.Path, value, _ *string) field.ErrorList {
	if value == nil {
		return nil
	}
	domain, _, _ := strings.Cut(*value, "/")
	domain = "." + strings.TrimRight(strings.TrimSpace(strings.ToLower(domain)), ".")
	if !strings.HasSuffix(domain, ".k8s.io") && !strings.HasSuffix(domain, ".kubernetes.io") {
		return nil
	}
	return field.ErrorList{field.Invalid(fldPath, *value, "domain names *.k8s.io, *.kubernetes.io are reserved")}
}

// ValidateCustom_EvictionResponder_Priority refuses the priorities of
// Kubernetes' own responders.
func ValidateCustom_EvictionResponder_Priority(_ context.Context, _ operation.Operation, fldPath *field.Path, value, _ *int32) field.ErrorList {
	if value == nil || *value < 0 || *value >= firstPriority {
		return nil
	}
	return field.ErrorList{field.Invalid(fldPath, *value, "priorities 0-999 are reserved for responders with *.k8s.io suffix")}
}
