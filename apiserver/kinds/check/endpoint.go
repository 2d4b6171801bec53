package check

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// EndpointIP requires an address that something else than the host itself can
// have.
func (e *Errors) EndpointIP(p *field.Path, s string) {
	ip := netutils.ParseIPSloppy(s)
	if ip == nil {
		e.Invalid(p, s, "must be a valid IP address")
		return
	}
	for _, not := range []struct {
		is     bool
		detail string
	}{
		{ip.IsUnspecified(), fmt.Sprintf("may not be unspecified (%v)", s)},
		{ip.IsLoopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
		{ip.IsLinkLocalUnicast(), "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
		{ip.IsLinkLocalMulticast(), "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
	} {
		if not.is {
			e.Invalid(p, s, not.detail)
		}
	}
}
