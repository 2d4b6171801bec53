package framework

// DomainCounts is a number of pods for each domain of a topology. A clone can be
// changed without touching the original; the bulk is shared.
type DomainCounts struct {
	Topology *Topology
	sums     []int32
	shared   *domainSums // whose sums these are; nil if our own
	deltas   []domainDelta
}

type domainDelta struct{ domain, n int32 }

// NewDomainCounts makes a count of zero everywhere.
func NewDomainCounts(t *Topology) DomainCounts {
	return DomainCounts{Topology: t, sums: make([]int32, t.Domains())}
}

// Add counts the pods in. It must come before the first clone, and not on what [Counts.Domains] returned.
func (d *DomainCounts) Add(c *Counts) {
	for i, slot := range c.slots {
		d.AddNode(slot, c.n[i])
	}
}

// Least returns the smallest count of any domain that has nodes, if it is known without looking.
func (d *DomainCounts) Least() (int32, bool) {
	if d.shared == nil || len(d.deltas) > 0 || d.Topology.live == 0 {
		return 0, false
	}
	return d.shared.least, true
}

// AddNode counts n pods on one node in, under the same conditions as Add.
func (d *DomainCounts) AddNode(slot, n int32) {
	if at := d.Topology.domain[slot]; at >= 0 {
		d.sums[at] += n
	}
}

// At returns the count in the node's domain; ok is false if the node is in none.
func (d *DomainCounts) At(n *NodeInfo) (count int32, ok bool) {
	at := d.Topology.domain[n.Slot]
	if at < 0 {
		return 0, false
	}
	return d.In(at), true
}

// In returns the count in a domain.
func (d *DomainCounts) In(domain int32) int32 {
	sum := d.sums[domain]
	for _, x := range d.deltas {
		if x.domain == domain {
			sum += x.n
		}
	}
	return sum
}

// Change adds n pods to the node's domain, on a clone.
func (d *DomainCounts) Change(node *NodeInfo, n int32) {
	if at := d.Topology.domain[node.Slot]; at >= 0 {
		d.deltas = append(d.deltas, domainDelta{at, n})
	}
}

// Clone returns a count to try changes on.
func (d *DomainCounts) Clone() DomainCounts {
	c := *d
	c.deltas = append(make([]domainDelta, 0, len(d.deltas)+4), d.deltas...)
	return c
}
