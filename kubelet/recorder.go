package kubelet

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// recorderBacklog is how many events may wait to be written; more are dropped.
const recorderBacklog = 1000

// recorder writes events. Its goroutine exists only while there are some to
// write, so that thousands of idle nodes cost none.
type recorder struct {
	client kubernetes.Interface
	source corev1.EventSource
	tasks  *group

	mu         sync.Mutex
	ctx        context.Context
	correlator *record.EventCorrelator // made at the first event
	pending    []*corev1.Event
	busy       bool
	serial     int64 // the number in the last event's name
}

// event records one event of an object.
func (r *recorder) event(ref corev1.ObjectReference, kind, reason, format string, args ...any) {
	now := time.Now()
	stamp := metav1.NewTime(now)
	namespace := ref.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
		},
		InvolvedObject: ref, Reason: reason, Message: fmt.Sprintf(format, args...), Type: kind,
		FirstTimestamp: stamp, LastTimestamp: stamp, Count: 1,
		Source: r.source, ReportingController: r.source.Component, ReportingInstance: r.source.Host,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pending) >= recorderBacklog || r.ctx == nil {
		return
	}
	event.Name = r.name(ref.Name, now)
	r.pending = append(r.pending, event)
	if !r.busy {
		r.busy = true
		r.tasks.start(r.write)
	}
}

// name names an event after its object and the time, or a little later if that
// was used for another; r.mu is held.
func (r *recorder) name(object string, now time.Time) string {
	r.serial = max(r.serial+1, now.UnixNano())
	return object + "." + strconv.FormatInt(r.serial, 16)
}

// write sends what is pending and ends.
func (r *recorder) write() {
	for {
		r.mu.Lock()
		if len(r.pending) == 0 || r.ctx.Err() != nil {
			r.busy = false
			r.mu.Unlock()
			return
		}
		event := r.pending[0]
		r.pending = r.pending[1:]
		if r.correlator == nil {
			r.correlator = record.NewEventCorrelatorWithOptions(record.CorrelatorOptions{})
		}
		r.mu.Unlock()

		result, err := r.correlator.EventCorrelate(event)
		if err == nil && !result.Skip {
			r.send(result)
		}
	}
}

// send writes one event, trying again while the API does not answer.
func (r *recorder) send(result *record.EventCorrelateResult) {
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		var written *corev1.Event
		var err error
		events := r.client.CoreV1().Events(result.Event.Namespace)
		if len(result.Patch) > 0 {
			written, err = events.Patch(r.ctx, result.Event.Name, types.StrategicMergePatchType, result.Patch, metav1.PatchOptions{})
		}
		if len(result.Patch) == 0 || apierrors.IsNotFound(err) {
			result.Event.ResourceVersion = ""
			written, err = events.Create(r.ctx, result.Event, metav1.CreateOptions{})
		}
		if err == nil {
			r.correlator.UpdateState(written)
			return
		}
		if apierrors.IsAlreadyExists(err) {
			// Another recorder named an event of the same object the same.
			r.mu.Lock()
			result.Event.Name = r.name(result.Event.InvolvedObject.Name, time.Now())
			r.mu.Unlock()
			if sleep(r.ctx, time.Millisecond) != nil {
				return
			}
			continue
		}
		if _, answered := err.(apierrors.APIStatus); answered {
			return // refused, as in a namespace that is terminating
		}
		if sleep(r.ctx, delay) != nil {
			return
		}
	}
}

// podRef refers to a pod.
func podRef(pod *corev1.Pod) corev1.ObjectReference {
	return corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: pod.Namespace, Name: pod.Name,
		UID: pod.UID, ResourceVersion: pod.ResourceVersion,
	}
}

// containerRef refers to a container of a pod.
func containerRef(pod *corev1.Pod, container string) corev1.ObjectReference {
	ref := podRef(pod)
	for _, list := range []struct {
		path string
		has  bool
	}{
		{"initContainers", hasName(pod.Spec.InitContainers, container)},
		{"containers", hasName(pod.Spec.Containers, container)},
		{"ephemeralContainers", hasEphemeral(pod, container)},
	} {
		if list.has {
			ref.FieldPath = fmt.Sprintf("spec.%s{%s}", list.path, container)
		}
	}
	return ref
}

func hasName(list []corev1.Container, name string) bool {
	for i := range list {
		if list[i].Name == name {
			return true
		}
	}
	return false
}

func hasEphemeral(pod *corev1.Pod, name string) bool {
	for i := range pod.Spec.EphemeralContainers {
		if pod.Spec.EphemeralContainers[i].Name == name {
			return true
		}
	}
	return false
}
