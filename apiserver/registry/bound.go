package registry

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// How many errors an answer tells of, and in how many bytes at most; putting
// them together takes time that grows with the square of either.
const (
	maxErrors    = 500
	maxErrorText = 1 << 20
)

// bounded leaves out errors beyond the limits, and says how many. At least one
// stays.
func bounded(errs field.ErrorList) field.ErrorList {
	const few = 8 // that many are not worth measuring
	if len(errs) <= few {
		return errs
	}
	keep, size := 0, 0
	for keep < len(errs) && keep < maxErrors {
		if size += len(errs[keep].Error()); size > maxErrorText && keep > 0 {
			break
		}
		keep++
	}
	if keep == len(errs) {
		return errs
	}
	return append(errs[:keep:keep], &field.Error{
		Type: field.ErrorTypeForbidden, Field: "<more>", Detail: fmt.Sprintf("%d further errors are left out", len(errs)-keep),
	})
}
