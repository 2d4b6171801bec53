package check

import (
	"fmt"
	"net/url"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// WebhookURL requires where a webhook can be: an https URL of host and path.
func (e *Errors) WebhookURL(p *field.Path, s string) {
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

// WebhookService requires a service that a webhook can be behind; a nil path
// or port is fine.
func (e *Errors) WebhookService(p *field.Path, namespace, name string, path *string, port *int32) {
	// A missing namespace is reported at the name and the other way round, as
	// clients have come to know it.
	e.NotEmpty(p.Child("name"), namespace)
	e.NotEmpty(p.Child("namespace"), name)
	if port != nil {
		if msgs := validation.IsValidPortNum(int(*port)); len(msgs) > 0 {
			e.Invalid(p.Child("port"), *port, "port is not valid: "+strings.Join(msgs, ", "))
		}
	}
	if path == nil || *path == "" || *path == "/" {
		return
	}
	e.webhookPath(p.Child("path"), *path)
}

func (e *Errors) webhookPath(p *field.Path, path string) {
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
