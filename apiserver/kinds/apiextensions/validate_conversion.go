package apiextensions

import (
	"slices"
	"strings"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/transport"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// reviewVersions are those of conversion reviews that servers speak.
func reviewVersions() []string { return []string{"v1", "v1beta1"} }

func known(version string) bool { return slices.Contains(reviewVersions(), version) }

func (j *judge) conversion(s *internal.CustomResourceDefinitionSpec, p *field.Path) {
	c := s.Conversion
	if c == nil {
		return
	}
	if c.Strategy != internal.NoneConverter && (s.PreserveUnknownFields == nil || *s.PreserveUnknownFields) {
		j.Invalid(p.Child("strategy"), c.Strategy, "must be None if spec.preserveUnknownFields is true")
	}
	check.RequiredOneOf(j.Errors, p.Child("strategy"), c.Strategy, internal.NoneConverter, internal.WebhookConverter)
	if c.Strategy != internal.WebhookConverter {
		const misplaced = "should not be set when strategy is not set to Webhook"
		if c.WebhookClientConfig != nil {
			j.Forbidden(p.Child("webhookClientConfig"), misplaced)
		}
		if len(c.ConversionReviewVersions) > 0 {
			j.Forbidden(p.Child("conversionReviewVersions"), misplaced)
		}
		return
	}
	j.webhook(c.WebhookClientConfig, p.Child("webhookClientConfig"))
	j.reviewed(c.ConversionReviewVersions, p.Child("conversionReviewVersions"))
}

func (j *judge) webhook(c *internal.WebhookClientConfig, p *field.Path) {
	if c == nil {
		j.Required(p, "required when strategy is set to Webhook")
		return
	}
	switch s := c.Service; {
	case (c.URL == nil) == (s == nil):
		j.Required(p, "exactly one of url or service is required")
	case c.URL != nil:
		j.WebhookURL(p.Child("url"), *c.URL)
	default:
		j.WebhookService(p.Child("service"), s.Namespace, s.Name, s.Path, &s.Port)
	}
	if len(c.CABundle) > 0 && j.strict.authority {
		authority(j.Errors, p.Child("caBundle"), c.CABundle)
	}
}

// authority requires certificates that a client can check servers by.
func authority(e *check.Errors, p *field.Path, bundle []byte) {
	if _, err := transport.TLSConfigFor(&transport.Config{TLS: transport.TLSConfig{CAData: bundle}}); err != nil {
		e.Invalid(p, bundle, err.Error())
	}
}

func (j *judge) reviewed(versions []string, p *field.Path) {
	if len(versions) == 0 {
		j.Required(p, "")
		return
	}
	for i, v := range versions {
		if slices.Contains(versions[:i], v) {
			j.Invalid(p.Index(i), v, "duplicate version")
			continue
		}
		j.Messages(p.Index(i), v, validation.IsDNS1035Label(v))
	}
	if j.strict.reviews && !slices.ContainsFunc(versions, known) {
		j.Invalid(p, versions, "must include at least one of "+strings.Join(reviewVersions(), ", "))
	}
}
