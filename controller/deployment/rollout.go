package deployment

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// size is one set's new number of replicas.
type size struct {
	set      *appsv1.ReplicaSet
	replicas int32
}

func isRolling(d *appsv1.Deployment) bool {
	return d.Spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType
}

// fenceposts resolves the surge (rounded up) and the unavailability (rounded down)
// that the strategy allows. Where both come out as zero, one pod may be unavailable:
// otherwise nothing could ever move.
func fenceposts(d *appsv1.Deployment) (surge, unavailable int32) {
	if !isRolling(d) || d.Spec.Strategy.RollingUpdate == nil {
		return 0, 0
	}
	desired := int(*d.Spec.Replicas)
	zero := intstr.FromInt32(0)
	up, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(d.Spec.Strategy.RollingUpdate.MaxSurge, zero), desired, true)
	if err != nil {
		return 0, 0
	}
	down, err := intstr.GetScaledValueFromIntOrPercent(intstr.ValueOrDefault(d.Spec.Strategy.RollingUpdate.MaxUnavailable, zero), desired, false)
	if err != nil {
		return 0, 0
	}
	if up == 0 && down == 0 {
		down = 1
	}
	return int32(up), int32(down)
}

func maxSurge(d *appsv1.Deployment) int32 {
	surge, _ := fenceposts(d)
	return surge
}

func maxUnavailable(d *appsv1.Deployment) int32 {
	if *d.Spec.Replicas == 0 {
		return 0
	}
	_, unavailable := fenceposts(d)
	return min(unavailable, *d.Spec.Replicas)
}

// growth is the size the current set should have now, given all sets including it.
func growth(d *appsv1.Deployment, current *appsv1.ReplicaSet, all []*appsv1.ReplicaSet) int32 {
	desired, have := *d.Spec.Replicas, *current.Spec.Replicas
	if have >= desired || !isRolling(d) {
		return desired
	}
	room := desired + maxSurge(d) - sum(all, specReplicas)
	if room <= 0 {
		return have
	}
	return have + min(room, desired-have)
}

// shrinkOld is how the old sets may shrink now without going below what must be
// available: first replicas that are not available anyway, then as many available
// ones as the current set's make up for. Sets that keep their size are left out.
func shrinkOld(d *appsv1.Deployment, current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) []size {
	old = slices.SortedFunc(slices.Values(active(old)), byAge)
	if sum(old, specReplicas) == 0 {
		return nil
	}
	minAvailable := *d.Spec.Replicas - maxUnavailable(d)
	unavailable := *current.Spec.Replicas - current.Status.AvailableReplicas
	budget := sum(old, specReplicas) + *current.Spec.Replicas - minAvailable - unavailable
	if budget <= 0 {
		return nil
	}

	plan := make([]size, len(old))
	for i, set := range old {
		broken := max(0, *set.Spec.Replicas-set.Status.AvailableReplicas)
		cut := min(broken, budget)
		budget -= cut
		plan[i] = size{set, *set.Spec.Replicas - cut}
	}
	spare := sum(old, availableReplicas) + current.Status.AvailableReplicas - minAvailable
	for i := range plan {
		cut := min(plan[i].replicas, max(0, spare))
		spare -= cut
		plan[i].replicas -= cut
	}
	return slices.DeleteFunc(plan, func(s size) bool { return s.replicas == *s.set.Spec.Replicas })
}

func specReplicas(set *appsv1.ReplicaSet) int32      { return *set.Spec.Replicas }
func actualReplicas(set *appsv1.ReplicaSet) int32    { return set.Status.Replicas }
func readyReplicas(set *appsv1.ReplicaSet) int32     { return set.Status.ReadyReplicas }
func availableReplicas(set *appsv1.ReplicaSet) int32 { return set.Status.AvailableReplicas }

func sum(sets []*appsv1.ReplicaSet, of func(*appsv1.ReplicaSet) int32) int32 {
	var total int32
	for _, set := range sets {
		total += of(set)
	}
	return total
}

// active returns the sets that want pods.
func active(sets []*appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	var some []*appsv1.ReplicaSet
	for _, set := range sets {
		if *set.Spec.Replicas > 0 {
			some = append(some, set)
		}
	}
	return some
}

// join returns the sets together with the current one, which may be nil.
func join(old []*appsv1.ReplicaSet, current *appsv1.ReplicaSet) []*appsv1.ReplicaSet {
	all := slices.Clone(old)
	if current != nil {
		all = append(all, current)
	}
	return all
}
