package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
)

const (
	// noteLimit is the longest note the API takes, in bytes.
	noteLimit = 1024
	// recordBuffer is how many events may wait to be written; more are dropped.
	recordBuffer  = 8192
	recordWorkers = 8
	// seriesWindow is how long the same event again is counted in a series.
	seriesWindow = 6 * time.Minute
	seriesLimit  = 4096
)

// recorder writes events in the background. Losing one harms nothing.
type recorder struct {
	client     eventsclient.EventsV1Interface
	controller string
	instance   string
	log        *slog.Logger
	notes      chan *eventsv1.Event
	sequence   atomic.Int64

	mu     sync.Mutex
	series map[seriesKey]*series
}

type seriesKey struct {
	uid                     types.UID
	related                 types.UID
	reason, action, message string
}

type series struct {
	namespace, name string
	count           int32
	last            time.Time
}

func newRecorder(client eventsclient.EventsV1Interface, controller string, log *slog.Logger) *recorder {
	return &recorder{
		client: client, controller: controller, instance: instance(controller), log: log,
		notes:  make(chan *eventsv1.Event, recordBuffer),
		series: make(map[seriesKey]*series),
	}
}

// Record implements framework.Recorder. It never blocks.
func (r *recorder) Record(pod, related *corev1.Pod, eventType, reason, action, note string) {
	now := time.Now()
	if len(note) > noteLimit {
		note = note[:noteLimit-4] + " ..."
	}
	e := &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: pod.Namespace,
			Name:      r.name(pod.Name, now),
		},
		EventTime:           metav1.NewMicroTime(now),
		ReportingController: r.controller,
		ReportingInstance:   r.instance,
		Action:              action,
		Reason:              reason,
		Regarding:           reference(pod),
		Note:                note,
		Type:                eventType,
	}
	if related != nil {
		ref := reference(related)
		e.Related = &ref
	}
	select {
	case r.notes <- e:
	default:
		r.log.Warn("too many events wait to be written, dropping one", "pod", podName(pod), "reason", reason)
	}
}

// name makes an event's name of the pod's and the time. The sequence tells events of one moment
// apart, which under virtual time are many.
func (r *recorder) name(pod string, now time.Time) string {
	return fmt.Sprintf("%s.%x", pod, now.UnixNano()+r.sequence.Add(1))
}

func reference(pod *corev1.Pod) corev1.ObjectReference {
	return corev1.ObjectReference{
		APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
	}
}

// run writes events until ctx ends.
func (r *recorder) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range recordWorkers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case e := <-r.notes:
					if err := r.write(ctx, e); err != nil && ctx.Err() == nil {
						r.log.Warn("writing an event failed, dropping it", "event", e.Namespace+"/"+e.Name, "err", err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func (r *recorder) write(ctx context.Context, e *eventsv1.Event) error {
	if s := r.repeats(e); s != nil {
		patch, err := json.Marshal(map[string]any{"series": eventsv1.EventSeries{Count: s.count, LastObservedTime: e.EventTime}})
		if err != nil {
			return err
		}
		_, err = r.client.Events(s.namespace).Patch(ctx, s.name, types.MergePatchType, patch, metav1.PatchOptions{})
		if !apierrors.IsNotFound(err) {
			return err
		}
	}
	_, err := r.client.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
	for range 3 {
		if !apierrors.IsAlreadyExists(err) {
			break
		}
		e.Name = r.name(e.Regarding.Name, e.EventTime.Time) // another reporter had the same moment
		_, err = r.client.Events(e.Namespace).Create(ctx, e, metav1.CreateOptions{})
	}
	return err
}

// repeats returns a copy of the series the event belongs to, or nil if it is the first of its kind.
func (r *recorder) repeats(e *eventsv1.Event) *series {
	if e.Type == corev1.EventTypeNormal {
		return nil // these happen once
	}
	key := seriesKey{uid: e.Regarding.UID, reason: e.Reason, action: e.Action, message: e.Note}
	if e.Related != nil {
		key.related = e.Related.UID
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.series[key]; s != nil && e.EventTime.Sub(s.last) < seriesWindow {
		s.count++
		s.last = e.EventTime.Time
		out := *s
		return &out
	}
	if len(r.series) >= seriesLimit {
		for k, s := range r.series {
			if e.EventTime.Sub(s.last) >= seriesWindow {
				delete(r.series, k)
			}
		}
		if len(r.series) >= seriesLimit {
			clear(r.series)
		}
	}
	r.series[key] = &series{namespace: e.Namespace, name: e.Name, count: 1, last: e.EventTime.Time}
	return nil
}
