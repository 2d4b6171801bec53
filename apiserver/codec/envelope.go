package codec

import (
	"encoding/binary"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Magic begins every protobuf value, on the wire and in the store.
const Magic = "k8s\x00"

// A value in protobuf is the magic and a runtime.Unknown: the type (field 1),
// the object's own bytes (2), and two empty strings (3, 4).
const unknownTail = "\x1a\x00\x22\x00"

// Parts are pieces of an answer in the order they are written.
type Parts [][]byte

// Len is the number of bytes.
func (p Parts) Len() int {
	n := 0
	for _, b := range p {
		n += len(b)
	}
	return n
}

// Bytes joins the parts.
func (p Parts) Bytes() []byte {
	if len(p) == 1 {
		return p[0]
	}
	out := make([]byte, 0, p.Len())
	for _, b := range p {
		out = append(out, b...)
	}
	return out
}

// Type writes down what an object is.
type Type struct {
	GVK        schema.GroupVersionKind
	jsonHead   []byte
	protoType  []byte
	selfTagged bool
}

// NewType prepares the heads of a kind's answers. Objects of a self-tagged
// kind, that is unstructured ones, contain kind and version in their own bytes.
func NewType(gvk schema.GroupVersionKind, tag Tagging) *Type {
	t := &Type{GVK: gvk, selfTagged: tag == SelfTagged}
	if !t.selfTagged {
		t.jsonHead = append([]byte(`{"kind":`), quote(gvk.Kind)...)
		t.jsonHead = append(append(t.jsonHead, `,"apiVersion":`...), quote(gvk.GroupVersion().String())...)
	}
	var meta []byte
	meta = appendBytes(meta, 1, []byte(gvk.GroupVersion().String()))
	meta = appendBytes(meta, 2, []byte(gvk.Kind))
	t.protoType = appendBytes(nil, 1, meta)
	return t
}

// Tagging says whether objects contain their kind and version.
type Tagging int

// The choices.
const (
	Untagged Tagging = iota
	SelfTagged
)

func quote(s string) []byte {
	b, _ := json.Marshal(s) // strings always encode
	return b
}

// Object makes an answer of an object's own bytes.
func (t *Type) Object(m Media, body []byte) Parts {
	if m == Protobuf {
		return Parts{t.protoHead(len(body)), body, []byte(unknownTail)}
	}
	if t.selfTagged {
		return Parts{body}
	}
	if len(body) <= 2 { // {}
		return Parts{t.jsonHead, []byte("}")}
	}
	return Parts{t.jsonHead, []byte(","), body[1:]}
}

// protoHead is what comes before n bytes of an object.
func (t *Type) protoHead(n int) []byte {
	b := make([]byte, 0, len(Magic)+len(t.protoType)+binary.MaxVarintLen64+1)
	b = append(append(b, Magic...), t.protoType...)
	return binary.AppendUvarint(append(b, 2<<3|2), uint64(n))
}

// List makes an answer of the own bytes of items; t is the list's type.
func (t *Type) List(m Media, meta *metav1.ListMeta, items [][]byte) (Parts, error) {
	if m == Protobuf {
		return t.protoList(meta, items)
	}
	var shown any = meta
	if t.selfTagged { // such lists say also that they do not go on
		shown = map[string]any{"continue": meta.Continue, "resourceVersion": meta.ResourceVersion}
		if n := meta.RemainingItemCount; n != nil {
			shown.(map[string]any)["remainingItemCount"] = *n
		}
	}
	metaJSON, err := json.Marshal(shown)
	if err != nil {
		return nil, err
	}
	head := t.jsonHead
	if t.selfTagged {
		head = append([]byte(`{"kind":`), quote(t.GVK.Kind)...)
		head = append(append(head, `,"apiVersion":`...), quote(t.GVK.GroupVersion().String())...)
	}
	p := make(Parts, 0, 2*len(items)+4)
	p = append(p, head, []byte(`,"metadata":`), metaJSON, []byte(`,"items":[`))
	comma := []byte(",")
	for i, item := range items {
		if i > 0 {
			p = append(p, comma)
		}
		p = append(p, item)
	}
	return append(p, []byte("]}\n")), nil
}

func (t *Type) protoList(meta *metav1.ListMeta, items [][]byte) (Parts, error) {
	metaBytes, err := meta.Marshal()
	if err != nil {
		return nil, err
	}
	metaField := appendBytes(nil, 1, metaBytes)
	size := len(metaField)
	for _, item := range items {
		size += 1 + uvarintLen(len(item)) + len(item)
	}
	p := make(Parts, 0, 2*len(items)+3)
	p = append(p, t.protoHead(size), metaField)
	heads := make([]byte, 0, len(items)*(1+binary.MaxVarintLen32))
	for _, item := range items {
		start := len(heads)
		heads = binary.AppendUvarint(append(heads, 2<<3|2), uint64(len(item)))
		p = append(p, heads[start:len(heads):len(heads)], item)
	}
	return append(p, []byte(unknownTail)), nil
}

// Event makes a frame of a watch stream from an object's answer.
func Event(m Media, typ string, object Parts) Parts {
	if m != Protobuf {
		p := make(Parts, 0, len(object)+2)
		p = append(p, []byte(`{"type":"`+typ+`","object":`))
		p = append(p, object...)
		return append(p, []byte("}\n"))
	}
	n := object.Len()
	raw := 1 + uvarintLen(n) + n // RawExtension.raw
	head := make([]byte, 4, 4+len(typ)+2+2*(1+binary.MaxVarintLen32))
	head = appendBytes(head, 1, []byte(typ))
	head = binary.AppendUvarint(append(head, 2<<3|2), uint64(raw))
	head = binary.AppendUvarint(append(head, 1<<3|2), uint64(n))
	binary.BigEndian.PutUint32(head, uint32(len(head)-4+n))
	p := make(Parts, 0, len(object)+1)
	return append(append(p, head), object...)
}

// appendBytes appends a length-delimited field.
func appendBytes(b []byte, field int, value []byte) []byte {
	b = append(b, byte(field<<3|2))
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func uvarintLen(n int) int {
	l := 1
	for n >= 0x80 {
		n >>= 7
		l++
	}
	return l
}

// Unwrap splits a value with the magic into its type and own bytes; ok is
// false if the data is no such value.
func Unwrap(data []byte) (gvk schema.GroupVersionKind, body []byte, ok bool) {
	if len(data) < len(Magic) || string(data[:len(Magic)]) != Magic {
		return gvk, nil, false
	}
	rest := data[len(Magic):]
	for len(rest) > 0 {
		tag, n := binary.Uvarint(rest)
		if n <= 0 || tag&7 != 2 {
			return gvk, nil, false
		}
		size, k := binary.Uvarint(rest[n:])
		if k <= 0 || size > uint64(len(rest)-n-k) {
			return gvk, nil, false
		}
		value := rest[n+k : n+k+int(size)]
		rest = rest[n+k+int(size):]
		switch tag >> 3 {
		case 1:
			gvk, ok = typeMeta(value)
			if !ok {
				return gvk, nil, false
			}
		case 2:
			body = value
		}
	}
	return gvk, body, true
}

func typeMeta(b []byte) (gvk schema.GroupVersionKind, ok bool) {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag&7 != 2 {
			return gvk, false
		}
		size, k := binary.Uvarint(b[n:])
		if k <= 0 || size > uint64(len(b)-n-k) {
			return gvk, false
		}
		value := string(b[n+k : n+k+int(size)])
		b = b[n+k+int(size):]
		switch tag >> 3 {
		case 1:
			gv, err := schema.ParseGroupVersion(value)
			if err != nil {
				return gvk, false
			}
			gvk.Group, gvk.Version = gv.Group, gv.Version
		case 2:
			gvk.Kind = value
		}
	}
	return gvk, true
}
