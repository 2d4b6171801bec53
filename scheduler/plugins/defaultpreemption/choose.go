package defaultpreemption

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/scheduler/framework"
)

func listBudgets(c *framework.Cluster) ([]*budget, error) {
	if c.PodDisruptionBudgets == nil {
		return nil, nil
	}
	list, err := c.PodDisruptionBudgets.List(labels.Everything())
	if err != nil {
		return nil, fmt.Errorf("listing disruption budgets: %w", err)
	}
	out := make([]*budget, 0, len(list))
	for _, b := range list {
		s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || s.Empty() {
			continue // an invalid or empty selector protects nothing
		}
		out = append(out, &budget{PodDisruptionBudget: b, selector: s})
	}
	return out, nil
}

// splitByBudget separates the pods that no disruption budget has room for, keeping the order.
func splitByBudget(pods []*framework.PodInfo, budgets []*budget) (violating, others []*framework.PodInfo) {
	for _, b := range budgets {
		b.left = b.Status.DisruptionsAllowed
	}
	for _, p := range pods {
		violates := false
		for _, b := range budgets {
			if b.Namespace != p.Pod.Namespace || len(p.Pod.Labels) == 0 || !b.selector.Matches(labels.Set(p.Pod.Labels)) {
				continue
			}
			if _, counted := b.Status.DisruptedPods[p.Pod.Name]; counted {
				continue
			}
			b.left--
			violates = violates || b.left < 0
		}
		if violates {
			violating = append(violating, p)
		} else {
			others = append(others, p)
		}
	}
	return violating, others
}

// pick chooses the candidate that hurts least: fewest broken budgets, then the lowest top
// priority, the lowest sum of priorities, the fewest victims, and the most recently
// started of the top victims. What is equal by all that is decided by order.
func pick(list []candidate) candidate {
	best := list[0]
	for _, c := range list[1:] {
		if c.better(&best) {
			best = c
		}
	}
	return best
}

func (c *candidate) better(o *candidate) bool {
	if c.violations != o.violations {
		return c.violations < o.violations
	}
	if a, b := c.victims[0].Priority(), o.victims[0].Priority(); a != b {
		return a < b
	}
	if a, b := c.sum(), o.sum(); a != b {
		return a < b
	}
	if len(c.victims) != len(o.victims) {
		return len(c.victims) < len(o.victims)
	}
	return c.earliest().After(o.earliest())
}

// sum adds the priorities up, shifted so that more victims never make it smaller.
func (c *candidate) sum() int64 {
	var s int64
	for _, v := range c.victims {
		s += int64(v.Priority()) + 1<<31
	}
	return s
}

// earliest is when the first of the most important victims started.
func (c *candidate) earliest() time.Time {
	top := c.victims[0].Priority()
	at := startOf(c.victims[0].Pod)
	for _, v := range c.victims[1:] {
		if v.Priority() == top && startOf(v.Pod).Before(at) {
			at = startOf(v.Pod)
		}
	}
	return at
}

// startOf is when a pod started; one that did not start yet counts as started last.
func startOf(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return time.Unix(1<<40, 0)
}
