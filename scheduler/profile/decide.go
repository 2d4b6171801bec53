package profile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/keelson-project/keelson/scheduler/framework"
)

const (
	minFeasibleNodes      = 100
	minFeasiblePercentage = 5
	// firstBlock nodes are filtered by the calling goroutine alone: most pods
	// find enough nodes there, and goroutines would cost more than they save.
	firstBlock = 512
	// blockPerWorker is how many nodes each goroutine filters between two looks at the result.
	blockPerWorker = 256
	// parallelScore is from how many nodes on scores are computed by several goroutines.
	parallelScore = 1024
)

// ErrNoNodes says that the cluster has no node at all.
var ErrNoNodes = errors.New("no nodes available to schedule pods")

// Decision is where a pod shall run.
type Decision struct {
	// Node is nil if there is none.
	Node *framework.NodeInfo
	// Diagnosis says why there is none; nil if there is one.
	Diagnosis *framework.Diagnosis
	// Evaluated is how many nodes were tried, Feasible how many of them fit.
	Evaluated, Feasible int
}

// scratch is memory reused from one decision to the next.
type scratch struct {
	feasible []*framework.NodeInfo
	refused  []framework.Refusal
	filters  []point[framework.FilterPlugin]
	verdicts []framework.Refusal
	total    []int64
	scores   []int64
}

// Decide finds a node for the pod of a fresh cycle state. The error, if any, is a failure
// of a plugin or [ErrNoNodes], not a refusal.
func (p *Profile) Decide(ctx context.Context, cs *framework.CycleState) (Decision, error) {
	all := cs.Snapshot.Nodes()
	if len(all) == 0 {
		return Decision{}, ErrNoNodes
	}
	d := &framework.Diagnosis{Nodes: len(all)}
	nodes, ok, err := p.runPreFilter(ctx, cs, all, d)
	if err != nil {
		return Decision{}, err
	}
	if !ok {
		return Decision{Diagnosis: d}, nil
	}
	feasible, evaluated, err := p.findFeasible(cs, nodes, d)
	if err != nil {
		return Decision{}, err
	}
	out := Decision{Evaluated: evaluated, Feasible: len(feasible)}
	switch len(feasible) {
	case 0:
		d.Refused = slices.Clone(p.scratch.refused)
		for i := range d.Refused {
			d.AddPlugin(d.Refused[i].Plugin)
		}
		out.Diagnosis = d
	case 1:
		out.Node = feasible[0]
	default:
		out.Node, err = p.best(ctx, cs, feasible)
	}
	return out, err
}

func (p *Profile) runPreFilter(ctx context.Context, cs *framework.CycleState, all []*framework.NodeInfo, d *framework.Diagnosis) (nodes []*framework.NodeInfo, ok bool, err error) {
	var only map[string]struct{}
	var narrowed []string
	var refusal *framework.Status
	for i := range p.preFilter {
		pl := &p.preFilter[i]
		r, st := pl.plugin.PreFilter(ctx, cs)
		switch st.Code() {
		case framework.Success:
		case framework.Skip:
			cs.SkipFilter |= pl.bit
			continue
		case framework.Unschedulable:
			// Preemption may help, and needs what the others work out.
			refusal = st
			d.AddPlugin(pl.name)
			continue
		case framework.UnschedulableAndUnresolvable:
			d.AddPlugin(pl.name)
			d.PreFilter, d.Untried = st, st
			return nil, false, nil
		default:
			return nil, false, fmt.Errorf("running PreFilter plugin %q: %w", pl.name, st.Err())
		}
		if r == nil || r.Nodes == nil {
			continue
		}
		narrowed = append(narrowed, pl.name)
		if only == nil {
			only = maps.Clone(r.Nodes)
		} else {
			maps.DeleteFunc(only, func(name string, _ struct{}) bool { _, in := r.Nodes[name]; return !in })
		}
		if len(only) == 0 {
			for _, name := range narrowed {
				d.AddPlugin(name)
			}
			msg := "node(s) didn't satisfy plugin " + pl.name
			if len(narrowed) > 1 {
				slices.Sort(narrowed)
				msg = fmt.Sprintf("node(s) didn't satisfy plugin(s) [%s] simultaneously", strings.Join(narrowed, " "))
			}
			d.PreFilter = framework.NewStatus(framework.UnschedulableAndUnresolvable, msg)
			d.Untried = d.PreFilter
			return nil, false, nil
		}
	}
	if refusal != nil {
		d.PreFilter, d.Untried = refusal, refusal
		return nil, false, nil
	}
	if only == nil {
		return all, true, nil
	}
	slices.Sort(narrowed)
	d.Untried = framework.NewStatus(framework.UnschedulableAndUnresolvable,
		fmt.Sprintf("node(s) didn't satisfy plugin(s) [%s]", strings.Join(narrowed, " ")))
	for _, name := range slices.Sorted(maps.Keys(only)) {
		if n := cs.Snapshot.Node(name); n != nil {
			nodes = append(nodes, n)
		}
	}
	if len(nodes) < len(all) {
		for _, name := range narrowed {
			d.AddPlugin(name)
		}
	}
	return nodes, true, nil
}

