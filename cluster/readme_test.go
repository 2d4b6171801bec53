package cluster_test

import (
	"os"
	"strings"
	"testing"
)

// The program in the README is Example_parts, line by line.
func TestReadmeShowsTheExample(t *testing.T) {
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := strings.Cut(string(source), "func Example_parts() {\n")
	if !ok {
		t.Fatal("example_test.go has no Example_parts")
	}
	body, _, _ = strings.Cut(body, "\t// Output:")
	var want strings.Builder
	want.WriteString("```go\n")
	for line := range strings.Lines(body) {
		want.WriteString(strings.TrimPrefix(line, "\t"))
	}
	want.WriteString("```\n")
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), want.String()) {
		t.Errorf("README.md does not hold the example as it is; it should have:\n%s", want.String())
	}
}
