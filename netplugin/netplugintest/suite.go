package netplugintest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/keelson-project/keelson/netplugin"
)

// Environment is the world of one test: a node, empty at first.
type Environment struct {
	// Open returns a plugin that hands out the addresses of the range.
	// Where Reopens is set, a second call with the same range stands for a
	// new process on the same node after the first one was killed.
	Open func(t *testing.T, podCIDR netip.Prefix) netplugin.Plugin
	// Sandbox makes the network namespace of a new sandbox and returns its
	// path. Nil for plugins that ignore it.
	Sandbox func(t *testing.T) string
	// Reopens says that attachments outlive the plugin value.
	Reopens bool
}

// Run tests the plugin; newEnvironment is called once for each subtest.
func Run(t *testing.T, newEnvironment func(t *testing.T) Environment) {
	tests := []struct {
		name string
		run  func(t *testing.T, e Environment)
	}{
		{"AddGivesAnAddressOfTheRange", testAdd},
		{"AddAgainGivesTheSame", testAddAgain},
		{"AddNeedsASandboxID", testNoID},
		{"AddressesDiffer", testDistinct},
		{"FullRangeIsErrNoAddress", testFull},
		{"DelFreesTheAddress", testDelFrees},
		{"FreedAddressIsNotReusedAtOnce", testNoQuickReuse},
		{"DelOfNothingSucceeds", testDelNothing},
		{"DelWorksWithoutNamespace", testDelWithoutNamespace},
		{"Check", testCheck},
		{"GCKeepsOnlyWhatIsNamed", testGC},
		{"StatusIsNilWhenAddWorks", testStatus},
		{"ParallelCalls", testParallel},
		{"ReopenKeepsAttachments", testReopen},
		{"ReopenNeverHandsOutAnAddressInUse", testReopenNoDoubles},
		{"ReopenContinuesTheTurn", testReopenTurn},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newEnvironment(t)) })
	}
}

func wide() netip.Prefix { return netip.MustParsePrefix("10.244.7.0/24") }

// narrow has room for five pods.
func narrow() netip.Prefix { return netip.MustParsePrefix("10.244.7.8/29") }

func (e Environment) attachment(t *testing.T, id string) netplugin.Attachment {
	t.Helper()
	a := netplugin.Attachment{SandboxID: id, PodNamespace: "default", PodName: "pod-" + id, PodUID: "uid-" + id}
	if e.Sandbox != nil {
		a.NetNS = e.Sandbox(t)
	}
	return a
}

func add(t *testing.T, p netplugin.Plugin, a netplugin.Attachment) netip.Addr {
	t.Helper()
	r, err := p.Add(t.Context(), a)
	if err != nil {
		t.Fatalf("Add %s: %v", a.SandboxID, err)
	}
	if len(r.IPs) == 0 {
		t.Fatalf("Add %s: no address in %+v", a.SandboxID, r)
	}
	return r.IPs[0]
}

func del(t *testing.T, p netplugin.Plugin, a netplugin.Attachment) {
	t.Helper()
	if err := p.Del(t.Context(), a); err != nil {
		t.Fatalf("Del %s: %v", a.SandboxID, err)
	}
}

