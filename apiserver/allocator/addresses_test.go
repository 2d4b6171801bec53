package allocator

import (
	"net/netip"
	"testing"
)

func TestSpan(t *testing.T) {
	for _, test := range []struct {
		cidr                string
		first, last, middle uint64
		firstIP, lastIP     string
	}{
		{"10.96.0.0/16", 1, 65534, 257, "10.96.0.1", "10.96.255.254"},
		{"10.0.0.0/24", 1, 254, 17, "10.0.0.1", "10.0.0.254"},
		{"10.0.0.0/28", 1, 14, 1, "10.0.0.1", "10.0.0.14"},
		{"fd00::/112", 1, 65535, 257, "fd00::1", "fd00::ffff"},
	} {
		r := netip.MustParsePrefix(test.cidr)
		first, last, middle := span(r)
		if first != test.first || last != test.last || middle != test.middle {
			t.Errorf("%s: %d to %d, dynamic from %d; want %d, %d, %d", test.cidr, first, last, middle, test.first, test.last, test.middle)
		}
		if got := nth(r, first).String(); got != test.firstIP {
			t.Errorf("%s: first is %s, want %s", test.cidr, got, test.firstIP)
		}
		if got := nth(r, last).String(); got != test.lastIP {
			t.Errorf("%s: last is %s, want %s", test.cidr, got, test.lastIP)
		}
	}
}
