package daemonset

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/keelson-project/keelson/controller/owned"
)

// view is a daemon set, the nodes, and its pods by node.
type view struct {
	ds        *appsv1.DaemonSet
	placement placement
	nodes     []*corev1.Node
	pods      map[string][]*corev1.Pod
	hash      string // of the current template
	now       time.Time
}

// plan is what to create and delete.
type plan struct {
	create []string // nodes
	remove []*corev1.Pod
	// ended are those of remove that failed or succeeded.
	ended []*corev1.Pod
}

// oldestFirst puts the pod to keep first: bound before unbound, then by age.
func oldestFirst(pods []*corev1.Pod) []*corev1.Pod {
	bound := func(pod *corev1.Pod) int {
		if pod.Spec.NodeName != "" {
			return 0
		}
		return 1
	}
	return slices.SortedFunc(slices.Values(pods), func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(bound(a), bound(b)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
}

func (v *view) isCurrent(pod *corev1.Pod) bool {
	return pod.Labels[appsv1.ControllerRevisionHashLabelKey] == v.hash
}

func (v *view) isAvailable(pod *corev1.Pod) bool {
	return owned.IsAvailable(pod, v.ds.Spec.MinReadySeconds, v.now)
}

// manage plans that every node that should has one pod, and no other has any.
func (v *view) manage() plan {
	var p plan
	known := make(map[string]bool, len(v.nodes))
	for _, node := range v.nodes {
		known[node.Name] = true
		v.manageNode(node, &p)
	}
	// Pods that wait for a node that is gone; bound ones are podgc's.
	for _, name := range slices.Sorted(maps.Keys(v.pods)) {
		for _, pod := range v.pods[name] {
			if !known[name] && pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil {
				p.remove = append(p.remove, pod)
			}
		}
	}
	return p
}

func (v *view) manageNode(node *corev1.Node, p *plan) {
	run, stay := v.placement.on(node)
	pods, some := v.pods[node.Name]
	if !some {
		if run {
			p.create = append(p.create, node.Name)
		}
		return
	}
	var running []*corev1.Pod
	for _, pod := range oldestFirst(pods) {
		switch {
		case pod.DeletionTimestamp != nil:
		case !stay:
			p.remove = append(p.remove, pod)
		case owned.IsFinished(pod):
			p.remove = append(p.remove, pod)
			p.ended = append(p.ended, pod)
		default:
			running = append(running, pod)
		}
	}
	if !stay {
		return
	}
	surge, _ := v.limits()
	if surge == 0 {
		if len(running) > 1 {
			p.remove = append(p.remove, running[1:]...)
		}
		return
	}
	// While surging, a node may have one pod of either kind; the old one goes when it
	// is broken or the new one is available.
	var old, current *corev1.Pod
	for _, pod := range running {
		switch {
		case v.isCurrent(pod) && current == nil:
			current = pod
		case !v.isCurrent(pod) && old == nil:
			old = pod
		default:
			p.remove = append(p.remove, pod)
		}
	}
	switch {
	case len(running) == 0 && run:
		p.create = append(p.create, node.Name)
	case old != nil && current != nil && (!owned.IsReady(old) || v.isAvailable(current)):
		p.remove = append(p.remove, old)
	}
}

// desired counts the nodes that should have a pod.
func (v *view) desired() int {
	n := 0
	for _, node := range v.nodes {
		if run, _ := v.placement.on(node); run {
			n++
		}
	}
	return n
}

// limits resolves maxSurge and maxUnavailable, both rounded up. Where both come out as
// zero, one pod may be unavailable.
func (v *view) limits() (surge, unavailable int) {
	update := v.ds.Spec.UpdateStrategy.RollingUpdate
	if v.ds.Spec.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType || update == nil {
		return 0, 0
	}
	desired := v.desired()
	surge, _ = intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(update.MaxSurge, intstr.FromInt32(0)), desired, true)
	unavailable, _ = intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(update.MaxUnavailable, intstr.FromInt32(0)), desired, true)
	if surge == 0 && unavailable == 0 && desired > 0 {
		unavailable = 1
	}
	return surge, unavailable
}

