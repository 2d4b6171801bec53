package resource

import (
	"fmt"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// claimErrors judges what names the requests of a claim.
type claimErrors struct {
	check.Errors
	requests []resourcev1.DeviceRequest
}

// validateClaim checks what devices are claimed. Lists that are too long are
// refused with their types, and not looked into.
func validateClaim(p *field.Path, s *resourcev1.ResourceClaimSpec) field.ErrorList {
	d := &s.Devices
	e := &claimErrors{requests: d.Requests}
	p = p.Child("devices")
	if len(d.Requests) <= resourcev1.DeviceRequestsMaxSize {
		for i := range d.Requests {
			deviceRequest(&e.Errors, p.Child("requests").Index(i), &d.Requests[i])
		}
	}
	if len(d.Constraints) <= resourcev1.DeviceConstraintsMaxSize {
		for i := range d.Constraints {
			c, at := &d.Constraints[i], p.Child("constraints").Index(i)
			e.references(at.Child("requests"), c.Requests)
			if c.MatchAttribute == nil && c.DistinctAttribute == nil {
				e.Required(at, `exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set`)
			}
		}
	}
	if len(d.Config) <= resourcev1.DeviceConfigMaxSize {
		for i := range d.Config {
			c, at := &d.Config[i], p.Child("config").Index(i)
			e.references(at.Child("requests"), c.Requests)
			configuration(&e.Errors, at, &c.DeviceConfiguration, fresh)
		}
	}
	return e.List
}

func deviceRequest(e *check.Errors, p *field.Path, r *resourcev1.DeviceRequest) {
	e.DNSLabel(p.Child("name"), r.Name)
	exactly, first := r.Exactly != nil, len(r.FirstAvailable) > 0
	switch {
	case !exactly && !first:
		e.Required(p, "exactly one of `exactly` or `firstAvailable` is required")
	case exactly && first:
		e.Invalid(p, nil, "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set")
	case exactly:
		p, x := p.Child("exactly"), r.Exactly
		if at := p.Child("deviceClassName"); x.DeviceClassName == "" {
			e.Required(at, "")
		} else {
			e.DNSSubdomain(at, x.DeviceClassName)
		}
		selectors(e, p.Child("selectors"), x.Selectors, fresh)
		count(e, p.Child("count"), x.AllocationMode, x.Count)
		tolerations(e, p.Child("tolerations"), x.Tolerations)
	case len(r.FirstAvailable) <= resourcev1.FirstAvailableDeviceRequestMaxSize:
		for i := range r.FirstAvailable {
			p, x := p.Child("firstAvailable").Index(i), &r.FirstAvailable[i]
			e.DNSLabel(p.Child("name"), x.Name)
			selectors(e, p.Child("selectors"), x.Selectors, fresh)
			count(e, p.Child("count"), x.AllocationMode, x.Count)
			tolerations(e, p.Child("tolerations"), x.Tolerations)
		}
	}
}

// count requires a number of devices that fits the mode. Modes that there are
// not are refused with their type.
func count(e *check.Errors, p *field.Path, mode resourcev1.DeviceAllocationMode, n int64) {
	switch mode {
	case resourcev1.DeviceAllocationModeAll:
		if n != 0 {
			e.Invalid(p, n, fmt.Sprintf("must not be specified when allocationMode is '%s'", mode))
		}
	case resourcev1.DeviceAllocationModeExactCount:
		e.Positive(p, n)
	}
}

// references requires names of requests, unless there are too many.
func (e *claimErrors) references(p *field.Path, names []string) {
	if len(names) <= resourcev1.DeviceRequestsMaxSize {
		for i, name := range names {
			e.reference(p.Index(i), name)
		}
	}
}

// reference requires the name of a request, or of one of its alternatives
// after a slash.
func (e *claimErrors) reference(p *field.Path, name string) {
	const unknown = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
	parts := strings.Split(name, "/")
	if len(parts) > 2 {
		e.Invalid(p, name, unknown)
		return
	}
	for _, part := range parts {
		e.DNSLabel(p, part)
	}
	// The last of several requests with one name counts.
	for i := len(e.requests) - 1; i >= 0; i-- {
		if r := &e.requests[i]; r.Name == parts[0] {
			if len(parts) == 1 || slices.ContainsFunc(r.FirstAvailable, func(s resourcev1.DeviceSubRequest) bool { return s.Name == parts[1] }) {
				return
			}
			break
		}
	}
	e.Invalid(p, name, unknown)
}
