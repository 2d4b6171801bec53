package kubelet

import (
	"context"
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// statusSender writes a pod's status to the API, the newest only, and in the
// end deletes the pod. Its goroutine exists only while there is something to
// write. Its fields are guarded by the worker's mutex.
type statusSender struct {
	w       *worker
	want    *corev1.PodStatus // what the API should have
	base    *corev1.Pod       // the API's answer to the last write
	sent    *corev1.PodStatus // what that write asked for
	remove  bool              // the pod is to be deleted after the write
	busy    bool
	removed bool // the API no longer has the pod
}

// last returns the status that was set last, or nil.
func (s *statusSender) last() *corev1.PodStatus {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.want
}

// set has a status written.
func (s *statusSender) set(status corev1.PodStatus) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.want = &status
	s.kick()
}

// setAndDelete has the last status written, and then the pod deleted.
func (s *statusSender) setAndDelete() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.remove = true
	s.kick()
}

// kick starts the goroutine if there is something to do; w.mu is held.
func (s *statusSender) kick() {
	if s.busy || s.removed || s.w.gone || s.want == nil {
		return
	}
	if !s.remove && s.settled() {
		return
	}
	s.busy = true
	s.w.k.tasks.start(s.run)
}

// newest is the pod as last known, from the watch or a write; w.mu is held.
func (s *statusSender) newest() *corev1.Pod {
	if s.base == nil || s.w.pod.ResourceVersion == s.base.ResourceVersion || newerVersion(s.w.pod, s.base) {
		return s.w.pod
	}
	return s.base
}

// settled reports whether the API has what is wanted, or as much of it as it
// was willing to take; w.mu is held.
func (s *statusSender) settled() bool {
	have := &s.newest().Status
	if equality.Semantic.DeepEqual(s.want, have) {
		return true
	}
	return s.sent != nil && equality.Semantic.DeepEqual(s.want, s.sent) && equality.Semantic.DeepEqual(have, &s.base.Status)
}

// newerVersion reports whether a is a later revision than b, both of the same
// object. Revisions are decimal numbers; of two with the same number of digits
// the greater is later.
func newerVersion(a, b *corev1.Pod) bool {
	x, y := a.ResourceVersion, b.ResourceVersion
	if len(x) != len(y) {
		return len(x) > len(y)
	}
	return x > y
}

// stop gives up what is not yet written; the goroutine ends with its context.
func (s *statusSender) stop() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.removed = true
}

func (s *statusSender) run() {
	ctx := s.w.k.ctx
	for delay := 100 * time.Millisecond; ; {
		s.w.mu.Lock()
		base, want, remove := s.newest(), s.want, s.remove
		equal := s.settled()
		if s.removed || s.w.gone || ctx.Err() != nil || equal && !remove {
			s.busy = false
			s.w.mu.Unlock()
			return
		}
		s.w.mu.Unlock()

		var err error
		if equal {
			err = s.delete(ctx, base)
		} else {
			err = s.patch(ctx, base, want)
		}
		switch {
		case err == nil:
			delay = 100 * time.Millisecond
		case apierrors.IsInvalid(err):
			s.w.log.Error("the API refuses the pod's status; it is tried again when it changes", "err", err)
			s.w.mu.Lock()
			s.base, s.sent = base, want
			s.w.mu.Unlock()
		case apierrors.IsNotFound(err) || apierrors.IsConflict(err):
			// The pod is gone; there may be another of its name.
			s.w.mu.Lock()
			s.removed, s.busy = true, false
			s.w.mu.Unlock()
			return
		default:
			s.w.log.Warn("writing pod status failed, trying again", "err", err, "after", delay)
			if sleep(ctx, delay) != nil {
				delay = 0 // the loop ends for the same reason
			}
			delay = min(2*delay, 10*time.Second)
		}
	}
}

// patch writes the difference of a status to the one in the API.
func (s *statusSender) patch(ctx context.Context, base *corev1.Pod, want *corev1.PodStatus) error {
	data, err := statusPatch(base, want)
	if err != nil {
		return err
	}
	pod, err := s.w.k.cfg.Client.CoreV1().Pods(base.Namespace).Patch(
		ctx, base.Name, types.StrategicMergePatchType, data, metav1.PatchOptions{}, "status")
	if err != nil {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.base, s.sent = pod, want
	return nil
}

// statusPatch is the strategic merge patch from a pod's status to another. It
// names the pod's UID so that it cannot hit another pod of the same name.
func statusPatch(base *corev1.Pod, want *corev1.PodStatus) ([]byte, error) {
	meta := metav1.ObjectMeta{UID: base.UID}
	before, err := json.Marshal(&corev1.Pod{Status: base.Status})
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(&corev1.Pod{ObjectMeta: meta, Status: *want})
	if err != nil {
		return nil, err
	}
	return strategicpatch.CreateTwoWayMergePatch(before, after, &corev1.Pod{})
}

// delete removes the pod from the API, all its containers being gone.
func (s *statusSender) delete(ctx context.Context, base *corev1.Pod) error {
	uid := base.UID
	err := s.w.k.cfg.Client.CoreV1().Pods(base.Namespace).Delete(ctx, base.Name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64), Preconditions: &metav1.Preconditions{UID: &uid},
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.removed = true
	return nil
}
