package networking

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	classAnnotation   = "kubernetes.io/ingress.class"
	longestController = 250
	notAnIP           = "must be a DNS name, not an IP address"
)

func validateIngress(ing *networkingv1.Ingress) field.ErrorList {
	e := &check.Errors{List: validateIngressSpec(ing)}
	if a, ok := ing.Annotations[classAnnotation]; ok && ing.Spec.IngressClassName != nil && a != *ing.Spec.IngressClassName {
		e.Invalid(field.NewPath("annotations", classAnnotation), a, "must match `ingressClassName` when both are specified")
	}
	return e.List
}

func validateIngressSpec(ing *networkingv1.Ingress) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &ing.Spec
	if len(s.Rules) == 0 && s.DefaultBackend == nil {
		e.Invalid(p, s.Rules, "either `defaultBackend` or `rules` must be specified")
	}
	if s.DefaultBackend != nil {
		backend(e, p.Child("defaultBackend"), s.DefaultBackend)
	}
	for i, r := range s.Rules {
		p := p.Child("rules").Index(i)
		if r.Host != "" {
			if netutils.ParseIPSloppy(r.Host) != nil {
				e.Invalid(p.Child("host"), r.Host, notAnIP)
			}
			host(e, p.Child("host"), r.Host)
		}
		if r.HTTP == nil {
			continue
		}
		p = p.Child("http", "paths")
		if len(r.HTTP.Paths) == 0 {
			e.Required(p, "")
		}
		for i := range r.HTTP.Paths {
			httpPath(e, p.Index(i), &r.HTTP.Paths[i])
		}
	}
	for i, t := range s.TLS {
		p := p.Child("tls").Index(i)
		for j, h := range t.Hosts {
			host(e, p.Child("hosts").Index(j), h)
		}
		if t.SecretName != "" {
			e.DNSSubdomain(p.Child("secretName"), t.SecretName)
		}
	}
	if c := s.IngressClassName; c != nil {
		e.DNSSubdomain(p.Child("ingressClassName"), *c)
	}
	return e.List
}

func host(e *check.Errors, p *field.Path, h string) {
	if strings.Contains(h, "*") {
		e.Messages(p, h, validation.IsWildcardDNS1123Subdomain(h))
	} else {
		e.DNSSubdomain(p, h)
	}
}

func httpPath(e *check.Errors, p *field.Path, path *networkingv1.HTTPIngressPath) {
	if path.PathType == nil {
		e.Required(p.Child("pathType"), "pathType must be specified")
		return
	}
	t, at := *path.PathType, p.Child("path")
	const exact, prefix, open = networkingv1.PathTypeExact, networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific
	check.OneOf(e, p.Child("pathType"), t, exact, open, prefix)
	strict := t == exact || t == prefix
	if (strict || t == open && path.Path != "") && !strings.HasPrefix(path.Path, "/") {
		e.Invalid(at, path.Path, "must be an absolute path")
	}
	if strict {
		for _, s := range []string{"//", "/./", "/../", "%2f", "%2F"} {
			if strings.Contains(path.Path, s) {
				e.Invalid(at, path.Path, "must not contain '"+s+"'")
			}
		}
		for _, s := range []string{"/..", "/."} {
			if strings.HasSuffix(path.Path, s) {
				e.Invalid(at, path.Path, "cannot end with '"+s+"'")
			}
		}
	}
	backend(e, p.Child("backend"), &path.Backend)
}

func backend(e *check.Errors, p *field.Path, b *networkingv1.IngressBackend) {
	switch s := b.Service; {
	case s != nil && b.Resource != nil:
		e.Invalid(p, "", "cannot set both resource and service backends")
	case b.Resource != nil:
		reference(e, p.Child("resource"), b.Resource)
	case s == nil:
		e.Invalid(p, "", "resource or service backend is required")
	default:
		at := p.Child("service")
		if s.Name == "" {
			e.Required(at.Child("name"), "")
		} else {
			e.Messages(at.Child("name"), s.Name, apivalidation.NameIsDNSLabel(s.Name, false))
		}
		switch port := s.Port; {
		case port.Name != "" && port.Number != 0:
			e.Invalid(p, "", "cannot set both port name & port number")
		case port.Name != "":
			e.Messages(at.Child("port", "name"), port.Name, validation.IsValidPortName(port.Name))
		case port.Number != 0:
			e.Port(at.Child("port", "number"), port.Number)
		default:
			e.Required(p, "port name or number is required")
		}
	}
}

func reference(e *check.Errors, p *field.Path, r *corev1.TypedLocalObjectReference) {
	if r.APIGroup != nil {
		e.DNSSubdomain(p.Child("apiGroup"), *r.APIGroup)
	}
	e.PathSegment(p.Child("kind"), r.Kind)
	e.PathSegment(p.Child("name"), r.Name)
}

func validateIngressStatus(ing, old *networkingv1.Ingress) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status", "loadBalancer", "ingress")
	var was []string
	for _, i := range old.Status.LoadBalancer.Ingress {
		if i.IP != "" {
			was = append(was, i.IP)
		}
	}
	for i, x := range ing.Status.LoadBalancer.Ingress {
		if x.IP != "" {
			e.IP(p.Index(i).Child("ip"), x.IP, was...)
		}
		if x.Hostname != "" {
			at := p.Index(i).Child("hostname")
			e.DNSSubdomain(at, x.Hostname)
			if netutils.ParseIPSloppy(x.Hostname) != nil {
				e.Invalid(at, x.Hostname, notAnIP)
			}
		}
	}
	return e.List
}

func validateClass(c *networkingv1.IngressClass) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	if len(c.Spec.Controller) > longestController {
		e.TooLong(p.Child("controller"), longestController)
	}
	e.Add(validation.IsDomainPrefixedPath(p.Child("controller"), c.Spec.Controller)...)
	r := c.Spec.Parameters
	if r == nil {
		return e.List
	}
	p = p.Child("parameters")
	if r.APIGroup != nil {
		e.DNSSubdomain(p.Child("apiGroup"), *r.APIGroup)
	}
	e.Messages(p.Child("kind"), r.Kind, content.IsPathSegmentName(r.Kind))
	e.Messages(p.Child("name"), r.Name, content.IsPathSegmentName(r.Name))
	const cluster, namespace = networkingv1.IngressClassParametersReferenceScopeCluster, networkingv1.IngressClassParametersReferenceScopeNamespace
	if r.Scope == nil {
		e.Required(p.Child("scope"), "")
		return e.List
	}
	check.OneOf(e, p.Child("scope"), *r.Scope, cluster, namespace)
	at := p.Child("namespace")
	switch {
	case *r.Scope == namespace && r.Namespace == nil:
		e.Required(at, "`parameters.scope` is set to 'Namespace'")
	case *r.Scope == namespace:
		e.DNSLabel(at, *r.Namespace)
	case *r.Scope == cluster && r.Namespace != nil:
		e.Forbidden(at, "`parameters.scope` is set to 'Cluster'")
	}
	return e.List
}

func validateClassUpdate(c, old *networkingv1.IngressClass) field.ErrorList {
	e := &check.Errors{}
	e.Same(field.NewPath("spec", "controller"), c.Spec.Controller, old.Spec.Controller)
	e.Add(validateClass(c)...)
	return e.List
}
