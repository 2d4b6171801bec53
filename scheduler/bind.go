package scheduler

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/queue"
)

// place takes the chosen node for granted and binds the pod while others are being decided.
func (s *Scheduler) place(ctx context.Context, cs *framework.CycleState, p *queue.Pod, node string) {
	if st, plugin := s.profile.Reserve(ctx, cs, node); !st.IsSuccess() {
		s.turnDown(p, st, plugin)
		return
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		s.profile.Unreserve(ctx, cs, node)
		s.queue.Retry(p)
		return
	}
	s.cache.Assume(p.Info, node)
	s.queue.Placed(p)
	cs.Snapshot = nil
	s.binding.Go(func() {
		defer func() { <-s.slots }()
		s.bind(ctx, cs, p, node)
	})
}

// bind carries a decision out, or takes it back.
func (s *Scheduler) bind(ctx context.Context, cs *framework.CycleState, p *queue.Pod, node string) {
	pod := p.Info.Pod
	st, plugin := s.prepare(ctx, cs, node)
	if st.IsSuccess() {
		st, plugin = s.profile.Bind(ctx, cs, node)
	}
	if st.IsSuccess() {
		s.recorder.Record(pod, nil, corev1.EventTypeNormal, "Scheduled", "Binding",
			"Successfully assigned "+podName(pod)+" to "+node)
		s.profile.PostBind(ctx, cs, node)
		return
	}
	s.profile.Unreserve(ctx, cs, node)
	s.cache.Forget(pod.UID)
	// What the pod had taken is free again.
	assigned := pod.DeepCopy()
	assigned.Spec.NodeName = node
	s.queue.Event(framework.Event{Kind: framework.AssignedPod, Action: framework.Deleted, Old: assigned})
	if ctx.Err() != nil {
		return
	}
	if apierrors.IsNotFound(st.Err()) {
		// Most likely the pod was deleted; the informer will say so and end its wait.
		s.log.Warn("binding a pod failed because it, or the means to bind it, was not found", "pod", podName(pod), "err", st.Err())
		s.queue.Retry(p)
		return
	}
	s.turnDown(p, st, plugin)
}

// prepare runs the steps before binding, and lets the slot go if they may take long.
func (s *Scheduler) prepare(ctx context.Context, cs *framework.CycleState, node string) (*framework.Status, string) {
	if cs.SlowBind || s.profile.HasPermit() {
		<-s.slots
		defer func() { s.slots <- struct{}{} }() // who holds a slot ends with ctx at the latest
	}
	if st, plugin := s.profile.Permit(ctx, cs, node); !st.IsSuccess() {
		return st, plugin
	}
	return s.profile.PreBind(ctx, cs, node)
}

// turnDown requeues a pod whose chosen node came to nothing.
func (s *Scheduler) turnDown(p *queue.Pod, st *framework.Status, plugin string) {
	if st.IsRejected() {
		s.report(p, corev1.PodReasonUnschedulable, st.Message(), nil)
		s.queue.Refuse(p, map[string]struct{}{plugin: {}})
		return
	}
	s.log.Error("binding a pod failed, will retry", "pod", podName(p.Info.Pod), "plugin", plugin, "err", st.Err())
	s.report(p, corev1.PodReasonSchedulerError, st.Message(), nil)
	s.queue.Retry(p)
}
