package ownership

import (
	"reflect"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxSets is how many sets a generation of the cache holds; there are two.
const maxSets = 1024

// set is one that objects have in their managed fields.
type set struct {
	fields *metav1.FieldsV1

	once sync.Once
	tree tree
	ok   bool
}

// setKey tells sets apart: the same text may fit one kind and not another.
type setKey struct {
	typ  reflect.Type
	text string
}

// sets are those lately met. All that is kept of an object's own set is a
// reference to one of these.
type sets struct {
	mu       sync.Mutex
	new, old map[setKey]*set
}

// get returns the set that fields are the text of.
func (s *sets) get(t reflect.Type, fields *metav1.FieldsV1) *set {
	raw := fields.GetRawBytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.new[setKey{t, string(raw)}]; v != nil {
		return v
	}
	v := s.old[setKey{t, string(raw)}]
	if v == nil {
		v = &set{fields: fields}
	}
	if s.new == nil || len(s.new) >= maxSets {
		s.old, s.new = s.new, map[setKey]*set{}
	}
	s.new[setKey{t, string(raw)}] = v
	return v
}

// parsed is the set's tree; nil if it is not to be used, because it was
// written for another shape.
func (v *set) parsed(s *shape) *tree {
	v.once.Do(func() {
		if v.tree, v.ok = parse(v.fields.GetRawString()); v.ok {
			v.ok = fits(s, &v.tree)
		}
	})
	if !v.ok {
		return nil
	}
	return &v.tree
}

// fits reports whether a set owns nothing inside of what is owned as a whole:
// the kind was another when it was written.
func fits(s *shape, t *tree) bool {
	if len(t.children) == 0 {
		return true
	}
	if s.atomic {
		return false
	}
	for i := range t.children {
		child := &t.children[i]
		elem := s.elem
		switch s.form {
		case structure:
			elem = nil
			for j := range s.fields {
				if s.fields[j].elem == child.elem {
					elem = s.fields[j].shape
				}
			}
		case mapping, list:
		default:
			return false
		}
		if elem == nil || !fits(elem, child) {
			return false
		}
	}
	return true
}