func testAdd(t *testing.T, e Environment) {
	p := e.Open(t, wide())
	r, err := p.Add(t.Context(), e.attachment(t, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.IPs) != 1 || !wide().Contains(r.IPs[0]) {
		t.Fatalf("addresses %v, want one of %s", r.IPs, wide())
	}
	if r.Gateway.IsValid() && slices.Contains(r.IPs, r.Gateway) {
		t.Fatalf("the gateway %s was given to a pod", r.Gateway)
	}
}

func testAddAgain(t *testing.T, e Environment) {
	p := e.Open(t, wide())
	a := e.attachment(t, "a")
	first, err := p.Add(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Add(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.IPs, second.IPs) || first.Gateway != second.Gateway {
		t.Fatalf("first %+v, then %+v", first, second)
	}
	if err := p.Check(t.Context(), a); err != nil {
		t.Fatalf("Check after the second Add: %v", err)
	}
}

func testNoID(t *testing.T, e Environment) {
	if r, err := e.Open(t, wide()).Add(t.Context(), e.attachment(t, "")); err == nil {
		t.Fatalf("got %+v for an attachment without a SandboxID", r)
	}
}

func testDistinct(t *testing.T, e Environment) {
	p := e.Open(t, narrow())
	seen := make(map[netip.Addr]string)
	for i := range 5 {
		a := e.attachment(t, fmt.Sprint("s", i))
		ip := add(t, p, a)
		if other, ok := seen[ip]; ok {
			t.Fatalf("%s and %s both got %s", other, a.SandboxID, ip)
		}
		seen[ip] = a.SandboxID
	}
}

// fill attaches as many sandboxes as the narrow range has room for.
func fill(t *testing.T, e Environment, p netplugin.Plugin) []netplugin.Attachment {
	t.Helper()
	var all []netplugin.Attachment
	for i := range 5 {
		a := e.attachment(t, fmt.Sprint("fill", i))
		add(t, p, a)
		all = append(all, a)
	}
	return all
}

func testFull(t *testing.T, e Environment) {
	p := e.Open(t, narrow())
	all := fill(t, e, p)
	extra := e.attachment(t, "extra")
	if r, err := p.Add(t.Context(), extra); !errors.Is(err, netplugin.ErrNoAddress) {
		t.Fatalf("Add to a full range: %+v, %v", r, err)
	}
	if err := p.Check(t.Context(), extra); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Fatalf("Check after a refused Add: %v", err)
	}
	for _, a := range all {
		if err := p.Check(t.Context(), a); err != nil {
			t.Fatalf("Check %s in a full range: %v", a.SandboxID, err)
		}
	}
}

func testDelFrees(t *testing.T, e Environment) {
	p := e.Open(t, narrow())
	all := fill(t, e, p)
	del(t, p, all[2])
	add(t, p, e.attachment(t, "next"))
}

func testNoQuickReuse(t *testing.T, e Environment) {
	p := e.Open(t, wide())
	for i := range 5 {
		a := e.attachment(t, fmt.Sprint("a", i))
		old := add(t, p, a)
		del(t, p, a)
		b := e.attachment(t, fmt.Sprint("b", i))
		if ip := add(t, p, b); ip == old {
			t.Fatalf("%s was given out again at once", ip)
		}
	}
}

func testDelNothing(t *testing.T, e Environment) {
	p := e.Open(t, wide())
	a := e.attachment(t, "a")
	del(t, p, a)
	add(t, p, a)
	del(t, p, a)
	del(t, p, a)
}

func testDelWithoutNamespace(t *testing.T, e Environment) {
	p := e.Open(t, narrow())
	for _, a := range fill(t, e, p) {
		a.NetNS = "/nowhere/at/all"
		del(t, p, a)
		a.SandboxID += "-empty"
		a.NetNS = ""
		del(t, p, a)
	}
	fill(t, e, p)
}

func testCheck(t *testing.T, e Environment) {
	p := e.Open(t, wide())
	a := e.attachment(t, "a")
	if err := p.Check(t.Context(), a); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Fatalf("before Add: %v", err)
	}
	add(t, p, a)
	if err := p.Check(t.Context(), a); err != nil {
		t.Fatalf("after Add: %v", err)
	}
	del(t, p, a)
	if err := p.Check(t.Context(), a); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Fatalf("after Del: %v", err)
	}
}

