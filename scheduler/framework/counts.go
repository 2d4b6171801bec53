package framework

// Counts is a number of pods per node, kept only for nodes that have any.
type Counts struct {
	slots []int32
	n     []int32
	pos   map[int32]int32
	total int32
	sums  []*domainSums // kept for topologies that were asked for
}

// Len returns the number of nodes with at least one pod.
func (c *Counts) Len() int { return len(c.slots) }

// Total returns the number of pods on all nodes.
func (c *Counts) Total() int32 { return c.total }

// At returns the number on one node.
func (c *Counts) At(slot int32) int32 {
	if i, ok := c.pos[slot]; ok {
		return c.n[i]
	}
	return 0
}

// Each calls f for every node that has any.
func (c *Counts) Each(f func(slot, n int32)) {
	for i, slot := range c.slots {
		f(slot, c.n[i])
	}
}

// Domains returns the counts added up by domain. They are kept up to date from then on,
// so asking again costs nothing.
func (c *Counts) Domains(t *Topology) DomainCounts {
	for i, s := range c.sums {
		if s.topology.key != t.key {
			continue
		}
		if s.topology != t || s.version != t.version {
			s = newDomainSums(c, t)
			c.sums[i] = s
		}
		return DomainCounts{Topology: t, sums: s.n, shared: s}
	}
	s := newDomainSums(c, t)
	c.sums = append(c.sums, s)
	return DomainCounts{Topology: t, sums: s.n, shared: s}
}

// domainSums is a count by domain with the smallest of them at hand. It is good for
// one version of the topology.
type domainSums struct {
	topology *Topology
	version  uint64
	n        []int32
	having   []int32 // how many domains with nodes have this count
	least    int32
}

func newDomainSums(c *Counts, t *Topology) *domainSums {
	s := &domainSums{topology: t, version: t.version, n: make([]int32, len(t.nodes))}
	for i, slot := range c.slots {
		if d := t.domain[slot]; d >= 0 {
			s.n[d] += c.n[i]
		}
	}
	for d, n := range s.n {
		if t.nodes[d] > 0 {
			s.count(n, 1)
		}
	}
	s.settle()
	return s
}

func (s *domainSums) count(n, by int32) {
	for int(n) >= len(s.having) {
		s.having = append(s.having, 0)
	}
	s.having[n] += by
}

func (s *domainSums) settle() {
	for int(s.least) < len(s.having)-1 && s.having[s.least] == 0 {
		s.least++
	}
}

func (s *domainSums) add(slot, delta int32) {
	if s.version != s.topology.version {
		return // made anew when asked for
	}
	d := s.topology.domain[slot]
	if d < 0 {
		return
	}
	s.count(s.n[d], -1)
	s.n[d] += delta
	s.count(s.n[d], 1)
	s.least = min(s.least, s.n[d])
	s.settle()
}

func (c *Counts) add(slot, delta int32) {
	c.total += delta
	for _, s := range c.sums {
		s.add(slot, delta)
	}
	i, ok := c.pos[slot]
	if !ok {
		if c.pos == nil {
			c.pos = make(map[int32]int32)
		}
		c.pos[slot] = int32(len(c.slots))
		c.slots = append(c.slots, slot)
		c.n = append(c.n, delta)
		return
	}
	if c.n[i] += delta; c.n[i] != 0 {
		return
	}
	last := int32(len(c.slots) - 1)
	moved := c.slots[last]
	c.slots[i], c.n[i] = moved, c.n[last]
	c.pos[moved] = i
	c.slots, c.n = c.slots[:last], c.n[:last]
	delete(c.pos, slot)
}
