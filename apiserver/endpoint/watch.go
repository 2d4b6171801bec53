package endpoint

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	// minWatch is the least a watch lasts whose client names no timeout; it
	// ends at random before twice that, so that not all do at once.
	minWatch = 30 * time.Minute
	// bookmarkEvery is how often a client that likes bookmarks gets one.
	bookmarkEvery = time.Minute
	// watchBuffer is how much of a watch is written at a time.
	watchBuffer = 16 << 10
)

func (h *Handler) watch(w http.ResponseWriter, r *request) error {
	out, err := codec.Negotiate(r.Request, codec.AllTransforms)
	if err != nil {
		return err
	}
	opts, err := listOptions(r)
	if err != nil {
		return err
	}
	return h.watchWith(w, r, opts, out)
}

func (h *Handler) watchWith(w http.ResponseWriter, r *request, opts *internalversion.ListOptions, out codec.Output) error {
	if out.Media == codec.YAML {
		return codec.NotAcceptable(codec.StreamNames())
	}
	s := &stream{h: h, r: r, w: w, out: out, bookmarks: opts.AllowWatchBookmarks}
	if out.IsTable() {
		var err error
		if s.tabler, err = newTabler(r, out); err != nil {
			return err
		}
	} else if out.As != nil {
		s.partial = codec.NewType(partialKind(out, ""), codec.Untagged)
	}
	timeout := time.Duration(float64(minWatch) * (1 + rand.Float64()))
	if opts.TimeoutSeconds != nil && *opts.TimeoutSeconds > 0 {
		timeout = time.Duration(*opts.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	watched, err := r.resource.Watch(ctx, r.namespace, opts)
	if err != nil {
		if reason := apierrors.ReasonForError(err); reason == metav1.StatusReasonBadRequest || reason == metav1.StatusReasonInvalid {
			return err
		}
		s.begin()
		s.fail(err)
		return nil
	}
	defer watched.Close()
	s.begin()
	s.run(ctx, watched)
	return nil
}

// stream is a watch on its way to a client.
type stream struct {
	h         *Handler
	r         *request
	w         http.ResponseWriter
	out       codec.Output
	bookmarks bool
	tabler    *tabler
	partial   *codec.Type
	b         *bufio.Writer
	flush     func() error
}

func (s *stream) begin() {
	typ := s.out.Media.String()
	if s.out.Media == codec.Protobuf {
		typ += ";stream=watch"
	}
	s.w.Header().Set("Content-Type", typ)
	s.w.Header().Set("Transfer-Encoding", "chunked")
	s.w.WriteHeader(http.StatusOK)
	s.b = bufio.NewWriterSize(s.w, watchBuffer)
	s.flush = http.NewResponseController(s.w).Flush
	_ = s.flush()
}

// run writes events until the client, the server or the cache ends it.
func (s *stream) run(ctx context.Context, watched *registry.Watch) {
	ticker := time.NewTicker(bookmarkEvery)
	defer ticker.Stop()
	var sent int64
	due := false
	for {
		progress := watched.Progress()
		for {
			change, err := watched.Next()
			if err != nil {
				_ = s.b.Flush()
				return
			}
			if change == nil {
				break
			}
			if s.event(change.Type, change.Item) != nil {
				return
			}
			if end := watched.InitialEnd(); end > 0 && s.event(watch.Bookmark, s.r.resource.Bookmark(end, true)) != nil {
				return
			}
		}
		if end := watched.InitialEnd(); end > 0 && s.event(watch.Bookmark, s.r.resource.Bookmark(end, true)) != nil {
			return
		}
		if due && s.bookmarks && progress > sent {
			sent = progress
			if s.event(watch.Bookmark, s.r.resource.Bookmark(progress, false)) != nil {
				return
			}
		}
		due = false
		if s.b.Flush() != nil || s.flush() != nil {
			return
		}
		select {
		case <-watched.Woken():
		case <-ticker.C:
			due = true
		case <-ctx.Done():
			return
		case <-s.h.Stopping:
			return
		}
	}
}

// event writes one event.
func (s *stream) event(typ watch.EventType, it *cache.Item) error {
	object, err := s.object(it)
	if err != nil {
		s.h.Logger.Error("watch event cannot be encoded", "resource", s.r.gvr, "key", it.Key, "err", err)
		return err
	}
	return s.write(codec.Event(s.out.Media, string(typ), object))
}

func (s *stream) object(it *cache.Item) (codec.Parts, error) {
	if s.tabler != nil {
		data, err := s.tabler.table(&metav1.ListMeta{ResourceVersion: strconv.FormatInt(it.Revision, 10)}, []*cache.Item{it})
		s.tabler.headers = false // they come with the first only
		return codec.Parts{data}, err
	}
	b, err := it.Bytes(form(s.out))
	if err != nil {
		return nil, err
	}
	typ := s.r.resource.Type
	if s.partial != nil {
		typ = s.partial
	}
	return typ.Object(s.out.Media, b), nil
}

// fail ends the watch with an error event.
func (s *stream) fail(err error) {
	status := ErrorStatus(err)
	media := s.out.Media
	data, encErr := codec.Body(&metav1.Status{
		ListMeta: status.ListMeta, Status: status.Status, Message: status.Message, Reason: status.Reason, Details: status.Details, Code: status.Code,
	}, media)
	if encErr != nil {
		return
	}
	if s.write(codec.Event(media, string(watch.Error), s.h.status.Object(media, data))) == nil && s.b.Flush() == nil {
		_ = s.flush()
	}
}

func (s *stream) write(parts codec.Parts) error {
	for _, p := range parts {
		if _, err := s.b.Write(p); err != nil {
			return err
		}
	}
	return nil
}
