package registry

import (
	"reflect"
	"strings"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// emptyFields are the lists and maps of a Go type that JSON shows even when
// they are empty. The store's protobuf form does not tell an empty one from
// none, so an object has none from the moment it is written.
type emptyFields []emptyField

type emptyField struct {
	index int
	shown bool        // the field itself is a list or map that JSON shows
	below emptyFields // of the struct that it holds, points to or is a list of
}

// emptyFieldsOf looks through a struct type; known are those it has looked at.
// Types that hold themselves are not followed into themselves.
func emptyFieldsOf(t reflect.Type, known map[reflect.Type]emptyFields) (fields emptyFields) {
	if fields, ok := known[t]; ok {
		return fields
	}
	known[t] = nil
	for i := range t.NumField() {
		f := t.Field(i)
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		entry := emptyField{index: i}
		inner := f.Type
		switch inner.Kind() {
		case reflect.Map:
			entry.shown = !strings.Contains(rest, "omit")
		case reflect.Slice:
			entry.shown = !strings.Contains(rest, "omit") && inner.Elem().Kind() != reflect.Uint8
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			entry.below = emptyFieldsOf(inner, known)
		}
		if entry.shown || entry.below != nil {
			fields = append(fields, entry)
		}
	}
	known[t] = fields
	return fields
}

// clear sets the fields of a struct that are empty to nil.
func (fields emptyFields) clear(v reflect.Value) {
	for _, f := range fields {
		field := v.Field(f.index)
		if f.shown && !field.IsNil() && field.Len() == 0 {
			field.SetZero()
		}
		if f.below == nil {
			continue
		}
		if field.Kind() != reflect.Slice {
			f.below.clearIn(field)
			continue
		}
		for i := range field.Len() {
			f.below.clearIn(field.Index(i))
		}
	}
}

func (fields emptyFields) clearIn(v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	fields.clear(v)
}

// clearEmpty makes obj what the store will give back. What obj shares with the
// present object has no empty fields already, and is not written to.
func (r *Resource) clearEmpty(obj kinds.Object) {
	if !codec.HasProtobuf(obj) {
		return
	}
	v := reflect.ValueOf(obj).Elem()
	r.emptyOnce.Do(func() { r.empty = emptyFieldsOf(v.Type(), map[reflect.Type]emptyFields{}) })
	r.empty.clear(v)
}
