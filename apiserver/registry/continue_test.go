package registry

import (
	"encoding/base64"
	"testing"
)

func TestContinueTokens(t *testing.T) {
	for _, c := range []struct {
		token, start string
		revision     int64
		ok           bool
	}{
		{`{"v":"meta.k8s.io/v1","rv":5,"start":"ns/name\u0000"}`, "ns/name\x00", 5, true},
		{`{"v":"meta.k8s.io/v1","rv":-1,"start":"name\u0000"}`, "name\x00", -1, true},
		{`{"v":"meta.k8s.io/v1","rv":5,"start":"/name"}`, "name", 5, true},
		{`{"v":"meta.k8s.io/v2","rv":5,"start":"name"}`, "", 0, false},
		{`{"v":"meta.k8s.io/v1","rv":0,"start":"name"}`, "", 0, false},
		{`{"v":"meta.k8s.io/v1","rv":5,"start":""}`, "", 0, false},
		{`{"v":"meta.k8s.io/v1","rv":5,"start":"../secrets/x"}`, "", 0, false},
		{`{"v":"meta.k8s.io/v1","rv":5,"start":"a//b"}`, "", 0, false},
		{`{"v":"meta.k8s.io/v1"`, "", 0, false},
	} {
		start, revision, err := decodeContinue(base64.RawURLEncoding.EncodeToString([]byte(c.token)))
		if (err == nil) != c.ok || start != c.start || revision != c.revision {
			t.Errorf("%s: %q, %d, %v", c.token, start, revision, err)
		}
	}
	if _, _, err := decodeContinue("!"); err == nil {
		t.Error("no base64, no error")
	}
}

func FuzzContinue(f *testing.F) {
	f.Add("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJhIn0")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		start, revision, err := decodeContinue(s)
		if err != nil {
			return
		}
		again, err := encodeContinue(start, revision)
		if err != nil {
			t.Fatal(err)
		}
		start2, revision2, err := decodeContinue(again)
		if err != nil || start2 != start || revision2 != revision {
			t.Errorf("%q, %d became %q, %d, %v", start, revision, start2, revision2, err)
		}
	})
}
