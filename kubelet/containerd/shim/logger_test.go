//go:build linux

package shim

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logged writes pieces of a stream and returns the log without its times.
func logged(t *testing.T, pieces ...string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dir", "log")
	l, err := openLogFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w := lineWriter{stream: "stdout", log: l}
	for _, p := range pieces {
		w.write([]byte(p))
	}
	w.end()
	l.close()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(data)) {
		_, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		out = append(out, rest)
	}
	return out
}

func TestLineWriter(t *testing.T) {
	long := strings.Repeat("x", maxLogLine)
	for _, tt := range []struct {
		name         string
		pieces, want []string
	}{
		{"nothing", nil, nil},
		{"lines", []string{"a\nb\n"}, []string{"stdout F a", "stdout F b"}},
		{"an empty line", []string{"\n"}, []string{"stdout F "}},
		{"a line in pieces", []string{"a", "b", "c\nd\n"}, []string{"stdout F abc", "stdout F d"}},
		{"no end", []string{"a\nb"}, []string{"stdout F a", "stdout P b"}},
		{"as long as can be", []string{long + "\n"}, []string{"stdout F " + long}},
		{"too long", []string{long + "y\n"}, []string{"stdout P " + long, "stdout F y"}},
		{"too long in pieces", []string{long[:100], long + "y\nz\n"}, []string{"stdout P " + long, "stdout F " + long[:100] + "y", "stdout F z"}},
		{"far too long", []string{long + long + long}, []string{"stdout P " + long, "stdout P " + long, "stdout P " + long}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := logged(t, tt.pieces...)
			if len(got) != len(tt.want) {
				t.Fatalf("%d lines, want %d", len(got), len(tt.want))
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("line %d: %.60q, want %.60q", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestFullDiskOrNoLogIsNoTrouble(t *testing.T) {
	l, err := openLogFile("")
	if err != nil {
		t.Fatal(err)
	}
	l.write([]byte("into nowhere\n"))
	if err := l.reopen(); err != nil {
		t.Error(err)
	}
	l.close()
	if full, err := openLogFile("/dev/full"); err == nil {
		full.write([]byte("x\n"))
		full.close()
	}
}
