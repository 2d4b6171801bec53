package nftables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keelson-project/keelson/proxy"
)

// kind sorts objects in the order they are listed.
type kind uint8

const (
	isSet     kind = iota // a dynamic set of clients
	isChain               // a chain with its rules
	isElement             // an element of one of the family's sets and maps
)

// key identifies an object in a table.
type key struct {
	kind kind
	set  setID  // of an element
	name string // of a set or chain; the key bytes of an element
}

// object is one thing in the table that a service port asks for.
type object struct {
	key
	// shared objects may be asked for by many, all with the same contents.
	// Of others the first to ask is served.
	shared bool
	// value of an element is its data or the name of its chain; of a chain
	// the text of its rules; of a set its time-out. It identifies contents.
	value string
	rules []rule
}

// entry is an object and those who asked for it.
type entry struct {
	shared int // how many did, if it can be shared
	claims []claim
}

type claim struct {
	owner proxy.PortName
	value string
	rules []rule
}

func (e *entry) current() (claim, bool) {
	if e == nil || len(e.claims) == 0 {
		return claim{}, false
	}
	return e.claims[0], true
}

// ruleset is what one table holds beside its fixed parts.
type ruleset struct {
	entries map[key]*entry
	touched map[key]claim // what an object was before; no value if it was not there
}

// newRuleset returns an empty one, with room for so many objects.
func newRuleset(room int) *ruleset {
	return &ruleset{entries: make(map[key]*entry, room)}
}

// touch remembers an object as it was before the change being put together.
// While the first contents are, there is nothing to compare with.
func (r *ruleset) touch(k key, e *entry) {
	if r.touched == nil {
		return
	}
	if _, ok := r.touched[k]; ok {
		return
	}
	before, _ := e.current()
	r.touched[k] = before
}

func (r *ruleset) add(owner proxy.PortName, o object) {
	e := r.entries[o.key]
	if e == nil {
		e = new(entry)
		r.entries[o.key] = e
	}
	if o.shared {
		e.shared++
		if e.shared > 1 {
			return
		}
	}
	if len(e.claims) == 0 {
		r.touch(o.key, e)
	}
	e.claims = append(e.claims, claim{owner, o.value, o.rules})
}

func (r *ruleset) remove(owner proxy.PortName, o object) {
	e := r.entries[o.key]
	if e == nil {
		return
	}
	if o.shared {
		e.shared--
		if e.shared > 0 {
			return
		}
		r.touch(o.key, e)
		e.claims = nil
	} else {
		r.touch(o.key, e)
		e.claims = slices.DeleteFunc(e.claims, func(c claim) bool { return c.owner == owner })
	}
	if len(e.claims) == 0 {
		delete(r.entries, o.key)
	}
}

// difference is what leads a table from one state to another.
type difference struct {
	added, removed, changed []change
}

type change struct {
	key
	before, after claim
}

// take returns what has changed since the last call.
func (r *ruleset) take() difference {
	var d difference
	for k, before := range r.touched {
		after, there := r.entries[k].current()
		was := before.value != "" || before.rules != nil
		switch {
		case !was && there:
			d.added = append(d.added, change{k, before, after})
		case was && !there:
			d.removed = append(d.removed, change{k, before, after})
		case was && before.value != after.value:
			d.changed = append(d.changed, change{k, before, after})
		}
	}
	clear(r.touched)
	return d
}

// everything is the difference to an empty table; take goes on from there.
func (r *ruleset) everything() difference {
	d := difference{added: make([]change, 0, len(r.entries))}
	for k, e := range r.entries {
		if c, ok := e.current(); ok {
			d.added = append(d.added, change{key: k, after: c})
		}
	}
	r.touched = make(map[key]claim)
	return d
}

func (d difference) empty() bool {
	return len(d.added) == 0 && len(d.removed) == 0 && len(d.changed) == 0
}

// text lists the contents in a stable order, much as "nft list" would.
func (r *ruleset) text(f *family, b *strings.Builder) {
	keys := make([]key, 0, len(r.entries))
	for k := range r.entries {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(x, y key) int {
		if x.kind != y.kind {
			return int(x.kind) - int(y.kind)
		}
		if x.set != y.set {
			return int(x.set) - int(y.set)
		}
		return strings.Compare(x.name, y.name)
	})
	for _, k := range keys {
		c, ok := r.entries[k].current()
		if !ok {
			continue
		}
		switch k.kind {
		case isSet:
			fmt.Fprintf(b, "\tset %s { timeout %s }\n", k.name, c.value)
		case isChain:
			fmt.Fprintf(b, "\tchain %s\n%s", k.name, c.value)
		case isElement:
			fmt.Fprintf(b, "\telement %s\n", f.elementText(k, c.value))
		}
	}
}
