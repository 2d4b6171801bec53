package codec

import (
	"bytes"
	"encoding/binary"
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		accept string
		media  Media
		as     string
		code   bool
	}{
		{"", JSON, "", true},
		{"*/*", JSON, "", true},
		{"application/yaml", YAML, "", true},
		{"application/vnd.kubernetes.protobuf,application/json", Protobuf, "", true},
		{"application/json;q=0.1,application/yaml", YAML, "", true},
		{"application/json;as=Table;g=meta.k8s.io;v=v1,application/json", JSON, "Table", true},
		{"application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json", JSON, "", true},
		{"application/json;as=Table;g=other;v=v1,application/json", JSON, "", true},
		{"application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", Protobuf, "PartialObjectMetadataList", true},
		{"application/json;as=Nothing;g=meta.k8s.io;v=v1", 0, "", false},
		{"text/html", 0, "", false},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", c.accept)
		out, err := Negotiate(r, AllTransforms)
		kind := ""
		if out.As != nil {
			kind = out.As.Kind
		}
		if (err == nil) != c.code || out.Media != c.media || kind != c.as {
			t.Errorf("%q: %v as %q, %v", c.accept, out.Media, kind, err)
		}
	}
}

func testScheme(t testing.TB) *runtime.Scheme {
	s := runtime.NewScheme()
	if err := corev1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEnvelopes checks what is put together of bytes against apimachinery's own
// serializers.
func TestEnvelopes(t *testing.T) {
	s := testScheme(t)
	ref := protobuf.NewSerializer(s, s)
	pods := &corev1.PodList{
		TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, ListMeta: metav1.ListMeta{ResourceVersion: "7", Continue: "x"},
		Items: []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: map[string]string{"k": "v"}}}},
	}
	for _, m := range []Media{JSON, Protobuf} {
		var items [][]byte
		for i := range pods.Items {
			b, err := Body(&pods.Items[i], m)
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, b)
		}
		got, err := NewType(corev1.SchemeGroupVersion.WithKind("PodList"), Untagged).List(m, &pods.ListMeta, items)
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if m == Protobuf {
			err = ref.Encode(pods, &want)
		} else {
			err = New(s).Encode(&want, pods, m, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%v list:\n%q\n%q", m, got.Bytes(), want.Bytes())
		}
	}
	pod := &pods.Items[0]
	body, err := Body(pod, Protobuf)
	if err != nil {
		t.Fatal(err)
	}
	typ := NewType(corev1.SchemeGroupVersion.WithKind("Pod"), Untagged)
	object := typ.Object(Protobuf, body)
	gvk, inner, ok := Unwrap(object.Bytes())
	if !ok || gvk != typ.GVK || !bytes.Equal(inner, body) {
		t.Errorf("unwrapped %v %q %v", gvk, inner, ok)
	}
	frame := Event(Protobuf, "ADDED", object).Bytes()
	if n := binary.BigEndian.Uint32(frame); int(n) != len(frame)-4 {
		t.Errorf("frame of %d bytes says %d", len(frame)-4, n)
	}
	var ev metav1.WatchEvent
	if err := ev.Unmarshal(frame[4:]); err != nil || ev.Type != "ADDED" || !bytes.Equal(ev.Object.Raw, object.Bytes()) {
		t.Errorf("event %v, %v", ev, err)
	}
}

func FuzzUnwrap(f *testing.F) {
	typ := NewType(corev1.SchemeGroupVersion.WithKind("Pod"), Untagged)
	f.Add(typ.Object(Protobuf, []byte{1, 2, 3}).Bytes())
	f.Add([]byte("k8s\x00\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _, _ = Unwrap(data) })
}
