package deployment

import (
	"cmp"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
)

// wasScaled reports whether the deployment's size differs from what its sets were
// last sized for.
func wasScaled(d *appsv1.Deployment, all []*appsv1.ReplicaSet) bool {
	for _, set := range active(all) {
		if desired, ok := sizeAnnotation(set, desiredAnnotation); ok && desired != *d.Spec.Replicas {
			return true
		}
	}
	return false
}

// rescale is how the sets follow a change of the deployment's size that is no rollout:
// the only active set takes all of it; beside a complete current set the others go; in
// the middle of a rollout all grow or shrink in proportion. Sets that only need their
// size noted anew are in the plan too.
func rescale(d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) []size {
	if only := onlyActive(current, old); only != nil {
		if *only.Spec.Replicas == *d.Spec.Replicas {
			return nil
		}
		return []size{{only, *d.Spec.Replicas}}
	}
	if isSaturated(d, current) {
		var plan []size
		for _, set := range active(old) {
			plan = append(plan, size{set, 0})
		}
		return plan
	}
	if !isRolling(d) {
		return nil
	}
	return proportional(d, active(join(old, current)))
}

// onlyActive returns the one active set; the newest if none is active; nil if several
// are, or there are no sets.
func onlyActive(current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	switch some := active(join(old, current)); {
	case len(some) == 1:
		return some[0]
	case len(some) > 1:
		return nil
	case current != nil:
		return current
	case len(old) > 0:
		return slices.MaxFunc(old, byAge)
	}
	return nil
}

// isSaturated reports whether the current set holds all replicas, available.
func isSaturated(d *appsv1.Deployment, current *appsv1.ReplicaSet) bool {
	if current == nil {
		return false
	}
	desired, ok := sizeAnnotation(current, desiredAnnotation)
	return ok && desired == *d.Spec.Replicas &&
		*current.Spec.Replicas == *d.Spec.Replicas &&
		current.Status.AvailableReplicas == *d.Spec.Replicas
}

// proportional shares the change out by the sets' present sizes. What rounding leaves
// over goes to the largest: on growth the newest of equals, on shrinking the oldest.
func proportional(d *appsv1.Deployment, sets []*appsv1.ReplicaSet) []size {
	allowed := int32(0)
	if *d.Spec.Replicas > 0 {
		allowed = *d.Spec.Replicas + maxSurge(d)
	}
	change := allowed - sum(sets, specReplicas)
	sets = slices.SortedFunc(slices.Values(sets), func(a, b *appsv1.ReplicaSet) int {
		age := byAge(a, b)
		if change > 0 {
			age = -age
		}
		return cmp.Or(cmp.Compare(*b.Spec.Replicas, *a.Spec.Replicas), age)
	})
	plan := make([]size, len(sets))
	left := change
	for i, set := range sets {
		share := fraction(d, set)
		if change > 0 {
			share = min(share, left)
		} else {
			share = max(share, left)
		}
		if change == 0 {
			share = 0
		}
		plan[i] = size{set, *set.Spec.Replicas + share}
		left -= share
	}
	if len(plan) > 0 {
		plan[0].replicas = max(0, plan[0].replicas+left)
	}
	return plan
}

// fraction is the set's part in the change, by the size it had of the whole.
func fraction(d *appsv1.Deployment, set *appsv1.ReplicaSet) int32 {
	have := *set.Spec.Replicas
	if *d.Spec.Replicas == 0 {
		return -have
	}
	whole, ok := sizeAnnotation(set, maxAnnotation)
	if !ok || whole == 0 {
		whole = d.Status.Replicas
	}
	if whole == 0 {
		return 0
	}
	next := float64(have) * float64(*d.Spec.Replicas+maxSurge(d)) / float64(whole)
	return int32(math.Round(next)) - have
}
