package memory

import "testing"

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{
		"/a/":       "/a0",
		"a\xff":     "b",
		"a\xfe":     "a\xff", // only 0xff has no successor, other bytes outside UTF-8 do
		"a\xff\xff": "b",
	} {
		if got, ok := prefixEnd(prefix); !ok || got != want {
			t.Errorf("after %q comes %q, %v; want %q", prefix, got, ok, want)
		}
	}
	for _, prefix := range []string{"", "\xff\xff"} {
		if got, ok := prefixEnd(prefix); ok {
			t.Errorf("after %q comes %q, want nothing", prefix, got)
		}
	}
}
