package endpoint

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
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
	// lastBookmark is how long before its end a watch gets its last one.
	lastBookmark = 2 * time.Second
)

func (h *Handler) watch(w http.ResponseWriter, r *request) error {
	out, err := r.negotiate()
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
	s := &stream{h: h, r: r, out: out, bookmarks: opts.AllowWatchBookmarks}
	if out.IsTable() {
		var err error
		if s.tabler, err = newTabler(r, out); err != nil {
			return err
		}
	} else if out.As != nil {
		s.unshowable = out.As.Kind != "PartialObjectMetadata"
		s.partial = codec.NewType(partialKind(out, ""), codec.Untagged)
	}
	timeout := time.Duration(float64(minWatch) * (1 + rand.Float64()))
	if opts.TimeoutSeconds != nil && *opts.TimeoutSeconds != 0 {
		timeout = time.Duration(*opts.TimeoutSeconds) * time.Second
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	watched, err := r.resource.Watch(r.Context(), r.namespace, opts)
	if reason := apierrors.ReasonForError(err); err != nil && (reason == metav1.StatusReasonBadRequest || reason == metav1.StatusReasonInvalid) {
		return err
	}
	if err == nil {
		defer watched.Close()
	}
	var sinkErr error
	if websocket.IsWebSocketUpgrade(r.Request) {
		s.to, sinkErr = newSocket(w, r.Request, out.Media, cancel)
	} else {
		s.to, sinkErr = h.newChunked(w, out.Media)
	}
	if sinkErr != nil { // the client is gone, or has been told what is wrong
		return nil
	}
	defer s.to.close()
	if err != nil {
		s.fail(err)
		return nil
	}
	s.run(ctx, watched)
	return nil
}

// stream is a watch on its way to a client.
type stream struct {
	h         *Handler
	r         *request
	out       codec.Output
	bookmarks bool
	tabler    *tabler
	partial   *codec.Type
	// unshowable says that no event has the form asked for: the first ends
	// the watch.
	unshowable bool
	to         sink
}

// run writes events until the client, the server or the cache ends it.
func (s *stream) run(ctx context.Context, watched *registry.Watch) {
	timer := time.NewTimer(untilBookmark(ctx))
	defer timer.Stop()
	var sent int64
	due := false
	for {
		progress := watched.Progress()
		for {
			change, err := watched.Next()
			if err != nil {
				_ = s.to.flush() // it ends in any case
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
		if s.to.flush() != nil {
			return
		}
		select {
		case <-watched.Woken():
		case <-timer.C:
			due = true
			timer.Reset(untilBookmark(ctx))
		case <-ctx.Done():
			return
		case <-s.h.Stopping:
			return
		}
	}
}

// untilBookmark is how long it is until the next bookmark: a while, or until
// just before the watch ends, so that its client can go on from there.
func untilBookmark(ctx context.Context) time.Duration {
	if end, ok := ctx.Deadline(); ok {
		if d := time.Until(end) - lastBookmark; d > 0 && d < bookmarkEvery {
			return d
		}
	}
	return bookmarkEvery
}

// event writes one event.
func (s *stream) event(typ watch.EventType, it *cache.Item) error {
	if s.unshowable {
		return errUnshowable
	}
	object, err := s.object(it)
	if err != nil {
		s.h.Logger.Error("watch event cannot be encoded", "resource", s.r.gvr, "key", it.Key, "err", err)
		return err
	}
	return s.to.write(codec.Event(s.out.Media, string(typ), object))
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
	if s.to.write(codec.Event(media, string(watch.Error), s.h.status.Object(media, data))) == nil {
		_ = s.to.flush() // it ends in any case
	}
}
