package framework

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// MaxScore is the best score of a node from one plugin, after normalisation; 0 is the worst.
const MaxScore int64 = 100

// Plugin is a named value that implements some of the extension points below.
type Plugin interface {
	// Name identifies the plugin in status and queueing.
	Name() string
}

// Enabled is a plugin in use.
type Enabled struct {
	Plugin Plugin
	// Weight multiplies the plugin's scores; 0 means 1.
	Weight int64
}

// PreEnqueuePlugin may keep a pod out of the queue until an update lets it in.
type PreEnqueuePlugin interface {
	Plugin
	PreEnqueue(pod *corev1.Pod) *Status
}

// QueueSortPlugin orders the pods that wait; exactly one is used.
type QueueSortPlugin interface {
	Plugin
	Less(a, b QueuedPod) bool
}

// QueuedPod is what a [QueueSortPlugin] sees of a waiting pod.
type QueuedPod struct {
	Info *PodInfo
	// Since is when the pod last entered the queue.
	Since time.Time
	// Sequence breaks ties in the order of arrival.
	Sequence uint64
}

// PreFilterResult narrows the nodes to try.
type PreFilterResult struct {
	// Nodes are the only names to try; nil means all.
	Nodes map[string]struct{}
}

// PreFilterPlugin works out, once for a pod, what its Filter will need, and may refuse the pod outright.
type PreFilterPlugin interface {
	Plugin
	PreFilter(ctx context.Context, cs *CycleState) (*PreFilterResult, *Status)
}

// PreFilterExtensions is implemented by a PreFilterPlugin whose state
// depends on other pods, so that "what if" questions can be asked.
type PreFilterExtensions interface {
	AddPod(cs *CycleState, added *PodInfo, node *NodeInfo)
	RemovePod(cs *CycleState, removed *PodInfo, node *NodeInfo)
}

// FilterPlugin says whether a pod may run on a node. It is called from several
// goroutines at once and must not change anything.
type FilterPlugin interface {
	Plugin
	Filter(cs *CycleState, node *NodeInfo) *Status
}

// FilterRunner asks all filters on behalf of a PostFilter plugin.
type FilterRunner interface {
	// Filter runs every filter, with the pods nominated to the node counted in.
	Filter(cs *CycleState, node *NodeInfo) *Status
	// AddPod puts a pod on a cloned node and tells the plugins.
	AddPod(cs *CycleState, p *PodInfo, node *NodeInfo)
	// RemovePod takes a pod off a cloned node and tells the plugins.
	RemovePod(cs *CycleState, p *PodInfo, node *NodeInfo)
}

// PostFilterResult says what became of the nomination of a pod that fits nowhere.
type PostFilterResult struct {
	// NominatedNode is where the pod will soon fit; empty clears the nomination.
	NominatedNode string
	// Victims are pods to delete so that it will.
	Victims []*PodInfo
}

// PostFilterPlugin is called when no node fits. A nil result leaves the pod's nomination alone.
type PostFilterPlugin interface {
	Plugin
	PostFilter(ctx context.Context, cs *CycleState, d *Diagnosis, run FilterRunner) (*PostFilterResult, *Status)
}

// PreScorePlugin works out, once for a pod, what its Score will need.
type PreScorePlugin interface {
	Plugin
	PreScore(ctx context.Context, cs *CycleState, nodes []*NodeInfo) *Status
}

// ScorePlugin rates nodes that fit: scores[i] is for nodes[i] and starts at zero.
// One call rates many nodes.
type ScorePlugin interface {
	Plugin
	Score(cs *CycleState, nodes []*NodeInfo, scores []int64) *Status
}

// ScoreNormalizer is implemented by a ScorePlugin whose scores need bringing
// between 0 and [MaxScore] once all are known.
type ScoreNormalizer interface {
	NormalizeScores(cs *CycleState, nodes []*NodeInfo, scores []int64)
}

// ReservePlugin keeps books on what chosen pods will use outside the snapshot. Unreserve
// is called, in reverse order, for every plugin when anything later fails; it must not mind being called without Reserve.
type ReservePlugin interface {
	Plugin
	Reserve(ctx context.Context, cs *CycleState, node string) *Status
	Unreserve(ctx context.Context, cs *CycleState, node string)
}

// Pending is a decision a [PermitPlugin] will make later.
type Pending struct {
	// Outcome yields one status: Success lets the pod be bound.
	Outcome <-chan *Status
	// Timeout is how long to wait before the pod is refused; 0 means for ever.
	Timeout time.Duration
}

// PermitPlugin may refuse a binding, or delay it: with the code Wait it
// also returns a Pending. Other pods are scheduled meanwhile.
type PermitPlugin interface {
	Plugin
	Permit(ctx context.Context, cs *CycleState, node string) (*Status, *Pending)
}

// PreBindPlugin does what must be done before the pod is bound.
type PreBindPlugin interface {
	Plugin
	PreBind(ctx context.Context, cs *CycleState, node string) *Status
}

// BindPlugin binds the pod; the first that does not answer Skip has done so.
type BindPlugin interface {
	Plugin
	Bind(ctx context.Context, cs *CycleState, node string) *Status
}

// PostBindPlugin is told of a pod that was bound.
type PostBindPlugin interface {
	Plugin
	PostBind(ctx context.Context, cs *CycleState, node string)
}

// NormalizeScores scales scores so that the highest becomes [MaxScore].
func NormalizeScores(scores []int64) {
	if m := maxOf(scores); m > 0 {
		for i, s := range scores {
			scores[i] = MaxScore * s / m
		}
	}
}

// NormalizeScoresReversed scales scores so that zero becomes [MaxScore] and the highest becomes 0.
func NormalizeScoresReversed(scores []int64) {
	m := maxOf(scores)
	for i, s := range scores {
		if m == 0 {
			scores[i] = MaxScore
		} else {
			scores[i] = MaxScore - MaxScore*s/m
		}
	}
}

func maxOf(scores []int64) int64 {
	var m int64
	for _, s := range scores {
		m = max(m, s)
	}
	return m
}
