package logs_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keelson-project/keelson/kubelet/logs"
)

const sample = "2026-01-02T03:04:05.1Z stdout F one\n" +
	"2026-01-02T03:04:06.1Z stderr P two-\n" +
	"2026-01-02T03:04:06.2Z stderr F half\n" +
	"2026-01-02T03:04:07.1Z stdout F \n" +
	"2026-01-02T03:04:08.1Z stdout F four\n"

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	if err := os.WriteFile(path, []byte(sample), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		opts logs.Options
		want string
	}{
		{"all", logs.Options{}, "one\ntwo-half\n\nfour\n"},
		{"tail", logs.Options{Tail: new(int64(1))}, "four\n"},
		{"tail of none", logs.Options{Tail: new(int64(0))}, ""},
		{"tail of more than there is", logs.Options{Tail: new(int64(99))}, "one\ntwo-half\n\nfour\n"},
		{"since", logs.Options{Since: time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC)}, "\nfour\n"},
		{"stream", logs.Options{Stream: "stderr"}, "two-half\n"},
		{"limit", logs.Options{LimitBytes: new(int64(6))}, "one\ntw"},
		{"times", logs.Options{Timestamps: true, Stream: "stderr"}, "2026-01-02T03:04:06.1Z two-half\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			if err := logs.Tail(t.Context(), path, &out, c.opts, nil); err != nil {
				t.Fatal(err)
			}
			if out.String() != c.want {
				t.Errorf("got %q, want %q", out.String(), c.want)
			}
		})
	}
}

func TestFollowThroughRotation(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	path := filepath.Join(t.TempDir(), "0.log")
	write := func(f *os.File, text string) {
		t.Helper()
		if _, err := fmt.Fprintf(f, "2026-01-02T03:04:05.1Z stdout F %s\n", text); err != nil {
			t.Fatal(err)
		}
	}
	open := func() *os.File {
		t.Helper()
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	file := open()
	write(file, "first")

	r, w := io.Pipe()
	ended, done := make(chan struct{}), make(chan error, 1)
	go func() {
		err := logs.Tail(ctx, path, w, logs.Options{Follow: true}, ended)
		w.Close()
		done <- err
	}()
	lines := bufio.NewScanner(r)
	expect := func(want string) {
		t.Helper()
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q, want %q", lines.Text(), want)
		}
	}
	expect("first")
	write(file, "second")
	expect("second")
	write(file, strings.Repeat("x", 100))
	expect(strings.Repeat("x", 100))
	if err := logs.Rotate(path, 50, 2, func() error { file = open(); return nil }); err != nil {
		t.Fatal(err)
	}
	write(file, "after the rotation")
	expect("after the rotation")
	close(ended)
	if lines.Scan() {
		t.Errorf("a line %q after the end", lines.Text())
	}
	if err := <-done; err != nil {
		t.Errorf("Tail: %v", err)
	}
}

func TestRotateKeepsSome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	reopened := 0
	for range 5 {
		if err := os.WriteFile(path, []byte(sample), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := logs.Rotate(path, 10, 3, func() error { reopened++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	old, err := logs.Rotated(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(old) != 2 || reopened != 5 {
		t.Errorf("%d old files after %d rotations, want 2 after 5", len(old), reopened)
	}
	if err := os.WriteFile(path, []byte("small"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := logs.Rotate(path, 10, 3, func() error { t.Error("a small file was rotated"); return nil }); err != nil {
		t.Fatal(err)
	}
}
