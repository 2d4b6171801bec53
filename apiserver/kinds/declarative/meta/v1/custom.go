package v1

import (
	"context"

	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateCustom_Condition_LastTransitionTime demands the time of a condition.
func ValidateCustom_Condition_LastTransitionTime(_ context.Context, _ operation.Operation, fldPath *field.Path, value, _ *metav1.Time) field.ErrorList {
	if value.IsZero() {
		return field.ErrorList{field.Required(fldPath, "")}
	}
	return nil
}
