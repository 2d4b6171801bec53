package ownership

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// mark says what has happened to a field, or that it belongs to a set.
type mark uint8

const (
	added mark = 1 << iota
	modified
	removed
	member

	changed = added | modified | removed
	taken   = added | modified // what the writer owns afterwards
)

// tree is a set of fields. A node's name is an element of a path as fieldsV1
// writes it, such as f:spec or k:{"name":"a"}; children are in the order of
// their names.
type tree struct {
	elem string
	// marks are the node's own, below those of its descendants.
	marks, below mark
	children     []tree
}

func byElem(a, b tree) int { return strings.Compare(a.elem, b.elem) }

// touches reports whether any member of a set has changed.
func touches(set, change *tree, how mark) bool {
	if set.marks&member != 0 && change.marks&how != 0 {
		return true
	}
	if change.below&how == 0 {
		return false
	}
	found := false
	both(set.children, change.children, func(a, b *tree) bool {
		found = touches(a, b, how)
		return !found
	})
	return found
}

// both calls f for the nodes of the same name until it returns false.
func both(a, b []tree, f func(a, b *tree) bool) {
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch c := strings.Compare(a[i].elem, b[j].elem); {
		case c < 0:
			i++
		case c > 0:
			j++
		default:
			if !f(&a[i], &b[j]) {
				return
			}
			i++
			j++
		}
	}
}

// without is a set without what has changed. Unchanged parts are shared.
func without(set, change *tree) tree {
	out := *set
	if change.marks&changed != 0 {
		out.marks &^= member
	}
	out.below, out.children = 0, nil
	j := 0
	for i := range set.children {
		child := set.children[i]
		for j < len(change.children) && change.children[j].elem < child.elem {
			j++
		}
		if j < len(change.children) && change.children[j].elem == child.elem {
			child = without(&child, &change.children[j])
		}
		if child.marks|child.below != 0 {
			out.below |= child.marks | child.below
			out.children = append(out.children, child)
		}
	}
	return out
}

// includes reports whether a set has all fields of other with any of the marks.
func includes(set, other *tree, how mark) bool {
	if other.marks&how != 0 && set.marks&member == 0 {
		return false
	}
	i := 0
	for j := range other.children {
		if (other.children[j].marks|other.children[j].below)&how == 0 {
			continue
		}
		for i < len(set.children) && set.children[i].elem < other.children[j].elem {
			i++
		}
		if i == len(set.children) || set.children[i].elem != other.children[j].elem || !includes(&set.children[i], &other.children[j], how) {
			return false
		}
	}
	return true
}

// union is a set with the fields of other that have any of the marks. Parts of
// the set are shared.
func union(set, other *tree, how mark) tree {
	out := tree{elem: other.elem, marks: set.marks}
	if other.marks&how != 0 {
		out.marks |= member
	}
	out.children = make([]tree, 0, max(len(set.children), len(other.children)))
	i := 0
	for j := range other.children {
		child := &other.children[j]
		if (child.marks|child.below)&how == 0 {
			continue
		}
		for i < len(set.children) && set.children[i].elem < child.elem {
			out.children = append(out.children, set.children[i])
			i++
		}
		have := &tree{}
		if i < len(set.children) && set.children[i].elem == child.elem {
			have = &set.children[i]
			i++
		}
		out.children = append(out.children, union(have, child, how))
	}
	out.children = append(out.children, set.children[i:]...)
	for i := range out.children {
		out.below |= out.children[i].marks | out.children[i].below
	}
	return out
}

// prune removes a path with all below it.
func (t *tree) prune(path []string) {
	i := slices.IndexFunc(t.children, func(c tree) bool { return c.elem == "f:"+path[0] })
	if i < 0 {
		return
	}
	child := &t.children[i]
	if len(path) > 1 {
		child.prune(path[1:])
	} else {
		child.marks, child.below, child.children = 0, 0, nil
	}
	t.sum()
}

// sum finds below anew.
func (t *tree) sum() {
	t.below = 0
	t.children = slices.DeleteFunc(t.children, func(c tree) bool { return c.marks|c.below == 0 })
	for i := range t.children {
		t.below |= t.children[i].marks | t.children[i].below
	}
}

// appendJSON writes the fields with any of the marks as fieldsV1.
func (t *tree) appendJSON(b []byte, how mark) []byte {
	b = append(b, '{')
	first := true
	if t.marks&how != 0 && t.below&how != 0 {
		b, first = append(b, `".":{}`...), false
	}
	for i := range t.children {
		if (t.children[i].marks|t.children[i].below)&how == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, t.children[i].elem)
		b = append(b, ':')
		b = t.children[i].appendJSON(b, how)
	}
	return append(b, '}')
}

// appendString writes a string in JSON.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf {
			return append(b, quote(s)...)
		}
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// quote is a string in JSON, written like the values in path elements: safe
// in HTML.
func quote(s string) string {
	plain := true
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= utf8.RuneSelf, c == '"', c == '\\', c == '<', c == '>', c == '&':
			plain = false
		}
	}
	if plain {
		return `"` + s + `"`
	}
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string can always be written
	}
	return string(b)
}

// parser reads fieldsV1.
type parser struct {
	rest string
	bad  bool
}

// parse reads a set; false means that it is not written as expected.
func parse(text string) (tree, bool) {
	p := &parser{rest: text}
	var root tree
	p.object(&root)
	root.marks = 0 // nobody owns the object itself
	return root, !p.bad && p.rest == ""
}

func (p *parser) take(c byte) bool {
	if p.rest == "" || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// object reads what is in a node; one without children is a member.
func (p *parser) object(t *tree) {
	if !p.take('{') {
		p.bad = true
		return
	}
	for n := 0; !p.bad && !p.take('}'); n++ {
		if n > 0 && !p.take(',') {
			p.bad = true
			return
		}
		child := tree{elem: p.text()}
		if !p.take(':') {
			p.bad = true
			return
		}
		p.object(&child)
		switch {
		case child.elem == ".":
			t.marks |= member
		case len(child.elem) < 2 || child.elem[1] != ':':
			p.bad = true
		default:
			t.children = append(t.children, child)
			t.below |= child.marks | child.below
		}
	}
	if len(t.children) == 0 {
		t.marks |= member
	}
	if !slices.IsSortedFunc(t.children, byElem) {
		slices.SortFunc(t.children, byElem)
	}
}

// text reads a string.
func (p *parser) text() string {
	if p.rest == "" || p.rest[0] != '"' {
		p.bad = true
		return ""
	}
	escaped := false
	for i := 1; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			raw := p.rest[:i+1]
			p.rest = p.rest[i+1:]
			if !escaped {
				return raw[1:i]
			}
			var s string
			if err := json.Unmarshal([]byte(raw), &s); err != nil {
				p.bad = true
			}
			return s
		}
	}
	p.bad = true
	return ""
}
