package admissionregistration

import (
	"fmt"
	"net/url"
	"strings"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// client requires where a webhook is reached, by its URL or by a service.
func client(e *check.Errors, p *field.Path, c *v1.WebhookClientConfig) {
	switch {
	case (c.URL == nil) == (c.Service == nil):
		e.Required(p, "exactly one of url or service is required")
	case c.URL != nil:
		clientURL(e, p.Child("url"), *c.URL)
	default:
		service(e, p.Child("service"), c.Service)
	}
}

func clientURL(e *check.Errors, p *field.Path, s string) {
	const form = "; desired format: https://host[/path]"
	u, err := url.Parse(s)
	if err != nil {
		e.Required(p, "url must be a valid URL: "+err.Error()+form)
		return
	}
	refuse := func(broken bool, value, detail string) {
		if broken {
			e.Invalid(p, value, detail)
		}
	}
	refuse(u.Scheme != "https", u.Scheme, "'https' is the only allowed URL scheme"+form)
	refuse(u.Host == "", u.Host, "host must be specified"+form)
	refuse(u.User != nil, u.User.String(), "user information is not permitted in the URL")
	refuse(u.Fragment != "", u.Fragment, "fragments are not permitted in the URL")
	refuse(u.RawQuery != "", u.RawQuery, "query parameters are not permitted in the URL")
}

func service(e *check.Errors, p *field.Path, s *v1.ServiceReference) {
	// A missing namespace is reported at the name and the other way round, as
	// clients have come to know it.
	e.NotEmpty(p.Child("name"), s.Namespace)
	e.NotEmpty(p.Child("namespace"), s.Name)
	if n := s.Port; n != nil {
		if msgs := validation.IsValidPortNum(int(*n)); len(msgs) > 0 {
			e.Invalid(p.Child("port"), *n, "port is not valid: "+strings.Join(msgs, ", "))
		}
	}
	if s.Path == nil || *s.Path == "" || *s.Path == "/" {
		return
	}
	p, path := p.Child("path"), *s.Path
	if path[0] != '/' {
		e.Invalid(p, path, "must start with a '/'")
	}
	for i, step := range strings.Split(strings.TrimSuffix(path[1:], "/"), "/") {
		if step == "" {
			e.Invalid(p, path, fmt.Sprintf("segment[%d] may not be empty", i))
			continue
		}
		for _, msg := range validation.IsDNS1123Subdomain(step) {
			e.Invalid(p, path, fmt.Sprintf("segment[%d]: %s", i, msg))
		}
	}
}
