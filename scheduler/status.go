package scheduler

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coreclient "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const statusWorkers = 8

// statusWriter writes in the background why pods have no node. Of several reports about a
// pod that wait, only the last is written.
type statusWriter struct {
	client coreclient.CoreV1Interface
	log    *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	waiting map[types.UID]*statusReport
	order   []types.UID
	busy    map[types.UID]struct{}
}

type statusReport struct {
	pod             *corev1.Pod
	reason, message string // empty: leave the condition alone
	nomination      *framework.PostFilterResult
}

func newStatusWriter(client coreclient.CoreV1Interface, log *slog.Logger) *statusWriter {
	return &statusWriter{
		client: client, log: log,
		wake:    make(chan struct{}, statusWorkers),
		waiting: make(map[types.UID]*statusReport),
		busy:    make(map[types.UID]struct{}),
	}
}

// set notes that PodScheduled is false and why; a nil nomination leaves the pod's as it is.
func (w *statusWriter) set(pod *corev1.Pod, reason, message string, nomination *framework.PostFilterResult) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.waiting[pod.UID]; old != nil {
		if nomination == nil {
			nomination = old.nomination
		}
	} else {
		w.order = append(w.order, pod.UID)
	}
	w.waiting[pod.UID] = &statusReport{pod, reason, message, nomination}
	w.poke()
}

func (w *statusWriter) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes reports until ctx ends.
func (w *statusWriter) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range statusWorkers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-w.wake:
				}
				for r := w.take(); r != nil && ctx.Err() == nil; r = w.take() {
					if err := w.write(ctx, r); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
						w.log.Warn("writing a pod's condition failed", "pod", podName(r.pod), "err", err)
					}
					w.release(r.pod.UID)
				}
			}
		})
	}
	wg.Wait()
}

// take returns a report about a pod that no other worker is writing about.
func (w *statusWriter) take() *statusReport {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, uid := range w.order {
		if _, busy := w.busy[uid]; busy {
			continue
		}
		if i == 0 {
			w.order = w.order[1:]
		} else {
			w.order = slices.Delete(w.order, i, i+1)
		}
		r := w.waiting[uid]
		delete(w.waiting, uid)
		w.busy[uid] = struct{}{}
		return r
	}
	return nil
}

func (w *statusWriter) release(uid types.UID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.busy, uid)
}

func (w *statusWriter) write(ctx context.Context, r *statusReport) error {
	patch := statusPatch(r, time.Now())
	if patch == nil {
		return nil
	}
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": r.pod.UID}, "status": patch})
	if err != nil {
		return err
	}
	_, err = w.client.Pods(r.pod.Namespace).Patch(ctx, r.pod.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, "status")
	return err
}

// statusPatch is what the pod's status lacks, or nil if nothing.
func statusPatch(r *statusReport, now time.Time) map[string]any {
	patch := make(map[string]any)
	want := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: r.reason, Message: r.message,
		LastTransitionTime: metav1.NewTime(now), ObservedGeneration: r.pod.Generation,
	}
	changed := r.reason != ""
	for i := range r.pod.Status.Conditions {
		c := &r.pod.Status.Conditions[i]
		if c.Type != want.Type {
			continue
		}
		if c.Status == want.Status {
			want.LastTransitionTime = c.LastTransitionTime
		}
		changed = changed && (c.Status != want.Status || c.Reason != want.Reason || c.Message != want.Message)
	}
	if changed {
		patch["conditions"] = []corev1.PodCondition{want}
	}
	if r.nomination != nil && r.nomination.NominatedNode != r.pod.Status.NominatedNodeName {
		if node := r.nomination.NominatedNode; node != "" {
			patch["nominatedNodeName"] = node
		} else {
			patch["nominatedNodeName"] = nil
		}
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}
