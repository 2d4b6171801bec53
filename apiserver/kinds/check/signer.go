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

// TrustBundleName judges names of cluster trust bundles of a signer, or of
// bundles without one where signer is empty.
func TrustBundleName(signer string) func(name string, prefix bool) []string {
	return func(name string, prefix bool) []string {
		if signer == "" {
			if strings.Contains(name, ":") {
				return []string{"ClusterTrustBundle without signer name must not have \":\" in its name"}
			}
			return apivalidation.NameIsDNSSubdomain(name, prefix)
		}
		start := strings.ReplaceAll(signer, "/", ":") + ":"
		rest, ok := strings.CutPrefix(name, start)
		if !ok {
			return []string{fmt.Sprintf("ClusterTrustBundle for signerName %s must be named with prefix %s", signer, start)}
		}
		return apivalidation.NameIsDNSSubdomain(rest, prefix)
	}
}
