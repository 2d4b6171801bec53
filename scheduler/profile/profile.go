package profile

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Config is what a [Profile] is made of.
type Config struct {
	// Plugins in the order they are called.
	Plugins []framework.Enabled
	// Seed picks among nodes that are equally good.
	Seed uint64
	// Parallelism is how many goroutines may filter nodes for one pod; 0 means GOMAXPROCS.
	Parallelism int
	// PercentageOfNodesToScore is how many of the nodes, in percent, are looked for before
	// the best of them is taken; 0 adapts it to the cluster: 50 less one for each 125
	// nodes, at least 5. At least 100 nodes are always looked for.
	PercentageOfNodesToScore int
}

// Profile runs plugins. One goroutine makes decisions with it; the methods of the binding
// phase (from [Profile.Permit] on) may be called from others.
type Profile struct {
	names       []string
	preEnqueue  []framework.PreEnqueuePlugin
	sort        framework.QueueSortPlugin
	preFilter   []point[framework.PreFilterPlugin]
	extensions  []framework.PreFilterExtensions
	filter      []point[framework.FilterPlugin]
	postFilter  []framework.PostFilterPlugin
	preScore    []point[framework.PreScorePlugin]
	score       []point[framework.ScorePlugin]
	reserve     []framework.ReservePlugin
	permit      []framework.PermitPlugin
	preBind     []framework.PreBindPlugin
	bind        []framework.BindPlugin
	postBind    []framework.PostBindPlugin
	interests   map[string][]framework.EventInterest
	parallelism int
	percentage  int
	rand        *rand.Rand
	next        int
	scratch     scratch
}

type point[P framework.Plugin] struct {
	plugin P
	name   string
	bit    uint64
	weight int64
}

// New orders the plugins. It fails when names repeat, there are more than 64 plugins, or
// there is not exactly one that sorts the queue and at least one that binds.
func New(cfg Config) (*Profile, error) {
	p := &Profile{
		interests:   make(map[string][]framework.EventInterest),
		parallelism: cfg.Parallelism,
		percentage:  cfg.PercentageOfNodesToScore,
		rand:        rand.New(rand.NewPCG(cfg.Seed, cfg.Seed^0x9e3779b97f4a7c15)),
	}
	if p.parallelism <= 0 {
		p.parallelism = runtime.GOMAXPROCS(0)
	}
	if p.percentage < 0 || p.percentage > 100 {
		return nil, fmt.Errorf("PercentageOfNodesToScore is %d, must be 0 to 100", p.percentage)
	}
	if len(cfg.Plugins) > 64 {
		return nil, fmt.Errorf("%d plugins, at most 64 can be enabled", len(cfg.Plugins))
	}
	for i, e := range cfg.Plugins {
		if e.Plugin == nil {
			return nil, fmt.Errorf("plugin %d is nil", i)
		}
		if err := p.add(e, uint64(1)<<i); err != nil {
			return nil, err
		}
	}
	if p.sort == nil {
		return nil, errors.New("no plugin sorts the queue: enable queuesort.Plugin or another QueueSortPlugin")
	}
	if len(p.bind) == 0 {
		return nil, errors.New("no plugin binds pods: enable defaultbinder.Plugin or another BindPlugin")
	}
	return p, nil
}

func (p *Profile) add(e framework.Enabled, bit uint64) error {
	pl, name := e.Plugin, e.Plugin.Name()
	if slices.Contains(p.names, name) {
		return fmt.Errorf("plugin %q is enabled twice", name)
	}
	p.names = append(p.names, name)
	weight := max(e.Weight, 1)
	if v, ok := pl.(framework.PreEnqueuePlugin); ok {
		p.preEnqueue = append(p.preEnqueue, v)
	}
	if v, ok := pl.(framework.QueueSortPlugin); ok {
		if p.sort != nil {
			return fmt.Errorf("plugins %q and %q both sort the queue, one must go", p.sort.Name(), name)
		}
		p.sort = v
	}
	if v, ok := pl.(framework.PreFilterPlugin); ok {
		p.preFilter = append(p.preFilter, point[framework.PreFilterPlugin]{v, name, bit, weight})
		if x, ok := pl.(framework.PreFilterExtensions); ok {
			p.extensions = append(p.extensions, x)
		}
	}
	if v, ok := pl.(framework.FilterPlugin); ok {
		p.filter = append(p.filter, point[framework.FilterPlugin]{v, name, bit, weight})
	}
	if v, ok := pl.(framework.PostFilterPlugin); ok {
		p.postFilter = append(p.postFilter, v)
	}
	if v, ok := pl.(framework.PreScorePlugin); ok {
		p.preScore = append(p.preScore, point[framework.PreScorePlugin]{v, name, bit, weight})
	}
	if v, ok := pl.(framework.ScorePlugin); ok {
		p.score = append(p.score, point[framework.ScorePlugin]{v, name, bit, weight})
	}
	if v, ok := pl.(framework.ReservePlugin); ok {
		p.reserve = append(p.reserve, v)
	}
	if v, ok := pl.(framework.PermitPlugin); ok {
		p.permit = append(p.permit, v)
	}
	if v, ok := pl.(framework.PreBindPlugin); ok {
		p.preBind = append(p.preBind, v)
	}
	if v, ok := pl.(framework.BindPlugin); ok {
		p.bind = append(p.bind, v)
	}
	if v, ok := pl.(framework.PostBindPlugin); ok {
		p.postBind = append(p.postBind, v)
	}
	if v, ok := pl.(framework.EventPlugin); ok {
		p.interests[name] = v.Events()
	}
	return nil
}

