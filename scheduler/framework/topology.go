package framework

// Topology groups the nodes by the value of one label. Each value is a domain,
// numbered from zero; a domain may be empty after its nodes left.
type Topology struct {
	key    string
	domain []int32 // by slot; -1 where the node lacks the label
	nodes  []int32 // by domain
	values map[string]int32
	live   int
	// version changes when a node changes its domain.
	version uint64
}

// Domain returns the node's domain, or -1 if the node lacks the label.
func (t *Topology) Domain(n *NodeInfo) int32 { return t.domain[n.Slot] }

// Domains returns the number of domains ever seen: the length of an array indexed by domain.
func (t *Topology) Domains() int { return len(t.nodes) }

// Live returns the number of domains that have a node.
func (t *Topology) Live() int { return t.live }

// Nodes returns the number of nodes in a domain.
func (t *Topology) Nodes(domain int32) int32 { return t.nodes[domain] }

func newTopology(key string) *Topology {
	return &Topology{key: key, values: make(map[string]int32)}
}

func (t *Topology) set(n *NodeInfo) {
	for int(n.Slot) >= len(t.domain) {
		t.domain = append(t.domain, -1)
	}
	d := int32(-1)
	if v, ok := n.Node.Labels[t.key]; ok {
		if d, ok = t.values[v]; !ok {
			d = int32(len(t.nodes))
			t.values[v] = d
			t.nodes = append(t.nodes, 0)
		}
	}
	if old := t.domain[n.Slot]; old != d {
		t.version++
		t.leave(old)
		t.domain[n.Slot] = d
		if d >= 0 {
			if t.nodes[d]++; t.nodes[d] == 1 {
				t.live++
			}
		}
	}
}

func (t *Topology) unset(n *NodeInfo) {
	t.version++
	t.leave(t.domain[n.Slot])
	t.domain[n.Slot] = -1
}

func (t *Topology) leave(d int32) {
	if d >= 0 {
		if t.nodes[d]--; t.nodes[d] == 0 {
			t.live--
		}
	}
}

// DomainOf returns the domain of the node in a slot, or -1.
func (t *Topology) DomainOf(slot int32) int32 { return t.domain[slot] }
