package ownership

import (
	"bytes"
	"encoding/json"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// equal reports whether two values have the same JSON.
func equal(s *shape, l, r operand) bool {
	if l.null() || r.null() {
		return jsonNull(s, l) && jsonNull(s, r)
	}
	a, b := l.v, r.v
	switch s.form {
	case structure:
		for i := range s.fields {
			f := &s.fields[i]
			x, inA := f.of(a)
			y, inB := f.of(b)
			if inA != inB || inA && !equal(f.shape, x, y) {
				return false
			}
		}
		return true
	case mapping:
		if a.Len() != b.Len() {
			return false
		}
		for it := a.MapRange(); it.Next(); {
			y := b.MapIndex(it.Key())
			if !y.IsValid() || !equal(s.elem, operandOf(it.Value()), operandOf(y)) {
				return false
			}
		}
		return true
	case list:
		// As in structured-merge-diff: nil and empty parts differ here.
		return reflect.DeepEqual(a.Interface(), b.Interface())
	case bytesForm:
		if a.Kind() == reflect.Slice {
			return bytes.Equal(a.Bytes(), b.Bytes())
		}
		return bytes.Equal(pointer[metav1.FieldsV1](a).GetRawBytes(), pointer[metav1.FieldsV1](b).GetRawBytes())
	case timeForm:
		x, y := pointer[metav1.Time](a), pointer[metav1.Time](b)
		return x.IsZero() == y.IsZero() && x.Unix() == y.Unix()
	case microTimeForm:
		x, y := pointer[metav1.MicroTime](a), pointer[metav1.MicroTime](b)
		return x.IsZero() == y.IsZero() && x.UnixMicro() == y.UnixMicro()
	case quantityForm:
		return pointer[resource.Quantity](a).String() == pointer[resource.Quantity](b).String()
	case intOrStringForm:
		x, y := pointer[intstr.IntOrString](a), pointer[intstr.IntOrString](b)
		if x.Type != y.Type {
			return false
		}
		return x.Type == intstr.Int && x.IntVal == y.IntVal || x.Type == intstr.String && x.StrVal == y.StrVal
	case rawForm:
		return sameJSON(pointer[runtime.RawExtension](a), pointer[runtime.RawExtension](b))
	}
	return a.Equal(b)
}

// jsonNull reports whether a value's JSON is null.
func jsonNull(s *shape, o operand) bool {
	switch {
	case o.null():
		return true
	case s.form == timeForm:
		return pointer[metav1.Time](o.v).IsZero()
	case s.form == microTimeForm:
		return pointer[metav1.MicroTime](o.v).IsZero()
	}
	return false
}

// pointer is a pointer to a value of a known type.
func pointer[T any](v reflect.Value) *T {
	if v.CanAddr() {
		return v.Addr().Interface().(*T)
	}
	c := v.Interface().(T)
	return &c
}

// sameJSON compares what has no Go type.
func sameJSON(a, b *runtime.RawExtension) bool {
	if a.Object == nil && b.Object == nil && bytes.Equal(a.Raw, b.Raw) {
		return true
	}
	var x, y any
	for _, side := range []struct {
		raw  *runtime.RawExtension
		into *any
	}{{a, &x}, {b, &y}} {
		data, err := json.Marshal(side.raw)
		if err != nil {
			return false
		}
		if err := json.Unmarshal(data, side.into); err != nil {
			return false
		}
	}
	return reflect.DeepEqual(x, y)
}
