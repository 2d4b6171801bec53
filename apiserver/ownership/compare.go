package ownership

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// operand is one side of a comparison.
type operand struct {
	// v is the value, not a pointer; invalid for null.
	v     reflect.Value
	there bool
}

func (o operand) null() bool { return !o.v.IsValid() }

func operandOf(v reflect.Value) operand {
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return operand{there: true}
		}
		v = v.Elem()
	}
	if k := v.Kind(); (k == reflect.Slice || k == reflect.Map) && v.IsNil() {
		return operand{there: true}
	}
	return operand{v: v, there: true}
}

// comparer finds what a write has changed. Its result is a tree whose marks
// say how.
type comparer struct {
	stack  []tree // children of the nodes under way
	failed bool   // something cannot be named
}

// compare marks t, which stands for values of a shape, and adds its children.
func (c *comparer) compare(s *shape, l, r operand, t *tree) {
	start := len(c.stack)
	inner := false // the values have parts
	if !s.atomic {
		switch s.form {
		case structure:
			inner = c.structures(s, l, r)
		case mapping:
			inner = c.mappings(s, l, r)
		case list:
			inner = c.lists(s, l, r)
		}
	}
	if len(c.stack) > start {
		t.children = slices.Clone(c.stack[start:])
		if s.form == list {
			slices.SortFunc(t.children, byElem)
		}
		clear(c.stack[start:])
		c.stack = c.stack[:start]
		for i := range t.children {
			t.below |= t.children[i].marks | t.children[i].below
		}
	}
	switch {
	case !l.there:
		t.marks |= added
	case !r.there:
		t.marks |= removed
	case !inner && !equal(s, l, r):
		t.marks |= modified
	}
}

// child compares a part and keeps the result if there is any.
func (c *comparer) child(s *shape, elem string, l, r operand) {
	t := tree{elem: elem}
	c.compare(s, l, r, &t)
	if t.marks|t.below != 0 {
		c.stack = append(c.stack, t)
	}
}

func (c *comparer) structures(s *shape, l, r operand) (inner bool) {
	for i := range s.fields {
		f := &s.fields[i]
		var a, b operand
		if !l.null() {
			a, _ = f.of(l.v)
		}
		if !r.null() {
			b, _ = f.of(r.v)
		}
		if a.there || b.there {
			inner = true
			c.child(f.shape, f.elem, a, b)
		}
	}
	return inner
}

func (c *comparer) mappings(s *shape, l, r operand) (inner bool) {
	if l.null() && r.null() {
		return false
	}
	names := make([]string, 0, 8)
	for _, o := range [...]operand{l, r} {
		if o.null() {
			continue
		}
		if m, ok := o.v.Interface().(map[string]string); ok {
			names = slices.AppendSeq(names, maps.Keys(m))
			continue
		}
		for it := o.v.MapRange(); it.Next(); {
			names = append(names, it.Key().String())
		}
	}
	if len(names) == 0 {
		return false
	}
	slices.Sort(names)
	names = slices.Compact(names)
	at := func(o operand, name string) operand {
		if o.null() {
			return operand{}
		}
		key := reflect.ValueOf(name)
		if t := o.v.Type().Key(); t != key.Type() {
			key = key.Convert(t)
		}
		if v := o.v.MapIndex(key); v.IsValid() {
			return operandOf(v)
		}
		return operand{}
	}
	for _, name := range names {
		c.child(s.elem, "f:"+name, at(l, name), at(r, name))
	}
	return true
}

// items are the elements of a list with one name.
type items struct {
	elem        string
	left, right []operand
}

func (c *comparer) lists(s *shape, l, r operand) (inner bool) {
	var all []items
	for side, o := range [...]operand{l, r} {
		if o.null() {
			continue
		}
		for i := range o.v.Len() {
			inner = true
			item := operandOf(o.v.Index(i))
			elem, ok := c.elemOf(s, item)
			if !ok {
				c.failed = true
				return true
			}
			at := slices.IndexFunc(all, func(a items) bool { return a.elem == elem })
			if at < 0 {
				at = len(all)
				all = append(all, items{elem: elem})
			}
			if side == 0 {
				all[at].left = append(all[at].left, item)
			} else {
				all[at].right = append(all[at].right, item)
			}
		}
	}
	for i := range all {
		c.items(s.elem, &all[i])
	}
	return inner
}

// items compares the elements of one name. Where a name is there twice, only
// the name can be owned.
func (c *comparer) items(s *shape, it *items) {
	first := func(list []operand) operand {
		if len(list) == 0 {
			return operand{}
		}
		return list[0]
	}
	t := tree{elem: it.elem}
	switch l, r := len(it.left) > 1, len(it.right) > 1; {
	case !l && !r:
		c.compare(s, first(it.left), first(it.right), &t)
	case l && r:
		if !slices.EqualFunc(it.left, it.right, func(a, b operand) bool { return equal(s, a, b) }) {
			t.marks |= modified
		}
	case l:
		if len(it.right) > 0 {
			c.compare(s, operand{}, it.right[0], &t)
		}
		t.marks |= removed
	case r:
		if len(it.left) > 0 {
			c.compare(s, it.left[0], operand{}, &t)
		}
		t.marks |= added
	}
	if t.marks|t.below != 0 {
		c.stack = append(c.stack, t)
	}
}

// elemOf is the element of a path that stands for an element of a list.
func (c *comparer) elemOf(s *shape, item operand) (string, bool) {
	if item.null() {
		return "", false
	}
	if s.list == setList {
		text, ok := jsonOf(item.v)
		return "v:" + text, ok
	}
	var b strings.Builder
	b.WriteString("k:{")
	n := 0
	for i := range s.keys {
		k := &s.keys[i]
		text := k.fallback
		if v, ok := k.field.of(item.v); ok {
			if v.null() {
				return "", false
			}
			if text, ok = jsonOf(v.v); !ok {
				return "", false
			}
		}
		if text == "" {
			continue // not having the key is another name
		}
		if n++; n > 1 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + k.field.name + `":` + text)
	}
	b.WriteByte('}')
	return b.String(), n > 0
}

// jsonOf is a scalar in JSON.
func jsonOf(v reflect.Value) (string, bool) {
	switch v.Kind() {
	case reflect.String:
		return quote(v.String()), true
	case reflect.Int, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(v.Int(), 10), true
	case reflect.Bool:
		return strconv.FormatBool(v.Bool()), true
	}
	return "", false
}
