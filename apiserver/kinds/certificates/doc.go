// Package certificates holds the kinds of certificates.k8s.io. All are served
// in v1; trust bundles and the requests of pods are stored in v1beta1, as
// Kubernetes keeps them for the sake of servers one version older.
package certificates

import (
	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Kinds returns the kinds of certificates.k8s.io/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{certificateSigningRequest(), clusterTrustBundle(), podCertificateRequest()}
}

func gvk(kind string) schema.GroupVersionKind {
	return certificatesv1.SchemeGroupVersion.WithKind(kind)
}

func stored(kind string) schema.GroupVersionKind {
	return certificatesv1beta1.SchemeGroupVersion.WithKind(kind)
}

// anyName accepts every name that fits in a path, which the registry checks.
func anyName(string, bool) []string { return nil }