func testGC(t *testing.T, e Environment) {
	p := e.Open(t, narrow())
	all := fill(t, e, p)
	if err := p.GC(t.Context(), []string{all[1].SandboxID, "unknown"}); err != nil {
		t.Fatal(err)
	}
	for i, a := range all {
		err := p.Check(t.Context(), a)
		switch {
		case i == 1 && err != nil:
			t.Errorf("the one kept: %v", err)
		case i != 1 && !errors.Is(err, netplugin.ErrNotAttached):
			t.Errorf("%s survived: %v", a.SandboxID, err)
		}
	}
	for i := range 4 {
		add(t, p, e.attachment(t, fmt.Sprint("new", i)))
	}
	if err := p.GC(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	fill(t, e, p)
}

func testStatus(t *testing.T, e Environment) {
	p := e.Open(t, narrow())
	if err := p.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, e, p)
	if err := p.Status(t.Context()); err != nil {
		t.Fatalf("with a full range: %v", err)
	}
}

func testParallel(t *testing.T, e Environment) {
	p := e.Open(t, wide())
	const workers, rounds = 8, 3
	var sandboxes [workers][rounds]netplugin.Attachment
	for w := range workers {
		for r := range rounds {
			sandboxes[w][r] = e.attachment(t, fmt.Sprintf("w%dr%d", w, r))
		}
	}
	var mu sync.Mutex
	inUse := make(map[netip.Addr]string)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			for r, a := range sandboxes[w] {
				result, err := p.Add(t.Context(), a)
				if err != nil {
					t.Errorf("Add %s: %v", a.SandboxID, err)
					return
				}
				ip := result.IPs[0]
				mu.Lock()
				if other, ok := inUse[ip]; ok {
					t.Errorf("%s and %s both have %s", other, a.SandboxID, ip)
				}
				inUse[ip] = a.SandboxID
				mu.Unlock()
				if r == rounds-1 {
					continue
				}
				mu.Lock()
				delete(inUse, ip)
				mu.Unlock()
				if err := p.Del(t.Context(), a); err != nil {
					t.Errorf("Del %s: %v", a.SandboxID, err)
				}
			}
		})
	}
	group.Wait()
	if len(inUse) != workers {
		t.Errorf("%d sandboxes are attached, want %d", len(inUse), workers)
	}
}

func testReopen(t *testing.T, e Environment) {
	if !e.Reopens {
		t.Skip("attachments of this plugin end with it")
	}
	p := e.Open(t, wide())
	a, gone := e.attachment(t, "a"), e.attachment(t, "gone")
	first := add(t, p, a)
	add(t, p, gone)
	del(t, p, gone)

	p = e.Open(t, wide())
	if err := p.Check(t.Context(), a); err != nil {
		t.Fatalf("Check after reopening: %v", err)
	}
	if err := p.Check(t.Context(), gone); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Fatalf("a removed attachment came back: %v", err)
	}
	if again := add(t, p, a); again != first {
		t.Fatalf("Add after reopening gave %s, before it was %s", again, first)
	}
	del(t, p, a)
	if err := e.Open(t, wide()).Check(t.Context(), a); !errors.Is(err, netplugin.ErrNotAttached) {
		t.Fatalf("after Del and reopening: %v", err)
	}
}

func testReopenNoDoubles(t *testing.T, e Environment) {
	if !e.Reopens {
		t.Skip("attachments of this plugin end with it")
	}
	seen := make(map[netip.Addr]bool)
	for i := range 5 {
		ip := add(t, e.Open(t, narrow()), e.attachment(t, fmt.Sprint("s", i)))
		if seen[ip] {
			t.Fatalf("%s was given out twice", ip)
		}
		seen[ip] = true
	}
	if _, err := e.Open(t, narrow()).Add(t.Context(), e.attachment(t, "extra")); !errors.Is(err, netplugin.ErrNoAddress) {
		t.Fatalf("a full range after reopening: %v", err)
	}
}

func testReopenTurn(t *testing.T, e Environment) {
	if !e.Reopens {
		t.Skip("attachments of this plugin end with it")
	}
	p := e.Open(t, wide())
	a := e.attachment(t, "a")
	old := add(t, p, a)
	del(t, p, a)
	if ip := add(t, e.Open(t, wide()), e.attachment(t, "b")); ip == old {
		t.Fatalf("%s was given out again right after reopening", ip)
	}
}
