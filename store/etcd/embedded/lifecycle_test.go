package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/etcd"
	"github.com/keelson-project/keelson/store/etcd/embedded"
)

func start(t *testing.T, cfg embedded.Config) *embedded.Store {
	t.Helper()
	s, err := embedded.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeStore(t, s) })
	return s
}

func closeStore(t *testing.T, s store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestRestart writes enough for several snapshots of the log, restarts, and
// expects data, revision and history to be there.
func TestRestart(t *testing.T) {
	ctx := t.Context()
	cfg := embedded.Config{Dir: filepath.Join(t.TempDir(), "made", "by", "start"), Sync: embedded.SyncNever}
	s := start(t, cfg)
	first, err := s.Create(ctx, "/a", []byte("first"), 0)
	if err != nil {
		t.Fatal(err)
	}
	const writers, each = 16, 1500
	errs := make(chan error, writers)
	for i := range writers {
		go func() {
			var err error
			for n := 0; n < each && err == nil; n++ {
				_, err = s.Create(ctx, fmt.Sprintf("/many/%d/%d", i, n), nil, 0)
			}
			errs <- err
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	last, err := s.Update(ctx, "/a", []byte("last"), first, 0)
	if err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	s = start(t, cfg)
	if revision, err := s.Revision(ctx); err != nil || revision != last {
		t.Errorf("after the restart the revision is %d (%v), was %d", revision, err, last)
	}
	entry, err := s.Get(ctx, "/a")
	if err != nil || string(entry.Value) != "last" || entry.CreateRevision != first || entry.ModRevision != last {
		t.Errorf("after the restart: %+v, %v", entry, err)
	}
	many, err := s.List(ctx, "/many/", store.ListOptions{})
	if err != nil || len(many.Entries) != writers*each {
		t.Errorf("after the restart there are %d entries (%v), want %d", len(many.Entries), err, writers*each)
	}
	past, err := s.List(ctx, "/", store.ListOptions{Revision: first})
	if err != nil || len(past.Entries) != 1 || string(past.Entries[0].Value) != "first" {
		t.Errorf("list of the first revision after the restart: %+v, %v", past, err)
	}
	watch, err := s.Watch(ctx, "/a", first)
	if err != nil {
		t.Fatal(err)
	}
	if batch := <-watch; len(batch.Events) != 1 || batch.Events[0].Entry.ModRevision != last {
		t.Errorf("watch over the restart: %+v", batch)
	}
}

// TestInUse starts a second server on a directory.
func TestInUse(t *testing.T) {
	cfg := embedded.Config{Dir: t.TempDir(), Sync: embedded.SyncNever}
	first := start(t, cfg)
	if second, err := embedded.Start(t.Context(), cfg); !errors.Is(err, embedded.ErrInUse) {
		t.Errorf("second start on a directory: %v, %v; want ErrInUse", second, err)
	} else if !strings.Contains(err.Error(), cfg.Dir) {
		t.Errorf("error does not name the directory: %v", err)
	}
	if _, err := first.Create(t.Context(), "/a", nil, 0); err != nil {
		t.Errorf("first store after that: %v", err)
	}
	closeStore(t, first)
	start(t, cfg)
}

// TestNothingLeft checks that Close leaves no goroutine, whatever the store
// was doing.
func TestNothingLeft(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for range 3 {
		dir := t.TempDir()
		s, err := embedded.Start(t.Context(), embedded.Config{
			Dir:    dir,
			Listen: []url.URL{{Scheme: "unix", Path: filepath.Join(dir, "s")}, {Scheme: "http", Host: "127.0.0.1:0"}},
			Sync:   embedded.SyncNever,
		})
		if err != nil {
			t.Fatal(err)
		}
		outside, err := etcd.Open(t.Context(), etcd.Config{Endpoints: s.Endpoints()})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []store.Store{s, outside} {
			for range 10 {
				if _, err := s.Watch(t.Context(), "/", 0); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.Create(t.Context(), fmt.Sprintf("/%T", s), nil, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		closeStore(t, outside)
		closeStore(t, s)
	}
}

// TestStartEnds cancels a start.
func TestStartEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := embedded.Config{Dir: t.TempDir(), Sync: embedded.SyncNever}
	s, err := embedded.Start(ctx, cfg)
	if err == nil {
		// It was ready before anyone looked at the context.
		closeStore(t, s)
	} else if !errors.Is(err, context.Canceled) {
		t.Errorf("start with a cancelled context: %v", err)
	}
	start(t, cfg).Close()
}

func TestConfigErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  embedded.Config
		want string
	}{
		{"no directory", embedded.Config{}, "Dir is not set"},
		{"a file as directory", embedded.Config{Dir: file}, file},
		{"negative quota", embedded.Config{Dir: t.TempDir(), Quota: -1}, "Quota is -1"},
		{"unknown scheme", embedded.Config{Dir: t.TempDir(), Listen: []url.URL{{Scheme: "ftp", Host: "x"}}}, "ftp://x"},
		{"https without certificate", embedded.Config{Dir: t.TempDir(), Listen: []url.URL{{Scheme: "https", Host: "127.0.0.1:0"}}}, "TLS is not set"},
		{"address taken", embedded.Config{Dir: t.TempDir(), Listen: []url.URL{{Scheme: "http", Host: taken.Addr().String()}}}, taken.Addr().String()},
	} {
		s, err := embedded.Start(t.Context(), tt.cfg)
		if err == nil {
			closeStore(t, s)
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

// TestQuota fills a store.
func TestQuota(t *testing.T) {
	s := start(t, embedded.Config{Dir: t.TempDir(), Sync: embedded.SyncNever, Quota: 1 << 20})
	// The size counts as of the last commit to the file, ten a second.
	var err error
	for i := 0; i < 5000 && err == nil; i++ {
		_, err = s.Create(t.Context(), fmt.Sprintf("/%d", i), make([]byte, 100<<10), 0)
	}
	if err == nil || !strings.Contains(err.Error(), "space exceeded") {
		t.Errorf("500 MB fit into a quota of 1 MiB: %v", err)
	}
	if _, err := s.Get(t.Context(), "/0"); err != nil {
		t.Errorf("read from a full store: %v", err)
	}
}

// TestLogger checks that logs arrive, and whole.
func TestLogger(t *testing.T) {
	var out bytes.Buffer
	s := start(t, embedded.Config{Dir: t.TempDir(), Sync: embedded.SyncNever, Logger: slog.New(slog.NewJSONHandler(&out, nil))})
	closeStore(t, s)
	if !strings.Contains(out.String(), `"level":"INFO"`) || !strings.Contains(out.String(), `"local-member-id":"`) {
		t.Errorf("log lacks levels or fields:\n%s", out.String())
	}
}
