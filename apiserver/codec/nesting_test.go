package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// nested wraps data n times as the first field of a message.
func nested(data []byte, n int) []byte {
	heads := make([][]byte, n)
	size := len(data)
	for i := range heads {
		heads[i] = binary.AppendUvarint([]byte{1<<3 | 2}, uint64(size))
		size += len(heads[i])
	}
	out := make([]byte, 0, size)
	for i := n - 1; i >= 0; i-- {
		out = append(out, heads[i]...)
	}
	return append(out, data...)
}

func TestCheckNesting(t *testing.T) {
	around := func(open, shut string, n int) string { return strings.Repeat(open, n) + "1" + strings.Repeat(shut, n) }
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "%sa:\n", strings.Repeat(" ", i))
		}
		return b.String()
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	pod, err := (&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Annotations: map[string]string{"x": strings.Repeat("z\n", 5000)}}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		media Media
		data  string
		ok    bool
	}{
		{"json objects", JSON, around(`{"a":`, "}", MaxNesting), true},
		{"json objects too deep", JSON, around(`{"a":`, "}", MaxNesting+1), false},
		{"json arrays too deep", JSON, around("[", "]", MaxNesting+1), false},
		{"json wide", JSON, "[" + strings.Repeat("[],{},", 5000) + "1]", true},
		{"json brackets in text", JSON, `{"a":"` + strings.Repeat(`[{\"`, 5000) + `"}`, true},
		{"json unfinished", JSON, strings.Repeat("[", 100000), false},
		{"yaml flow", YAML, around("[", "]", MaxNesting-10), true},
		{"yaml flow too deep", YAML, around("[", "]", MaxNesting+10), false},
		{"yaml block too deep", YAML, lines(MaxNesting + 10), false},
		{"yaml many", YAML, "- - - - x\n- &a {b: c}\n- *a\n", true},
		{"yaml bomb", YAML, bomb, false},
		{"yaml text bomb", YAML, "a: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.Repeat("*a,", 100) + "]\n", false},
		{"yaml cycle is the decoder's", YAML, "a: &a [*a]\n", true},
		{"yaml broken is the decoder's", YAML, "a: [", true},
		{"protobuf", Protobuf, Magic + string(pod), true},
		{"protobuf deep", Protobuf, Magic + string(nested([]byte{8, 1}, MaxNesting-2)), true},
		{"protobuf too deep", Protobuf, Magic + string(nested([]byte{8, 1}, 300000)), false},
		{"protobuf too deep and broken", Protobuf, Magic + string(nested([]byte{0xff}, 300000)), false},
	} {
		if err := CheckNesting([]byte(c.data), c.media); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzDecode looks for bodies that make the decoders panic or run out of
// bounds, in every media type.
func FuzzDecode(f *testing.F) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "x"}}}}
	var wire bytes.Buffer
	c := New(testScheme(f))
	tagged := pod.DeepCopy()
	tagged.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	if err := c.Encode(&wire, tagged, Protobuf, false); err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		wire.String(), `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","name":"b"},"spec":{"containers":[{"name":"c"}]}}`,
		"kind: Pod\nspec: &a {containers: [{name: *a}]}\n", "null", "[]", "{", "\xff\xfe", "k8s\x00\x0a\x00\x12\xff\xff\xff\xff\x0f", "a: !!binary x\n? b\n: c",
		`{"spec":{"volumes":[{"name":"\ud800"}],"activeDeadlineSeconds":1e400}}`, "--- \n...\n", "<<: [*x]",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []Media{JSON, YAML, Protobuf} {
			for _, s := range []Strictness{Lenient, Strict} {
				obj, _, err := c.Decode(data, m, s, corev1.SchemeGroupVersion.WithKind("Pod"), &corev1.Pod{})
				if err == nil && obj == nil {
					t.Errorf("neither an object nor an error of %q", data)
				}
			}
		}
	})
}
