package ownership

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// form is what the JSON of a Go type is.
type form uint8

const (
	scalar form = iota // string, number or boolean
	bytesForm
	structure
	mapping
	list
	timeForm
	microTimeForm
	quantityForm
	intOrStringForm
	rawForm // any JSON, as runtime.RawExtension holds it
)

// shape is how the values of a type are compared, and how their parts are
// named.
type shape struct {
	form   form
	atomic bool // owned as a whole
	list   listRelation
	fields []field // of a structure, by name
	elem   *shape  // of a mapping or a list
	keys   []key   // of a list's elements
}

// field is one of a structure; those of embedded structures are its own.
type field struct {
	name  string // in JSON
	elem  string // as an element of a path
	index []int
	shape *shape
	// omitEmpty and omitZero leave it out of the JSON.
	omitEmpty bool
	omitZero  func(reflect.Value) bool
}

// key is a field by which the elements of a list are told apart.
type key struct {
	field    field
	fallback string // its JSON where the field is left out; empty for none
}

// untracked are the fields of metadata that nobody owns.
var untracked = [...]string{
	"name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion",
}

// shaper makes shapes.
type shaper struct {
	topology topology
	known    map[shapeKey]*shape
}

type shapeKey struct {
	typ reflect.Type
	rel string
}

// root is the shape of a kind.
func (s *shaper) root(t reflect.Type) (*shape, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is no struct", t)
	}
	out := &shape{form: structure}
	fields, err := s.fields(t, t, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		switch f.name {
		case "apiVersion", "kind":
			continue
		case "metadata":
			meta := *f.shape
			meta.fields = slices.DeleteFunc(slices.Clone(meta.fields), func(f field) bool { return slices.Contains(untracked[:], f.name) })
			f.shape = &meta
		}
		out.fields = append(out.fields, f)
	}
	return out, nil
}

// shape is that of a type whose parts are owned as rel says; at is where it
// stands in the topology.
func (s *shaper) shape(t reflect.Type, rel relation, at string) (*shape, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	id := shapeKey{typ: t}
	if rel.atomic || rel.list != atomicList || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		id.rel = at // what its elements are depends on where it is
	}
	if known := s.known[id]; known != nil {
		return known, nil
	}
	out := &shape{atomic: rel.atomic, list: rel.list}
	s.known[id] = out
	var err error
	switch t {
	case reflect.TypeFor[metav1.Time]():
		out.form = timeForm
		return out, nil
	case reflect.TypeFor[metav1.MicroTime]():
		out.form = microTimeForm
		return out, nil
	case reflect.TypeFor[resource.Quantity]():
		out.form = quantityForm
		return out, nil
	case reflect.TypeFor[intstr.IntOrString]():
		out.form = intOrStringForm
		return out, nil
	case reflect.TypeFor[runtime.RawExtension]():
		out.form, out.atomic = rawForm, true
		return out, nil
	case reflect.TypeFor[metav1.FieldsV1]():
		out.form, out.atomic = bytesForm, true
		return out, nil
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64, reflect.Uint8, reflect.Uint32, reflect.Uint64, reflect.Int8, reflect.Uint16:
		out.form = scalar
	case reflect.Struct:
		out.form = structure
		out.fields, err = s.fields(t, t, nil)
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("%s: keys of %s are no strings", at, t)
		}
		out.form = mapping
		out.elem, err = s.shape(t.Elem(), s.topology[at+"[]"], at+"[]")
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			out.form = bytesForm
			break
		}
		out.form = list
		out.atomic = rel.list == atomicList
		if out.elem, err = s.shape(t.Elem(), s.topology[at+"[]"], at+"[]"); err == nil {
			out.keys, err = keysOf(out.elem, rel.keys, at)
		}
	default:
		return nil, fmt.Errorf("%s: %s is of no known kind", at, t)
	}
	return out, err
}

func keysOf(elem *shape, names []string, at string) ([]key, error) {
	var keys []key
	for _, name := range names {
		name, fallback, _ := strings.Cut(name, "=")
		i := slices.IndexFunc(elem.fields, func(f field) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("%s: key %s is no field", at, name)
		}
		keys = append(keys, key{elem.fields[i], fallback})
	}
	slices.SortFunc(keys, func(a, b key) int { return strings.Compare(a.field.name, b.field.name) })
	return keys, nil
}

// fields are those of a struct type, by name. t is the type itself, or one that
// it embeds at index.
func (s *shaper) fields(owner, t reflect.Type, index []int) ([]field, error) {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" || (!f.IsExported() && !f.Anonymous) {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		at := append(slices.Clone(index), i)
		if f.Anonymous && name == "" {
			if f.Type.Kind() != reflect.Struct {
				return nil, fmt.Errorf("%s embeds a %s", t, f.Type)
			}
			inner, err := s.fields(owner, f.Type, at)
			if err != nil {
				return nil, err
			}
			out = append(out, inner...)
			continue
		}
		if name == "" {
			name = f.Name
		}
		where := typeName(owner) + "." + name
		inner, err := s.shape(f.Type, s.topology[where], where)
		if err != nil {
			return nil, err
		}
		entry := field{name: name, elem: "f:" + name, index: at, shape: inner}
		for option := range strings.SplitSeq(options, ",") {
			switch option {
			case "omitempty":
				entry.omitEmpty = true
			case "omitzero":
				entry.omitZero = omitZero(f.Type)
			}
		}
		out = append(out, entry)
	}
	slices.SortFunc(out, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// omitZero is the test of a type for the option omitzero.
func omitZero(t reflect.Type) func(reflect.Value) bool {
	type zeroer interface{ IsZero() bool }
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface || !reflect.PointerTo(t).Implements(reflect.TypeFor[zeroer]()) {
		return reflect.Value.IsZero
	}
	return func(v reflect.Value) bool {
		if !v.CanAddr() {
			c := reflect.New(v.Type()).Elem()
			c.Set(v)
			v = c
		}
		return v.Addr().Interface().(zeroer).IsZero()
	}
}

// of is the field's value in a structure; ok is false if the JSON leaves it
// out.
func (f *field) of(v reflect.Value) (out operand, ok bool) {
	for _, i := range f.index {
		v = v.Field(i)
	}
	if f.omitEmpty && empty(v) || f.omitZero != nil && f.omitZero(v) {
		return operand{}, false
	}
	return operandOf(v), true
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Pointer, reflect.Interface:
		return v.IsNil()
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}
