package scheduler

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/queue"
)

// preempt nominates the node and deletes the victims, while other pods are being decided.
func (s *Scheduler) preempt(ctx context.Context, cs *framework.CycleState, p *queue.Pod, r *framework.PostFilterResult) {
	snap, pod := cs.Snapshot, p.Info.Pod
	// Pods that counted on the same room, but matter less, must look again.
	for _, other := range append([]*framework.PodInfo(nil), snap.NominatedOn(r.NominatedNode)...) {
		if other.Priority() < p.Info.Priority() {
			snap.Unnominate(other.Pod.UID)
			s.status.set(other.Pod, "", "", &framework.PostFilterResult{})
		}
	}
	snap.Nominate(p.Info, r.NominatedNode)
	for _, v := range r.Victims {
		snap.Doom(v.Pod.UID)
	}
	if len(r.Victims) == 0 {
		return
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return
	}
	s.binding.Go(func() {
		defer func() { <-s.slots }()
		for _, v := range r.Victims {
			err := s.evict(ctx, v.Pod, pod)
			switch {
			case err == nil:
				s.recorder.Record(v.Pod, pod, corev1.EventTypeNormal, "Preempted", "Preempting",
					fmt.Sprintf("Preempted by pod %v on node %v", pod.UID, r.NominatedNode))
			case apierrors.IsNotFound(err) || ctx.Err() != nil:
			default:
				s.log.Error("deleting a pod to make room failed", "pod", podName(v.Pod), "for", podName(pod), "err", err)
				s.cache.Spare(v.Pod.UID)
				s.queue.Event(framework.Event{Kind: framework.AssignedPod, Action: framework.Deleted, Old: v.Pod})
			}
		}
	})
}

// evict marks a pod as a target of disruption and deletes it.
func (s *Scheduler) evict(ctx context.Context, victim, preemptor *corev1.Pod) error {
	pods := s.cfg.Client.CoreV1().Pods(victim.Namespace)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": victim.UID},
		"status": map[string]any{"conditions": []corev1.PodCondition{{
			Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonPreemptionByScheduler,
			Message:            preemptor.Spec.SchedulerName + ": preempting to accommodate a higher priority pod",
			LastTransitionTime: metav1.NewTime(time.Now()), ObservedGeneration: victim.Generation,
		}}},
	})
	if err != nil {
		return err
	}
	if _, err := pods.Patch(ctx, victim.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		return fmt.Errorf("marking the pod: %w", err)
	}
	return pods.Delete(ctx, victim.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(victim.UID))})
}
