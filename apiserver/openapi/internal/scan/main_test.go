package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFresh scans the types that go.mod names and compares with what is
// embedded.
func TestFresh(t *testing.T) {
	out := filepath.Join(t.TempDir(), "markers.txt")
	if err := run(out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../markers.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("markers.txt is stale: run go generate ./apiserver/openapi")
	}
}

func TestDescription(t *testing.T) {
	got := description([]string{"Some text", "goes on.", "TODO: not this", "+optional", "", "Then:", "  a list", "  of two", "", "---", "hidden"})
	want := "Some text goes on.\n\nThen:\n  a list\n  of two"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
