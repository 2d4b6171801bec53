package check

import (
	"fmt"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// SignerName requires the name of a signer of certificates, a domain and a path.
func (e *Errors) SignerName(p *field.Path, name string) {
	if name == "" {
		e.Required(p, "")
		return
	}
	domain, path, ok := strings.Cut(name, "/")
	if !ok || strings.Contains(path, "/") {
		e.Invalid(p, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")
		return
	}
	const most = validation.DNS1123SubdomainMaxLength
	if len(domain) > most {
		e.TooLong(p, most)
	}
	labels := func(of string, valid func(string) []string) {
		for label := range strings.SplitSeq(of, ".") {
			if msgs := valid(label); len(msgs) > 0 {
				for _, msg := range msgs {
					e.Invalid(p, of, fmt.Sprintf("validating label %q: %s", label, msg))
				}
				return
			}
		}
	}
	labels(domain, validation.IsDNS1123Label)
	if !strings.Contains(domain, ".") {
		e.Invalid(p, domain, "should be a domain with at least two segments separated by dots")
	}
	labels(path, validation.IsDNS1123Subdomain)
	if limit := 2*most + validation.DNS1123LabelMaxLength + 2; len(name) > limit {
		e.TooLong(p, limit)
	}
}

// TrustBundleName returns what is wrong with the name of a cluster trust
// bundle of a signer; without one signer is empty.
func TrustBundleName(signer, name string) []string {
	if signer == "" {
		if strings.Contains(name, ":") {
			return []string{"ClusterTrustBundle without signer name must not have \":\" in its name"}
		}
		return apivalidation.NameIsDNSSubdomain(name, false)
	}
	prefix := strings.ReplaceAll(signer, "/", ":") + ":"
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return []string{fmt.Sprintf("ClusterTrustBundle for signerName %s must be named with prefix %s", signer, prefix)}
	}
	return apivalidation.NameIsDNSSubdomain(rest, false)
}
