package framework

import (
	"fmt"
	"slices"
	"strings"
)

// Refusal is why one node was not chosen.
type Refusal struct {
	Node   *NodeInfo
	Status *Status
	Plugin string
}

// Diagnosis is why a pod fits nowhere.
type Diagnosis struct {
	// Nodes is the number of nodes in the cluster.
	Nodes int
	// PreFilter is set when the pod was refused before any node was tried.
	PreFilter *Status
	// Refused has an entry for each node tried.
	Refused []Refusal
	// Untried is why the nodes without an entry were left out; nil if none were.
	Untried *Status
	// PostFilterMessage is what the PostFilter plugins had to say.
	PostFilterMessage string
	// Plugins are the names of all plugins that refused.
	Plugins map[string]struct{}
}

// AddPlugin notes a plugin that refused.
func (d *Diagnosis) AddPlugin(name string) {
	if d.Plugins == nil {
		d.Plugins = make(map[string]struct{})
	}
	d.Plugins[name] = struct{}{}
}

// Message is the text for the pod's condition and event: how many nodes there
// are, how many of them said what, and whether preemption could help.
func (d *Diagnosis) Message() string {
	var b strings.Builder
	fmt.Fprintf(&b, "0/%d nodes are available:", d.Nodes)
	if d.PreFilter != nil {
		if msg := d.PreFilter.Message(); msg != "" {
			fmt.Fprintf(&b, " %s.", msg)
		}
	} else if reasons := d.histogram(); len(reasons) > 0 {
		fmt.Fprintf(&b, " %s.", strings.Join(reasons, ", "))
	}
	if d.PostFilterMessage != "" {
		fmt.Fprintf(&b, " %s", d.PostFilterMessage)
	}
	return b.String()
}

func (d *Diagnosis) histogram() []string {
	counts := make(map[string]int)
	for i := range d.Refused {
		for _, r := range d.Refused[i].Status.Reasons() {
			counts[r]++
		}
	}
	if untried := d.Nodes - len(d.Refused); untried > 0 {
		for _, r := range d.Untried.Reasons() {
			counts[r] += untried
		}
	}
	out := make([]string, 0, len(counts))
	for r, n := range counts {
		out = append(out, fmt.Sprintf("%d %s", n, r))
	}
	slices.Sort(out)
	return out
}
