package replicaset

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/controller/owned"
)

// toDelete chooses n of the pods: those whose loss hurts least come first. relatives
// are the pods of all sets with the same controller; of two pods that are alike, the
// one on a node with more relatives goes.
func toDelete(pods, relatives []*corev1.Pod, n int, now time.Time) []*corev1.Pod {
	if n >= len(pods) {
		return pods
	}
	crowd := make(map[string]int)
	for _, pod := range relatives {
		if owned.IsActive(pod) {
			crowd[pod.Spec.NodeName]++
		}
	}
	ranked := slices.Clone(pods)
	slices.SortStableFunc(ranked, func(a, b *corev1.Pod) int { return compare(a, b, crowd, now) })
	return ranked[:n]
}

// compare orders pods by what is lost with them, least first. The steps, each deciding
// only if those before it found no difference: unassigned before assigned; pending,
// unknown, running; not ready before ready; lower deletion cost; more crowded node;
// ready for a shorter time, and created later (both by powers of two, so that age does
// not always decide); more restarts.
func compare(a, b *corev1.Pod, crowd map[string]int, now time.Time) int {
	if c := cmp.Or(
		falseFirst(a.Spec.NodeName != "", b.Spec.NodeName != ""),
		cmp.Compare(phaseRank(a.Status.Phase), phaseRank(b.Status.Phase)),
		falseFirst(owned.IsReady(a), owned.IsReady(b)),
		cmp.Compare(deletionCost(a), deletionCost(b)),
		cmp.Compare(crowd[b.Spec.NodeName], crowd[a.Spec.NodeName]),
	); c != 0 {
		return c
	}
	if owned.IsReady(a) {
		if c, differ := compareAge(owned.ReadySince(a), owned.ReadySince(b), a, b, now); differ {
			return c
		}
	}
	aRestarts, aSidecars := owned.Restarts(a)
	bRestarts, bSidecars := owned.Restarts(b)
	if c := cmp.Or(cmp.Compare(bRestarts, aRestarts), cmp.Compare(bSidecars, aSidecars)); c != 0 {
		return c
	}
	c, _ := compareAge(a.CreationTimestamp.Time, b.CreationTimestamp.Time, a, b, now)
	return c
}

// compareAge puts the later moment first, and says whether the moments differ at all.
// Ages of the same power of two count as one; then the UID decides, which is random.
func compareAge(x, y time.Time, a, b *corev1.Pod, now time.Time) (order int, differ bool) {
	switch {
	case x.Equal(y):
		return 0, false
	case x.IsZero():
		return -1, true
	case y.IsZero():
		return 1, true
	}
	if c := cmp.Compare(magnitude(now.Sub(x)), magnitude(now.Sub(y))); c != 0 {
		return c, true
	}
	return cmp.Compare(a.UID, b.UID), true
}

func magnitude(d time.Duration) int {
	if d <= 0 {
		return -1
	}
	return int(math.Log2(float64(d)))
}

func phaseRank(phase corev1.PodPhase) int {
	switch phase {
	case corev1.PodUnknown:
		return 1
	case corev1.PodRunning:
		return 2
	default:
		return 0
	}
}

// deletionCost is the pod's annotated cost; one that is no number counts as none.
func deletionCost(pod *corev1.Pod) int64 {
	text, ok := pod.Annotations[corev1.PodDeletionCost]
	if !ok || text == "" || text[0] == '+' || (text[0] == '0' && len(text) > 1) {
		return 0
	}
	cost, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0
	}
	return cost
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
