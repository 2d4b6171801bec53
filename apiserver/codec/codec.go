package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"sigs.k8s.io/yaml"
)

// Codec encodes and decodes the types of a scheme.
type Codec struct {
	scheme   *runtime.Scheme
	decoders [3][2]runtime.Decoder // by media and strictness
	proto    *protobuf.Serializer
}

// Strictness says what becomes of unknown and repeated fields.
type Strictness int

// The choices. Strict decoding returns the object together with an error for
// which runtime.IsStrictDecodingError holds.
const (
	Lenient Strictness = iota
	Strict
)

// New makes a codec of a scheme, which must not change afterwards.
func New(scheme *runtime.Scheme) *Codec {
	c := &Codec{scheme: scheme, proto: protobuf.NewSerializer(scheme, scheme)}
	for i, strict := range []bool{false, true} {
		c.decoders[JSON][i] = kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Strict: strict})
		c.decoders[YAML][i] = kjson.NewSerializerWithOptions(kjson.DefaultMetaFactory, scheme, scheme, kjson.SerializerOptions{Yaml: true, Strict: strict})
		c.decoders[Protobuf][i] = c.proto
	}
	return c
}

// Scheme is the codec's.
func (c *Codec) Scheme() *runtime.Scheme { return c.scheme }

// Decode reads an object. Kind and version left out in the data are those of
// the default; into is used if it fits.
func (c *Codec) Decode(data []byte, m Media, s Strictness, defaults schema.GroupVersionKind, into runtime.Object) (runtime.Object, *schema.GroupVersionKind, error) {
	if u, ok := into.(*unstructured.Unstructured); ok && m == Protobuf {
		return nil, nil, fmt.Errorf("%s has no protobuf form", u.GetKind())
	}
	if err := CheckNesting(data, m); err != nil {
		return nil, nil, err
	}
	return c.decoders[m][s].Decode(data, &defaults, into)
}

// Encode writes an object whose kind and version are set.
func (c *Codec) Encode(w io.Writer, obj runtime.Object, m Media, pretty bool) error {
	switch m {
	case Protobuf:
		return c.proto.Encode(obj, w)
	case YAML:
		data, err := json.Marshal(obj)
		if err != nil {
			return err
		}
		return WriteYAML(w, data)
	}
	data, err := json.Marshal(obj)
	if err != nil {
		return err
	}
	if pretty {
		return WriteIndented(w, data)
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// HasProtobuf reports whether an object can be written as protobuf.
func HasProtobuf(obj runtime.Object) bool {
	_, ok := obj.(protoMarshaler)
	return ok
}

type protoMarshaler interface{ Marshal() ([]byte, error) }

// Body returns an object's own bytes: without kind and version in JSON
// (unless the object is unstructured), without envelope in protobuf.
func Body(obj runtime.Object, m Media) ([]byte, error) {
	if m == Protobuf {
		p, ok := obj.(protoMarshaler)
		if !ok {
			return nil, fmt.Errorf("%T has no protobuf form", obj)
		}
		return p.Marshal()
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		return json.Marshal(u.Object)
	}
	return json.Marshal(obj)
}

// WriteYAML writes JSON data as YAML.
func WriteYAML(w io.Writer, data []byte) error {
	out, err := yaml.JSONToYAML(data)
	if err != nil {
		return err
	}
	_, err = w.Write(out)
	return err
}

// WriteIndented writes JSON data for people.
func WriteIndented(w io.Writer, data []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimRight(data, "\n"), "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}
