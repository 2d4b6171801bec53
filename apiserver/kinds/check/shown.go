package check

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/util/diff"
)

// Diff tells two values apart, line by line, in the form that errors show.
func Diff(old, now any) string { return diff.Diff(shown(old), shown(now)) }

// InGo returns what JSON writes as a value with the field names of Go.
func InGo(value any) any { return shown(value) }

// shown prepares a value for an error's text. Structures of the API are shown
// with the field names of Go and with all that is left out, as clients have
// come to know it; everything else as it is.
func shown(value any) any {
	if v := reflect.ValueOf(value); v.IsValid() && ofAPI(v.Type()) {
		return goNames{v}
	}
	return value
}

// ofAPI reports whether a type is a structure of k8s.io/api, or a pointer to
// or a list of one.
func ofAPI(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t.Kind() == reflect.Struct && strings.HasPrefix(t.PkgPath(), "k8s.io/api/")
}

type goNames struct{ v reflect.Value }

// MarshalJSON writes the value.
func (g goNames) MarshalJSON() ([]byte, error) {
	v := g.v
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return goNames{v.Elem()}.MarshalJSON()
	case v.Kind() == reflect.Slice && ofAPI(v.Type()) && !v.IsNil():
		items := make([]goNames, v.Len())
		for i := range items {
			items[i] = goNames{v.Index(i)}
		}
		return json.Marshal(items)
	case v.Kind() == reflect.Struct && ofAPI(v.Type()):
		var b bytes.Buffer
		b.WriteByte('{')
		if err := writeFields(&b, v); err != nil {
			return nil, err
		}
		b.WriteByte('}')
		return b.Bytes(), nil
	}
	return json.Marshal(v.Interface())
}

func writeFields(b *bytes.Buffer, v reflect.Value) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous && ofAPI(f.Type) && f.Type.Kind() == reflect.Struct {
			if err := writeFields(b, v.Field(i)); err != nil {
				return err
			}
			continue
		}
		if f.Name == "TypeMeta" {
			continue
		}
		data, err := goNames{v.Field(i)}.MarshalJSON()
		if err != nil {
			return err
		}
		if f.Anonymous {
			// Metadata keeps the names it has in JSON.
			data = bytes.TrimSuffix(bytes.TrimPrefix(data, []byte("{")), []byte("}"))
		} else {
			data = append([]byte(`"`+f.Name+`":`), data...)
		}
		if len(data) > 0 && b.Len() > 1 && b.Bytes()[b.Len()-1] != '{' {
			b.WriteByte(',')
		}
		b.Write(data)
	}
	return nil
}
