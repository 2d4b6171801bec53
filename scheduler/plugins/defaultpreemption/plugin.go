// Package defaultpreemption makes room for a pod that fits nowhere by choosing
// less important pods to delete.
package defaultpreemption

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const (
	// A tenth of the nodes that could help, but at least minCandidates, are tried.
	candidateShare = 10
	minCandidates  = 100
)

var noVictims = framework.NewStatus(framework.UnschedulableAndUnresolvable, "No preemption victims found for incoming pod")

// Plugin chooses a node and the pods to delete there: as few and as unimportant as will
// do, keeping to disruption budgets where it can.
type Plugin struct{}

// Name implements framework.Plugin.
func (Plugin) Name() string { return "DefaultPreemption" }

// Events implements framework.EventPlugin: the plugins that refused the pod know what it waits for.
func (Plugin) Events() []framework.EventInterest { return nil }

// PostFilter implements framework.PostFilterPlugin. It only decides; the scheduler deletes.
func (Plugin) PostFilter(ctx context.Context, cs *framework.CycleState, d *framework.Diagnosis, run framework.FilterRunner) (*framework.PostFilterResult, *framework.Status) {
	if msg := ineligible(cs, d); msg != "" {
		return nil, framework.NewStatus(framework.Unschedulable, "preemption: "+msg)
	}
	nodes := helpable(cs.Snapshot, d)
	budgets, err := listBudgets(cs.Cluster)
	if err != nil {
		return nil, framework.AsStatus(fmt.Errorf("preemption: %w", err))
	}
	outcome := &framework.Diagnosis{
		Nodes:   d.Nodes,
		Untried: framework.NewStatus(framework.UnschedulableAndUnresolvable, "Preemption is not helpful for scheduling"),
	}
	enough := max(len(nodes)/candidateShare, minCandidates)
	offset := offsetOf(cs.Pod.Pod, len(nodes))
	var found []candidate
	gentle := false // found one that breaks no budget
	for i := range nodes {
		if ctx.Err() != nil {
			return nil, framework.AsStatus(ctx.Err())
		}
		if gentle && len(found) >= enough {
			break
		}
		n := nodes[(offset+i)%len(nodes)]
		c, st := victimsOn(cs, n, budgets, run)
		if st != nil {
			outcome.Refused = append(outcome.Refused, framework.Refusal{Node: n, Status: st})
			continue
		}
		gentle = gentle || c.violations == 0
		found = append(found, c)
	}
	if len(found) == 0 {
		return &framework.PostFilterResult{}, framework.NewStatus(framework.Unschedulable, "preemption: "+outcome.Message())
	}
	best := pick(found)
	return &framework.PostFilterResult{NominatedNode: best.node.Name(), Victims: best.victims},
		framework.NewStatus(framework.Success, fmt.Sprintf("preemption: found a potential placement for pod on node %v, preempting %d victims", best.node.Name(), len(best.victims)))
}

// ineligible says why the pod may not preempt now, if it may not.
func ineligible(cs *framework.CycleState, d *framework.Diagnosis) string {
	pod := cs.Pod.Pod
	if pod.Spec.PreemptionPolicy != nil && *pod.Spec.PreemptionPolicy == corev1.PreemptNever {
		return "not eligible due to preemptionPolicy=Never."
	}
	n := cs.Snapshot.Node(cs.Snapshot.NominatedNode(pod.UID))
	if n == nil {
		return ""
	}
	for i := range d.Refused {
		if d.Refused[i].Node == n && d.Refused[i].Status.Code() == framework.UnschedulableAndUnresolvable {
			return ""
		}
	}
	for _, p := range n.Pods {
		if p.Priority() < cs.Pod.Priority() && (cs.Snapshot.Doomed(p.Pod.UID) || preempted(p.Pod)) {
			return "not eligible due to a terminating pod on the nominated node."
		}
	}
	return ""
}

// preempted reports whether a pod is terminating because it was preempted.
func preempted(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue && c.Reason == corev1.PodReasonPreemptionByScheduler
	})
}

// helpable lists the nodes whose answer removing pods might change.
func helpable(s *framework.Snapshot, d *framework.Diagnosis) []*framework.NodeInfo {
	var out []*framework.NodeInfo
	if d.Untried.Code() == framework.Unschedulable && len(d.Refused) == 0 {
		return s.Nodes()
	}
	for i := range d.Refused {
		if d.Refused[i].Status.Code() == framework.Unschedulable {
			out = append(out, d.Refused[i].Node)
		}
	}
	return out
}

// offsetOf spreads where pods begin to look, the same for the same pod.
func offsetOf(pod *corev1.Pod, n int) int {
	if n == 0 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(pod.UID))
	return int(h.Sum32() % uint32(n))
}

type candidate struct {
	node       *framework.NodeInfo
	victims    []*framework.PodInfo // most important first
	violations int                  // of disruption budgets
}

// victimsOn finds which pods would have to leave the node: with all less important ones gone the pod
// must fit; then as many as possible come back, the important ones first.
func victimsOn(cs *framework.CycleState, n *framework.NodeInfo, budgets []*budget, run framework.FilterRunner) (candidate, *framework.Status) {
	var potential []*framework.PodInfo
	for _, p := range n.Pods {
		if p.Priority() < cs.Pod.Priority() {
			potential = append(potential, p)
		}
	}
	if len(potential) == 0 {
		return candidate{}, noVictims
	}
	slices.SortFunc(potential, byImportance)
	node, state := n.Clone(), cs.Clone()
	for _, p := range potential {
		run.RemovePod(state, p, node)
	}
	if st := run.Filter(state, node); !st.IsSuccess() {
		return candidate{}, st
	}
	violating, others := splitByBudget(potential, budgets)
	out := candidate{node: n}
	comesBack := func(p *framework.PodInfo) bool {
		run.AddPod(state, p, node)
		if run.Filter(state, node).IsSuccess() {
			return true
		}
		run.RemovePod(state, p, node)
		out.victims = append(out.victims, p)
		return false
	}
	for _, p := range violating {
		if !comesBack(p) {
			out.violations++
		}
	}
	for _, p := range others {
		comesBack(p)
	}
	if len(out.victims) == 0 {
		return candidate{}, noVictims
	}
	slices.SortFunc(out.victims, byImportance)
	return out, nil
}

// byImportance puts the higher priority first, then the longer running pod.
func byImportance(a, b *framework.PodInfo) int {
	if pa, pb := a.Priority(), b.Priority(); pa != pb {
		if pa > pb {
			return -1
		}
		return 1
	}
	return startOf(a.Pod).Compare(startOf(b.Pod))
}

type budget struct {
	*policyv1.PodDisruptionBudget
	selector labels.Selector
	left     int32
}
