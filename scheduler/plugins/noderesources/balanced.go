package noderesources

import (
	"context"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// BalancedAllocation scores by whether the pod brings the used shares of CPU
// and memory closer together.
type BalancedAllocation struct{}

// Name implements framework.Plugin.
func (BalancedAllocation) Name() string { return "NodeResourcesBalancedAllocation" }

// PreScore implements framework.PreScorePlugin. A pod that requests nothing changes no balance.
func (BalancedAllocation) PreScore(_ context.Context, cs *framework.CycleState, _ []*framework.NodeInfo) *framework.Status {
	if cs.Pod.Request.MilliCPU == 0 && cs.Pod.Request.Memory == 0 {
		return framework.NewStatus(framework.Skip)
	}
	return nil
}

// Score implements framework.ScorePlugin: 75 where the pod changes nothing, up to 100 where
// it improves the balance, down to 50 where it worsens it.
func (BalancedAllocation) Score(cs *framework.CycleState, nodes []*framework.NodeInfo, scores []int64) *framework.Status {
	want := &cs.Pod.Request
	for i, n := range nodes {
		used, have := &n.Requested, &n.Allocatable
		with := balance(used.MilliCPU+want.MilliCPU, have.MilliCPU, used.Memory+want.Memory, have.Memory)
		without := balance(used.MilliCPU, have.MilliCPU, used.Memory, have.Memory)
		scores[i] = framework.MaxScore/2 + (framework.MaxScore/2+with-without)/2
	}
	return nil
}

// balance is 100 where both shares are equal; it loses half a point for each point between them.
func balance(cpu, allCPU, memory, allMemory int64) int64 {
	if allCPU == 0 || allMemory == 0 {
		return framework.MaxScore
	}
	a := min(float64(cpu)/float64(allCPU), 1)
	b := min(float64(memory)/float64(allMemory), 1)
	deviation := (a - b) / 2
	if deviation < 0 {
		deviation = -deviation
	}
	return int64((1 - deviation) * float64(framework.MaxScore))
}
