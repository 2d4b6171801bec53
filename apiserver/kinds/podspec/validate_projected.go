package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func (c *checker) projected(p *field.Path, s *corev1.ProjectedVolumeSource) {
	c.mode(p.Child("defaultMode"), s.DefaultMode)
	paths := map[string]bool{}
	take := func(path string, value any) {
		if path == "" {
			return
		}
		if paths[path] {
			c.Invalid(p, value, "conflicting duplicate paths")
		}
		paths[path] = true
	}
	for i := range s.Sources {
		from, at := &s.Sources[i], p.Child("sources").Index(i)
		sources := 0
		if x := from.Secret; x != nil {
			sources++
			c.NotEmpty(at.Child("secret", "name"), x.Name)
			c.items(at.Child("secret", "items"), x.Items)
			for _, item := range x.Items {
				take(item.Path, x.Name)
			}
		}
		if x := from.ConfigMap; x != nil {
			sources++
			c.NotEmpty(at.Child("configMap", "name"), x.Name)
			c.items(at.Child("configMap", "items"), x.Items)
			for _, item := range x.Items {
				take(item.Path, x.Name)
			}
		}
		if x := from.DownwardAPI; x != nil {
			sources++
			for j := range x.Items {
				c.downward(at.Child("downwardAPI"), &x.Items[j])
				take(x.Items[j].Path, x.Items[j].Path)
			}
		}
		if x := from.ServiceAccountToken; x != nil {
			sources++
			c.token(x, at.Child("serviceAccountToken"), p.Child("path"))
		}
		if x := from.ClusterTrustBundle; x != nil {
			sources++
			c.trustBundle(x, at.Child("clusterTrustBundle"))
			if paths[x.Path] {
				c.Invalid(p, x.Path, "conflicting duplicate paths")
			}
			paths[x.Path] = true
		}
		if x := from.PodCertificate; x != nil {
			sources++
			c.podCertificate(x, at.Child("podCertificate"))
			for _, path := range []string{x.CredentialBundlePath, x.KeyPath, x.CertificateChainPath} {
				take(path, path)
			}
		}
		if sources > 1 {
			c.Forbidden(at, "may not specify more than 1 volume type per source")
		}
	}
}

func (c *checker) token(x *corev1.ServiceAccountTokenProjection, p, path *field.Path) {
	at := p.Child("expirationSeconds")
	switch s := x.ExpirationSeconds; {
	case s == nil:
		c.Required(at, "")
	case *s < 10*60:
		c.Invalid(at, *s, "may not specify a duration less than 10 minutes")
	case *s > 1<<32:
		c.Invalid(at, *s, "may not specify a duration larger than 2^32 seconds")
	}
	if x.Path == "" {
		c.Required(path, "")
	} else {
		c.inside(path, x.Path)
	}
}

func (c *checker) trustBundle(x *corev1.ClusterTrustBundleProjection, p *field.Path) {
	switch {
	case x.Name != nil && x.SignerName != nil:
		c.Invalid(p, x, "only one of name and signerName may be used")
	case x.Name != nil:
		if *x.Name == "" {
			c.Required(p.Child("name"), "must be a valid object name")
		}
		signer := ""
		if i := strings.LastIndex(*x.Name, ":"); i >= 0 {
			signer = (*x.Name)[:i]
		}
		for _, msg := range check.TrustBundleName(signer)(*x.Name, false) {
			c.Invalid(p.Child("name"), *x.Name, "not a valid clustertrustbundlename: "+msg)
		}
		if x.LabelSelector != nil {
			c.Invalid(p.Child("labelSelector"), x.LabelSelector, "labelSelector must be unset if name is specified")
		}
	case x.SignerName != nil:
		if *x.SignerName == "" {
			c.Required(p.Child("signerName"), "must be a valid signer name")
		}
		c.SignerName(p.Child("signerName"), *x.SignerName)
		c.Selector(p.Child("labelSelector"), x.LabelSelector)
	default:
		c.Required(p, "either name or signerName must be specified")
	}
	c.NotEmpty(p.Child("path"), x.Path)
	c.inside(p.Child("path"), x.Path)
}

func (c *checker) podCertificate(x *corev1.PodCertificateProjection, p *field.Path) {
	c.SignerName(p.Child("signerName"), x.SignerName)
	for key := range x.UserAnnotations {
		c.Add(validation.IsDomainPrefixedKey(p.Child("userAnnotations"), strings.ToLower(key))...)
	}
	check.OneOf(&c.Errors, p.Child("keyType"), x.KeyType, "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
	if s := x.MaxExpirationSeconds; s != nil {
		const least, day = 3600, 24 * 3600
		most := int32(91 * day)
		if strings.HasPrefix(x.SignerName, "kubernetes.io/") {
			most = day
		}
		if *s < least {
			c.Invalid(p.Child("maxExpirationSeconds"), *s, "if provided, maxExpirationSeconds must be >= 3600")
		}
		if *s > most {
			c.Invalid(p.Child("maxExpirationSeconds"), *s, fmt.Sprintf("if provided, maxExpirationSeconds must be <= %d", most))
		}
	}
	none := true
	for _, f := range []struct{ name, path string }{
		{"credentialBundlePath", x.CredentialBundlePath}, {"keyPath", x.KeyPath}, {"certificateChainPath", x.CertificateChainPath},
	} {
		if f.path != "" {
			none = false
			c.inside(p.Child(f.name), f.path)
		}
	}
	if none {
		c.Required(p, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath")
	}
}