// target is how many fitting nodes are enough.
func (p *Profile) target(nodes int) int {
	if len(p.score) == 0 {
		return 1
	}
	if nodes < minFeasibleNodes {
		return nodes
	}
	percentage := p.percentage
	if percentage == 0 {
		percentage = max(50-nodes/125, minFeasiblePercentage)
	}
	return max(nodes*percentage/100, minFeasibleNodes)
}

// findFeasible tries nodes, starting where the last pod's search ended, until enough fit.
func (p *Profile) findFeasible(cs *framework.CycleState, nodes []*framework.NodeInfo, d *framework.Diagnosis) (feasible []*framework.NodeInfo, evaluated int, err error) {
	s := &p.scratch
	s.feasible, s.refused = s.feasible[:0], s.refused[:0]
	p.activate(cs)
	if name := cs.Snapshot.NominatedNode(cs.Pod.Pod.UID); name != "" {
		if n := cs.Snapshot.Node(name); n != nil && slices.Contains(nodes, n) && p.try(cs, n).Status == nil {
			return append(s.feasible, n), 1, nil
		}
	}
	if len(nodes) == 0 {
		return nil, 0, nil
	}
	want := p.target(len(nodes))
	start := p.next % len(nodes)
	at := func(i int) *framework.NodeInfo {
		if i += start; i >= len(nodes) {
			i -= len(nodes)
		}
		return nodes[i]
	}
	take := func(r framework.Refusal) error {
		switch r.Status.Code() {
		case framework.Success:
			s.feasible = append(s.feasible, r.Node)
		case framework.Error:
			return fmt.Errorf("running Filter plugin %q: %w", r.Plugin, r.Status.Err())
		default:
			s.refused = append(s.refused, r)
		}
		return nil
	}
	i, block := 0, firstBlock
	if p.parallelism == 1 {
		block = len(nodes)
	}
	for ; i < min(block, len(nodes)) && len(s.feasible) < want; i++ {
		if err := take(p.try(cs, at(i))); err != nil {
			return nil, i, err
		}
	}
	for i < len(nodes) && len(s.feasible) < want {
		n := min(len(nodes)-i, p.parallelism*blockPerWorker)
		s.verdicts = slices.Grow(s.verdicts[:0], n)[:n]
		p.parallel(n, func(from, to int) {
			for j := from; j < to; j++ {
				s.verdicts[j] = p.try(cs, at(i+j))
			}
		})
		for j := 0; j < n && len(s.feasible) < want; j++ {
			if err := take(s.verdicts[j]); err != nil {
				return nil, i, err
			}
			i++
		}
	}
	p.next = (start + i) % len(nodes)
	return s.feasible, i, nil
}

// activate lists the filters that did not ask to be left out.
func (p *Profile) activate(cs *framework.CycleState) {
	p.scratch.filters = p.scratch.filters[:0]
	for i := range p.filter {
		if cs.SkipFilter&p.filter[i].bit == 0 {
			p.scratch.filters = append(p.scratch.filters, p.filter[i])
		}
	}
}

// try filters one node; the status is nil if it fits.
func (p *Profile) try(cs *framework.CycleState, n *framework.NodeInfo) framework.Refusal {
	if cs.Snapshot.HasNominations() {
		if st, name := p.tryWithNominated(cs, n); st != nil {
			return framework.Refusal{Node: n, Status: st, Plugin: name}
		}
	}
	st, name := p.runFilters(cs, n)
	return framework.Refusal{Node: n, Status: st, Plugin: name}
}