// onNode returns the node's pods of the current and of older templates; false while
// there are several of a kind, which manage sees to first.
func (v *view) onNode(name string) (current, old *corev1.Pod, ok bool) {
	for _, pod := range v.pods[name] {
		if pod.DeletionTimestamp != nil {
			continue
		}
		slot := &old
		if v.isCurrent(pod) {
			slot = &current
		}
		if *slot != nil {
			return nil, nil, false
		}
		*slot = pod
	}
	return current, old, true
}

// roll plans the next step of a rolling update.
func (v *view) roll() plan {
	names := make(map[string]bool)
	for name := range v.pods {
		names[name] = true
	}
	for _, node := range v.nodes {
		if run, _ := v.placement.on(node); run {
			names[node.Name] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(names))
	surge, unavailable := v.limits()
	if surge > 0 {
		return v.rollSurging(sorted, surge)
	}
	return v.rollReplacing(sorted, unavailable)
}

// rollReplacing deletes old pods: those that are not available at once, others as far
// as the limit allows.
func (v *view) rollReplacing(names []string, limit int) plan {
	var p plan
	var candidates []*corev1.Pod
	down := 0
	for _, name := range names {
		current, old, ok := v.onNode(name)
		switch {
		case !ok, current == nil && old == nil, current != nil && old != nil:
			down++
		case current != nil:
			if !v.isAvailable(current) {
				down++
			}
		case !v.isAvailable(old):
			p.remove = append(p.remove, old)
			down++
		default:
			candidates = append(candidates, old)
		}
	}
	n := min(max(0, limit-down), len(candidates))
	p.remove = append(p.remove, candidates[:n]...)
	return p
}

// rollSurging adds new pods beside old ones, as far as the limit allows; old ones that
// are not available get a successor at once, and go when it is available.
func (v *view) rollSurging(names []string, limit int) plan {
	nodes := make(map[string]*corev1.Node, len(v.nodes))
	for _, node := range v.nodes {
		nodes[node.Name] = node
	}
	var p plan
	var candidates []string
	var misplaced []*corev1.Pod
	surging, available := 0, 0
	for _, name := range names {
		current, old, ok := v.onNode(name)
		if !ok {
			surging++
			continue
		}
		if keep := cmp.Or(old, current); keep != nil && v.isAvailable(keep) {
			available++
		}
		switch {
		case old == nil:
		case current != nil:
			if v.isAvailable(current) {
				p.remove = append(p.remove, old)
			} else {
				surging++
			}
		default:
			run := false
			if node := nodes[name]; node != nil {
				run, _ = v.placement.on(node)
			}
			switch {
			case !run && !v.isAvailable(old):
				p.remove = append(p.remove, old)
			case !run:
				misplaced = append(misplaced, old)
			case !v.isAvailable(old):
				p.create = append(p.create, name)
			default:
				candidates = append(candidates, name)
			}
		}
	}
	spare := min(max(0, available-v.desired()), len(misplaced))
	p.remove = append(p.remove, misplaced[:spare]...)
	n := min(max(0, limit-surging), len(candidates))
	p.create = append(p.create, candidates[:n]...)
	return p
}

// status counts the pods.
func (v *view) status() appsv1.DaemonSetStatus {
	s := appsv1.DaemonSetStatus{
		ObservedGeneration: v.ds.Status.ObservedGeneration,
		CollisionCount:     v.ds.Status.CollisionCount,
		Conditions:         v.ds.Status.Conditions,
	}
	for _, node := range v.nodes {
		pods := v.pods[node.Name]
		run, _ := v.placement.on(node)
		if !run {
			if len(pods) > 0 {
				s.NumberMisscheduled++
			}
			continue
		}
		s.DesiredNumberScheduled++
		if len(pods) == 0 {
			continue
		}
		s.CurrentNumberScheduled++
		pod := oldestFirst(pods)[0]
		if owned.IsReady(pod) {
			s.NumberReady++
		}
		if v.isAvailable(pod) {
			s.NumberAvailable++
		}
		if v.isCurrent(pod) {
			s.UpdatedNumberScheduled++
		}
	}
	s.NumberUnavailable = s.DesiredNumberScheduled - s.NumberAvailable
	return s
}
