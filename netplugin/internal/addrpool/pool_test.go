package addrpool

import (
	"net/netip"
	"testing"
)

func TestEveryHostOnceThenNone(t *testing.T) {
	p, err := New(netip.MustParsePrefix("10.1.2.0/29"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.1.2.2", "10.1.2.3", "10.1.2.4", "10.1.2.5", "10.1.2.6"} {
		if a, ok := p.Next(); !ok || a.String() != want {
			t.Fatalf("Next: got %s, %v, want %s", a, ok, want)
		}
	}
	if a, ok := p.Next(); ok {
		t.Fatalf("a full range gave %s", a)
	}
	p.Free(netip.MustParseAddr("10.1.2.4"))
	if a, ok := p.Next(); !ok || a.String() != "10.1.2.4" {
		t.Fatalf("after a Free: got %s, %v", a, ok)
	}
}

func TestFreedIsUsedLast(t *testing.T) {
	p, _ := New(netip.MustParsePrefix("fd00::/64"))
	a, _ := p.Next()
	p.Free(a)
	if b, _ := p.Next(); b != a.Next() {
		t.Fatalf("got %s after freeing %s", b, a)
	}
}

func TestTakeAndResume(t *testing.T) {
	p, _ := New(netip.MustParsePrefix("10.0.0.0/24"))
	kept := netip.MustParseAddr("10.0.0.10")
	if !p.Take(kept) || p.Take(kept) {
		t.Fatal("Take must succeed once")
	}
	for _, foreign := range []string{"10.0.0.0", "10.0.0.1", "10.0.0.255", "10.0.1.5"} {
		if p.Take(netip.MustParseAddr(foreign)) {
			t.Errorf("Take accepted %s", foreign)
		}
	}
	p.Resume(netip.MustParseAddr("10.0.0.9"))
	if a, _ := p.Next(); a.String() != "10.0.0.11" {
		t.Fatalf("got %s", a)
	}
}

func TestTooSmall(t *testing.T) {
	for _, s := range []string{"10.0.0.0/31", "fd00::/127"} {
		if _, err := New(netip.MustParsePrefix(s)); err == nil {
			t.Errorf("%s was accepted", s)
		}
	}
	if _, err := New(netip.Prefix{}); err == nil {
		t.Error("the zero prefix was accepted")
	}
}
