// Package certificates holds the kinds of certificates.k8s.io/v1.
package certificates

import (
	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of certificates.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{certificateSigningRequest()}
}

func gvk(kind string) schema.GroupVersionKind {
	return certificatesv1.SchemeGroupVersion.WithKind(kind)
}
