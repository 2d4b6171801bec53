// Package policy holds the kinds of policy/v1.
package policy

import (
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of policy/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{podDisruptionBudget()}
}

func gvk(kind string) schema.GroupVersionKind { return policyv1.SchemeGroupVersion.WithKind(kind) }