// tryWithNominated filters the node as if the pods nominated to it, and not less important, were there
// already. The pod must fit without them as well, for it may need one that never comes.
func (p *Profile) tryWithNominated(cs *framework.CycleState, n *framework.NodeInfo) (*framework.Status, string) {
	var clone *framework.NodeInfo
	for _, other := range cs.Snapshot.NominatedOn(n.Name()) {
		if other.Pod.UID == cs.Pod.Pod.UID || other.Priority() < cs.Pod.Priority() {
			continue
		}
		if clone == nil {
			clone, cs = n.Clone(), cs.Clone()
		}
		p.AddPod(cs, other, clone)
	}
	if clone == nil {
		return nil, ""
	}
	return p.runFilters(cs, clone)
}

func (p *Profile) runFilters(cs *framework.CycleState, n *framework.NodeInfo) (*framework.Status, string) {
	for i := range p.scratch.filters {
		f := &p.scratch.filters[i]
		if st := f.plugin.Filter(cs, n); !st.IsSuccess() {
			return st, f.name
		}
	}
	return nil, ""
}

// Filter implements [framework.FilterRunner].
func (p *Profile) Filter(cs *framework.CycleState, n *framework.NodeInfo) *framework.Status {
	return p.try(cs, n).Status
}

// AddPod implements [framework.FilterRunner].
func (p *Profile) AddPod(cs *framework.CycleState, added *framework.PodInfo, n *framework.NodeInfo) {
	n.AddPod(added)
	for _, x := range p.extensions {
		x.AddPod(cs, added, n)
	}
}

// RemovePod implements [framework.FilterRunner].
func (p *Profile) RemovePod(cs *framework.CycleState, removed *framework.PodInfo, n *framework.NodeInfo) {
	n.RemovePod(removed.Pod.UID)
	for _, x := range p.extensions {
		x.RemovePod(cs, removed, n)
	}
}

// best scores the nodes and picks one of the highest.
func (p *Profile) best(ctx context.Context, cs *framework.CycleState, nodes []*framework.NodeInfo) (*framework.NodeInfo, error) {
	for i := range p.preScore {
		pl := &p.preScore[i]
		switch st := pl.plugin.PreScore(ctx, cs, nodes); st.Code() {
		case framework.Success:
		case framework.Skip:
			cs.SkipScore |= pl.bit
		default:
			return nil, fmt.Errorf("running PreScore plugin %q: %w", pl.name, st.Err())
		}
	}
	s := &p.scratch
	s.total = slices.Grow(s.total[:0], len(nodes))[:len(nodes)]
	s.scores = slices.Grow(s.scores[:0], len(nodes))[:len(nodes)]
	clear(s.total)
	for i := range p.score {
		pl := &p.score[i]
		if cs.SkipScore&pl.bit != 0 {
			continue
		}
		clear(s.scores)
		if st := p.runScore(pl.plugin, cs, nodes); !st.IsSuccess() {
			return nil, fmt.Errorf("running Score plugin %q: %w", pl.name, st.Err())
		}
		if n, ok := pl.plugin.(framework.ScoreNormalizer); ok {
			n.NormalizeScores(cs, nodes, s.scores)
		}
		for j, v := range s.scores {
			if v < 0 || v > framework.MaxScore {
				return nil, fmt.Errorf("plugin %q gave node %q the score %d, must be 0 to %d", pl.name, nodes[j].Name(), v, framework.MaxScore)
			}
			s.total[j] += v * pl.weight
		}
	}
	top, ties := s.total[0], 0
	for _, v := range s.total {
		if v > top {
			top, ties = v, 1
		} else if v == top {
			ties++
		}
	}
	pick := p.rand.IntN(ties)
	for i, v := range s.total {
		if v == top {
			if pick == 0 {
				return nodes[i], nil
			}
			pick--
		}
	}
	return nodes[0], nil
}

func (p *Profile) runScore(pl framework.ScorePlugin, cs *framework.CycleState, nodes []*framework.NodeInfo) *framework.Status {
	if len(nodes) < parallelScore || p.parallelism == 1 {
		return pl.Score(cs, nodes, p.scratch.scores)
	}
	var mu sync.Mutex
	var failed *framework.Status
	p.parallel(len(nodes), func(from, to int) {
		if st := pl.Score(cs, nodes[from:to], p.scratch.scores[from:to]); !st.IsSuccess() {
			mu.Lock()
			failed = st
			mu.Unlock()
		}
	})
	return failed
}

// parallel cuts 0..n into one piece per worker.
func (p *Profile) parallel(n int, f func(from, to int)) {
	size := (n + p.parallelism - 1) / p.parallelism
	var wg sync.WaitGroup
	for from := size; from < n; from += size {
		wg.Go(func() { f(from, min(from+size, n)) })
	}
	f(0, min(size, n))
	wg.Wait()
}
