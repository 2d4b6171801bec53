package apiregistration

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	mostGroupPriority   = 20000
	mostVersionPriority = 1000
)

func validate(s *apiregistrationv1.APIService) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	meta := field.NewPath("metadata")
	name(e, meta.Child("generateName"), s.GenerateName, &s.Spec)
	name(e, meta.Child("name"), s.Name, &s.Spec)
	if group := s.Spec.Group; group != "" {
		e.DNSSubdomain(p.Child("group"), group)
	} else if s.Spec.Version != "v1" {
		e.Required(p.Child("group"), "only v1 may have an empty group and it better be legacy kube")
	}
	e.Messages(p.Child("version"), s.Spec.Version, validation.IsDNS1035Label(s.Spec.Version))
	if n := s.Spec.GroupPriorityMinimum; n <= 0 || n > mostGroupPriority {
		e.Invalid(p.Child("groupPriorityMinimum"), n, "must be positive and less than 20000")
	}
	if n := s.Spec.VersionPriority; n <= 0 || n > mostVersionPriority {
		e.Invalid(p.Child("versionPriority"), n, "must be positive and less than 1000")
	}
	skip, bundle := s.Spec.InsecureSkipTLSVerify, s.Spec.CABundle
	to := s.Spec.Service
	if to == nil {
		if len(bundle) > 0 {
			e.Invalid(p.Child("caBundle"), fmt.Sprintf("%d bytes", len(bundle)), "local APIServices may not have a caBundle")
		}
		if skip {
			e.Invalid(p.Child("insecureSkipTLSVerify"), skip, "local APIServices may not have insecureSkipTLSVerify")
		}
		return e.List
	}
	e.NotEmpty(p.Child("service", "namespace"), to.Namespace)
	e.NotEmpty(p.Child("service", "name"), to.Name)
	if port := to.Port; port != nil {
		if msgs := validation.IsValidPortNum(int(*port)); len(msgs) > 0 {
			e.Invalid(p.Child("service", "port"), *port, "port is not valid: "+strings.Join(msgs, ", "))
		}
	}
	if skip && len(bundle) > 0 {
		e.Invalid(p.Child("insecureSkipTLSVerify"), skip, "may not be true if caBundle is present")
	}
	return e.List
}

// name requires that an APIService is called after what it serves. A missing
// name is the registry's to refuse.
func name(e *check.Errors, p *field.Path, name string, spec *apiregistrationv1.APIServiceSpec) {
	if name == "" {
		return
	}
	if msgs := content.IsPathSegmentName(name); len(msgs) > 0 {
		e.Messages(p, name, msgs)
	} else if want := spec.Version + "." + spec.Group; name != want {
		e.Invalid(p, name, fmt.Sprintf("must be `spec.version+\".\"+spec.group`: %q", want))
	}
}

func validateStatus(s *apiregistrationv1.APIService) field.ErrorList {
	e := &check.Errors{}
	for i, c := range s.Status.Conditions {
		check.OneOf(e, field.NewPath("status", "conditions").Index(i).Child("status"), c.Status,
			apiregistrationv1.ConditionTrue, apiregistrationv1.ConditionFalse, apiregistrationv1.ConditionUnknown)
	}
	return e.List
}
