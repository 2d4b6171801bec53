package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/reference"
)

const (
	maxQueuedEvents = 1000
	maxEventTries   = 12
	eventRetryPause = 10 * time.Second
)

// eventSink writes the events of all recorders of one run, one after the other. It
// holds a goroutine only while there are events to write.
type eventSink struct {
	client     kubernetes.Interface
	logger     *slog.Logger
	correlator *record.EventCorrelator

	mu      sync.Mutex
	ctx     context.Context
	queue   []*corev1.Event
	last    int64 // the last time stamp given out as part of a name
	running bool
	wg      sync.WaitGroup
}

func newEventSink(client kubernetes.Interface, logger *slog.Logger) *eventSink {
	return &eventSink{
		client:     client,
		logger:     logger,
		correlator: record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{}),
	}
}

func (s *eventSink) start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
	s.hire()
}

func (s *eventSink) wait() {
	s.mu.Lock()
	s.ctx = nil
	s.queue = nil
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *eventSink) add(event *corev1.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) >= maxQueuedEvents {
		s.logger.Debug("event dropped: too many are waiting", "reason", event.Reason)
		return
	}
	s.queue = append(s.queue, event)
	s.hire()
}

// stamp is a number for names: the time in nanoseconds, made unique where the clock
// stands still, as it does in virtual time.
func (s *eventSink) stamp(now time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, now.UnixNano())
	return s.last
}

func (s *eventSink) hire() {
	if s.ctx == nil || s.ctx.Err() != nil || s.running || len(s.queue) == 0 {
		return
	}
	s.running = true
	ctx := s.ctx
	s.wg.Go(func() { s.drain(ctx) })
}

func (s *eventSink) drain(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && ctx.Err() == nil {
		event := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		s.write(ctx, event)
		s.mu.Lock()
	}
	s.running = false
}

// write stores one event, or counts up the one it repeats. Errors of the server are
// final; a server that cannot be reached is tried again for a while.
func (s *eventSink) write(ctx context.Context, event *corev1.Event) {
	result, err := s.correlator.EventCorrelate(event)
	if err != nil {
		s.logger.Debug("event dropped: correlation failed", "reason", event.Reason, "err", err)
		return
	}
	if result.Skip {
		return
	}
	for try := 1; ; try++ {
		stored, err := s.store(ctx, result.Event, result.Patch)
		if err == nil {
			s.correlator.UpdateState(stored)
			return
		}
		var status *apierrors.StatusError
		if errors.As(err, &status) || try >= maxEventTries {
			s.logger.Debug("event dropped", "reason", event.Reason, "object", event.InvolvedObject.Name, "err", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(eventRetryPause):
		}
	}
}

func (s *eventSink) store(ctx context.Context, event *corev1.Event, patch []byte) (*corev1.Event, error) {
	events := s.client.CoreV1().Events(event.Namespace)
	if event.Count > 1 {
		stored, err := events.Patch(ctx, event.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			return stored, err
		}
	}
	event.ResourceVersion = ""
	return events.Create(ctx, event, metav1.CreateOptions{})
}

// recorder makes events of one component.
type recorder struct {
	sink      *eventSink
	component string
}

var _ record.EventRecorder = (*recorder)(nil)

func (r *recorder) Event(object runtime.Object, eventType, reason, message string) {
	r.record(object, nil, eventType, reason, message)
}

func (r *recorder) Eventf(object runtime.Object, eventType, reason, format string, args ...any) {
	r.record(object, nil, eventType, reason, fmt.Sprintf(format, args...))
}

func (r *recorder) AnnotatedEventf(object runtime.Object, annotations map[string]string, eventType, reason, format string, args ...any) {
	r.record(object, annotations, eventType, reason, fmt.Sprintf(format, args...))
}

func (r *recorder) record(object runtime.Object, annotations map[string]string, eventType, reason, message string) {
	ref, err := reference.GetReference(scheme.Scheme, object)
	if err != nil {
		r.sink.logger.Debug("event dropped: object cannot be referred to", "reason", reason, "err", err)
		return
	}
	now := metav1.Now()
	namespace := ref.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	r.sink.add(&corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name:        fmt.Sprintf("%s.%x", eventNamePrefix(ref.Name), r.sink.stamp(now.Time)),
			Namespace:   namespace,
			Annotations: annotations,
		},
		InvolvedObject:      *ref,
		Reason:              reason,
		Message:             message,
		FirstTimestamp:      now,
		LastTimestamp:       now,
		Count:               1,
		Type:                eventType,
		Source:              corev1.EventSource{Component: r.component},
		ReportingController: r.component,
	})
}

// eventNamePrefix leaves room for the time stamp in an event's name.
func eventNamePrefix(name string) string {
	const room = 253 - 1 - 16
	if len(name) > room {
		return name[:room]
	}
	return name
}