// Interests returns, by plugin, the events that may let refused pods through. A plugin
// that is missing wants every event.
func (p *Profile) Interests() map[string][]framework.EventInterest { return p.interests }

// Less orders waiting pods.
func (p *Profile) Less(a, b framework.QueuedPod) bool { return p.sort.Less(a, b) }

// PreEnqueue returns nil if the pod may wait for a node, else the refusal and the plugin it came from.
func (p *Profile) PreEnqueue(pod *corev1.Pod) (*framework.Status, string) {
	for _, pl := range p.preEnqueue {
		if st := pl.PreEnqueue(pod); !st.IsSuccess() {
			return st, pl.Name()
		}
	}
	return nil, ""
}

// PostFilter asks, for a pod that fits nowhere, whether anything can be done
// about it. It returns the nomination to make, if any is to be changed.
func (p *Profile) PostFilter(ctx context.Context, cs *framework.CycleState, d *framework.Diagnosis) *framework.PostFilterResult {
	p.activate(cs)
	var result *framework.PostFilterResult
	for _, pl := range p.postFilter {
		r, st := pl.PostFilter(ctx, cs, d, p)
		if msg := st.Message(); msg != "" {
			if d.PostFilterMessage != "" {
				d.PostFilterMessage += ", "
			}
			d.PostFilterMessage += msg
		}
		if st.IsSuccess() || st.Code() == framework.Error {
			return r
		}
		if r != nil {
			result = r
		}
	}
	return result
}

// Reserve tells the plugins that a node was chosen. On refusal everything is unreserved already.
func (p *Profile) Reserve(ctx context.Context, cs *framework.CycleState, node string) (*framework.Status, string) {
	for _, pl := range p.reserve {
		if st := pl.Reserve(ctx, cs, node); !st.IsSuccess() {
			p.Unreserve(ctx, cs, node)
			return st, pl.Name()
		}
	}
	return nil, ""
}

// Unreserve takes Reserve back.
func (p *Profile) Unreserve(ctx context.Context, cs *framework.CycleState, node string) {
	for _, pl := range slices.Backward(p.reserve) {
		pl.Unreserve(ctx, cs, node)
	}
}

// Permit asks whether the pod may be bound and waits for plugins that decide later.
func (p *Profile) Permit(ctx context.Context, cs *framework.CycleState, node string) (*framework.Status, string) {
	for _, pl := range p.permit {
		st, pending := pl.Permit(ctx, cs, node)
		if st.Code() == framework.Wait && pending != nil {
			st = await(ctx, pl.Name(), pending)
		}
		if !st.IsSuccess() {
			return st, pl.Name()
		}
	}
	return nil, ""
}

func await(ctx context.Context, name string, pending *framework.Pending) *framework.Status {
	var expired <-chan time.Time
	if pending.Timeout > 0 {
		t := time.NewTimer(pending.Timeout)
		defer t.Stop()
		expired = t.C
	}
	select {
	case st := <-pending.Outcome:
		return st
	case <-expired:
		return framework.NewStatus(framework.Unschedulable, fmt.Sprintf("timeout waiting for plugin %s to permit the pod", name))
	case <-ctx.Done():
		return framework.AsStatus(ctx.Err())
	}
}

// PreBind does what must be done before binding.
func (p *Profile) PreBind(ctx context.Context, cs *framework.CycleState, node string) (*framework.Status, string) {
	for _, pl := range p.preBind {
		if st := pl.PreBind(ctx, cs, node); !st.IsSuccess() && !st.IsSkip() {
			return st, pl.Name()
		}
	}
	return nil, ""
}

// Bind lets the first willing plugin bind the pod.
func (p *Profile) Bind(ctx context.Context, cs *framework.CycleState, node string) (*framework.Status, string) {
	for _, pl := range p.bind {
		if st := pl.Bind(ctx, cs, node); !st.IsSkip() {
			return st, pl.Name()
		}
	}
	return framework.AsStatus(errors.New("every bind plugin passed the pod on")), ""
}

// PostBind tells the plugins that the pod was bound.
func (p *Profile) PostBind(ctx context.Context, cs *framework.CycleState, node string) {
	for _, pl := range p.postBind {
		pl.PostBind(ctx, cs, node)
	}
}

// HasPermit reports whether any plugin may delay binding.
func (p *Profile) HasPermit() bool { return len(p.permit) > 0 }
