// Package resource holds the kinds of resource.k8s.io/v1, by which pods get
// devices (dynamic resource allocation).
//
// Fields of features that Kubernetes 1.37 leaves off are dropped from what is
// written, unless the stored object has some already: derived attributes, lists
// as attributes, compatibility groups, resources that nodes account for, types
// of partitions and skipped node operations.
package resource

import (
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of resource.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{deviceClass(), deviceTaintRule(), resourceClaim(), resourceClaimTemplate(), resourceSlice()}
}

func gvk(kind string) schema.GroupVersionKind { return resourcev1.SchemeGroupVersion.WithKind(kind) }
