package patch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		patch, want string
		code        int32
	}{
		{`[{"op":"replace","path":"/a","value":2}]`, `{"a":2}`, 0},
		{`[{"op":"test","path":"/a","value":2}]`, "", 422},
		{`[{"op":"remove","path":"/b"}]`, "", 422},
		{`{"op":"remove"}`, "", 400},
	} {
		got, _, err := JSON([]byte(`{"a":1}`), []byte(c.patch), Lenient)
		check(t, c.patch, string(got), err, c.want, c.code)
	}
	_, strict, err := JSON([]byte(`{"a":1}`), []byte(`[{"op":"replace","path":"/a","value":2,"more":1}]`), Strict)
	if err != nil || len(strict) != 1 {
		t.Errorf("unknown field: %v, %v", strict, err)
	}
}

// TestJSONCopies checks that what operations copy of one another is bounded.
func TestJSONCopies(t *testing.T) {
	doubling := `[{"op":"copy","from":"/a","path":"/b"}` + strings.Repeat(`,{"op":"copy","from":"","path":"/a/x"}`, 40) + "]"
	_, _, err := JSON([]byte(`{"a":{"b":"`+strings.Repeat("x", 100)+`"}}`), []byte(doubling), Lenient)
	check(t, "doubling", "", err, "", 422)
	got, _, err := JSON([]byte(`{"a":1}`), []byte(`[{"op":"add","path":"/b","value":2},{"op":"copy","from":"/b","path":"/c"},{"op":"remove","path":"/a"}]`), Lenient)
	check(t, "copy amid others", string(got), err, `{"b":2,"c":2}`, 0)
}

// TestCheck refuses what is no patch at all, or too deep for one.
func TestCheck(t *testing.T) {
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	for _, c := range []struct {
		patch string
		f     Format
		ok    bool
	}{
		{"{}", JSONFormat, true}, {"{", JSONFormat, false}, {deep, JSONFormat, false},
		{"{}", YAML, true}, {"a: [", YAML, false}, {deep, YAML, false}, {"a: " + deep, YAML, false}, {"a: &a [x]\nb: *a", YAML, true},
	} {
		if err := Check([]byte(c.patch), c.f); (err == nil) != c.ok {
			t.Errorf("%.20s: %v", c.patch, err)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		patch, want string
		code        int32
	}{
		{`{"a":null,"b":{"c":1}}`, `{"b":{"c":1}}`, 0},
		{`[]`, "", 400},
	} {
		got, _, err := Merge([]byte(`{"a":1}`), []byte(c.patch), Strict)
		check(t, c.patch, string(got), err, c.want, c.code)
	}
}

func TestStrategic(t *testing.T) {
	doc := func() map[string]any {
		return map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "a", "image": "x"}}}}
	}
	for _, c := range []struct {
		patch, want string
		code        int32
	}{
		{`{"spec":{"containers":[{"name":"a","image":"y"}]}}`, `{"spec":{"containers":[{"image":"y","name":"a"}]}}`, 0},
		{`{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}`, `{"spec":{"containers":[]}}`, 0},
		{`{"spec":{"$patch":"sideways"}}`, "", 400},
		{`{"spec":{"containers":[{"image":"y"}]}}`, "", 400},
		{`[]`, "", 400},
	} {
		got, _, _, err := Strategic(doc(), []byte(c.patch), &corev1.Pod{}, Lenient)
		text := ""
		if err == nil {
			b, _ := json.Marshal(got)
			text = string(b)
		}
		check(t, c.patch, text, err, c.want, c.code)
	}
}

// TestStrategicCost refuses lists that would take hours to merge.
func TestStrategicCost(t *testing.T) {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"name":"c%d","ports":[{"containerPort":1}]}`, i)
		}
		return b.String()[1:]
	}
	doc := map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "a", "image": "x"}}}}
	for n, code := range map[int]int32{100: 0, 20000: 413} {
		_, _, _, err := Strategic(doc, []byte(`{"spec":{"containers":[`+list(n)+`]}}`), &corev1.Pod{}, Lenient)
		check(t, fmt.Sprint(n), "", err, "", code)
	}
	// lists that are replaced cost nothing
	var addresses strings.Builder
	for range 20000 {
		addresses.WriteString(`,{"ip":"10.0.0.1"}`)
	}
	_, _, _, err := Strategic(map[string]any{}, []byte(`{"subsets":[{"addresses":[`+addresses.String()[1:]+`]}]}`), &corev1.Endpoints{}, Lenient) //nolint:staticcheck // the longest lists there are
	check(t, "endpoints", "", err, "", 0)
}

func check(t *testing.T, what, got string, err error, want string, code int32) {
	t.Helper()
	if code == 0 {
		if err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", what, got, err, want)
		}
		return
	}
	status, ok := err.(apierrors.APIStatus)
	if !ok || status.Status().Code != code {
		t.Errorf("%s: %v, want code %d", what, err, code)
	}
}

// FuzzPatch looks for patches that make the server panic.
func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`[{"op":"add","path":"/a/-","value":1}]`, `{"a":{"$patch":"replace"}}`, `{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}`,
		`{"spec":{"$setElementOrder/containers":[{"name":"b"}],"containers":[{"name":"b"}]}}`, `{"spec":{"$retainKeys":["a"]}}`, "a: [b", "null",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(_ *testing.T, data []byte) {
		doc := []byte(`{"spec":{"containers":[{"name":"a"}]},"a":[1]}`)
		_, _, _ = JSON(doc, data, Strict)
		_, _, _ = Merge(doc, data, Strict)
		_, _, _ = Configuration(data, Strict)
		var m map[string]any
		if err := json.Unmarshal(doc, &m); err == nil {
			_, _, _, _ = Strategic(m, data, &corev1.Pod{}, Strict)
		}
	})
}
