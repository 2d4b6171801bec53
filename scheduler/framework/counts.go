package framework

// Counts is a number of pods per node, kept only for nodes that have any.
type Counts struct {
	slots []int32
	n     []int32
	pos   map[int32]int32
}

// Len returns the number of nodes with at least one pod.
func (c *Counts) Len() int { return len(c.slots) }

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

// SumInto adds the counts up by topology domain: sums is indexed by domain.
func (c *Counts) SumInto(t *Topology, sums []int32) {
	for i, slot := range c.slots {
		if d := t.domain[slot]; d >= 0 {
			sums[d] += c.n[i]
		}
	}
}

func (c *Counts) add(slot, delta int32) {
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
