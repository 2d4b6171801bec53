package framework

import (
	"cmp"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// Snapshot is the nodes of a cluster and the pods on them. One goroutine owns it:
// it alone calls the methods that change it, and none of them while a decision
// is being made. Every method that only reads is safe for many goroutines, save
// [Snapshot.Matching], which counts what it is asked for the first time and so
// belongs in PreFilter and PreScore.
type Snapshot struct {
	slots   []*NodeInfo
	free    []int32
	byName  map[string]*NodeInfo
	order   []*NodeInfo
	stale   bool
	pods    map[types.UID]placement
	orphans map[string]map[types.UID]*PodInfo

	index      podIndex
	terms      termIndex
	topologyMu sync.Mutex
	topologies map[string]*Topology
	imageNodes map[string]int
	avoided    int
	generation uint64

	nominatedOn map[string][]*PodInfo
	nominations map[types.UID]string
	doomed      map[types.UID]struct{}
}

type placement struct {
	info *PodInfo
	node string
}

// NewSnapshot returns an empty cluster.
func NewSnapshot() *Snapshot {
	return &Snapshot{
		byName:      make(map[string]*NodeInfo),
		pods:        make(map[types.UID]placement),
		orphans:     make(map[string]map[types.UID]*PodInfo),
		index:       newPodIndex(),
		terms:       newTermIndex(),
		topologies:  make(map[string]*Topology),
		imageNodes:  make(map[string]int),
		nominatedOn: make(map[string][]*PodInfo),
		nominations: make(map[types.UID]string),
		doomed:      make(map[types.UID]struct{}),
	}
}

// Nodes returns the nodes in the order they are tried: the zones take turns,
// within a zone by name. The caller must not change the slice.
func (s *Snapshot) Nodes() []*NodeInfo {
	if s.stale {
		s.reorder()
	}
	return s.order
}

// Node returns a node by name, or nil.
func (s *Snapshot) Node(name string) *NodeInfo { return s.byName[name] }

// Len returns the number of nodes.
func (s *Snapshot) Len() int { return len(s.byName) }

// Slots returns the length of an array indexed by NodeInfo.Slot.
func (s *Snapshot) Slots() int { return len(s.slots) }

// Generation grows with every change of the snapshot.
func (s *Snapshot) Generation() uint64 { return s.generation }

// PodNode returns the name of the node a pod was placed on.
func (s *Snapshot) PodNode(uid types.UID) (string, bool) {
	p, ok := s.pods[uid]
	return p.node, ok
}

// Matching counts the selected pods by node. The first call for a selector
// counts; later ones find the count kept up to date.
func (s *Snapshot) Matching(sel PodSelector) *Counts { return s.index.matching(sel) }

// EachTerm calls f for every distinct affinity term of the kind which pods on nodes
// have and which selects the pod, with where those pods are. The order is not defined.
func (s *Snapshot) EachTerm(kind TermKind, pod *corev1.Pod, namespaceLabels labels.Set, f func(*AffinityTerm, *Counts)) {
	s.terms.each(kind, pod, namespaceLabels, f)
}

// HasTerms reports whether any pod on a node has a term of the kind.
func (s *Snapshot) HasTerms(kind TermKind) bool { return s.terms.kinds[kind] > 0 }

// Topology groups the nodes by a label.
func (s *Snapshot) Topology(key string) *Topology {
	s.topologyMu.Lock()
	defer s.topologyMu.Unlock()
	t := s.topologies[key]
	if t != nil && len(t.nodes) <= 2*t.live+64 {
		return t
	}
	if t != nil {
		t.version++ // what was counted by it is void
	}
	t = newTopology(key)
	s.topologies[key] = t
	for _, n := range s.slots {
		if n != nil {
			t.set(n)
		}
	}
	return t
}

// ImageNodes returns the number of nodes that have an image.
func (s *Snapshot) ImageNodes(name string) int { return s.imageNodes[name] }

// PreferNoScheduleNodes returns the number of nodes with a taint of that effect.
func (s *Snapshot) PreferNoScheduleNodes() int { return s.avoided }

// SetNode adds a node or replaces it by name.
func (s *Snapshot) SetNode(node *corev1.Node) {
	s.generation++
	n := s.byName[node.Name]
	if n == nil {
		n = &NodeInfo{Slot: s.slot()}
		s.slots[n.Slot] = n
		s.byName[node.Name] = n
		s.stale = true
	} else {
		s.unaccount(n)
		s.stale = s.stale || zoneOf(n.Node) != zoneOf(node)
	}
	n.setNode(node)
	n.Generation = s.generation
	if n.HasPreferNoSchedule {
		s.avoided++
	}
	for name := range n.images {
		s.imageNodes[name]++
	}
	for _, t := range s.topologies {
		t.set(n)
	}
	for _, p := range s.orphans[node.Name] {
		s.place(p, n)
	}
	delete(s.orphans, node.Name)
}

// RemoveNode takes a node away; its pods wait for it to come back or to be removed.
func (s *Snapshot) RemoveNode(name string) {
	n := s.byName[name]
	if n == nil {
		return
	}
	s.generation++
	for len(n.Pods) > 0 {
		p := n.Pods[len(n.Pods)-1]
		s.unplace(p, n)
		s.orphan(name, p)
	}
	s.unaccount(n)
	for _, t := range s.topologies {
		t.unset(n)
	}
	s.slots[n.Slot] = nil
	s.free = append(s.free, n.Slot)
	delete(s.byName, name)
	s.stale = true
}

// SetPod puts a pod on a node, or moves or replaces it. The node need not be known yet.
func (s *Snapshot) SetPod(p *PodInfo, node string) {
	s.RemovePod(p.Pod.UID)
	s.Unnominate(p.Pod.UID)
	s.generation++
	s.pods[p.Pod.UID] = placement{info: p, node: node}
	if n := s.byName[node]; n != nil {
		s.place(p, n)
	} else {
		s.orphan(node, p)
	}
}

// RemovePod takes a pod away and reports whether it was there.
func (s *Snapshot) RemovePod(uid types.UID) bool {
	at, ok := s.pods[uid]
	if !ok {
		return false
	}
	s.generation++
	delete(s.pods, uid)
	delete(s.doomed, uid)
	if n := s.byName[at.node]; n != nil {
		s.unplace(at.info, n)
	} else if delete(s.orphans[at.node], uid); len(s.orphans[at.node]) == 0 {
		delete(s.orphans, at.node)
	}
	return true
}

// Nominate notes that room on a node is being made for a pod.
func (s *Snapshot) Nominate(p *PodInfo, node string) {
	s.Unnominate(p.Pod.UID)
	s.generation++
	s.nominations[p.Pod.UID] = node
	s.nominatedOn[node] = append(s.nominatedOn[node], p)
}

// Unnominate takes a nomination back.
func (s *Snapshot) Unnominate(uid types.UID) {
	node, ok := s.nominations[uid]
	if !ok {
		return
	}
	s.generation++
	delete(s.nominations, uid)
	list := slices.DeleteFunc(s.nominatedOn[node], func(p *PodInfo) bool { return p.Pod.UID == uid })
	if len(list) == 0 {
		delete(s.nominatedOn, node)
	} else {
		s.nominatedOn[node] = list
	}
}

// NominatedOn returns the pods for which room is being made on a node.
func (s *Snapshot) NominatedOn(node string) []*PodInfo { return s.nominatedOn[node] }

// HasNominations reports whether room is being made for any pod.
func (s *Snapshot) HasNominations() bool { return len(s.nominatedOn) > 0 }

// NominatedNode returns the node nominated for a pod, or "".
func (s *Snapshot) NominatedNode(uid types.UID) string { return s.nominations[uid] }

// Doom notes that a pod is about to be deleted to make room.
func (s *Snapshot) Doom(uid types.UID) {
	if _, placed := s.pods[uid]; placed {
		s.doomed[uid] = struct{}{}
	}
}

// Spare takes back that a pod is about to be deleted.
func (s *Snapshot) Spare(uid types.UID) { delete(s.doomed, uid) }

// Doomed reports whether a pod is about to be deleted to make room.
func (s *Snapshot) Doomed(uid types.UID) bool {
	_, ok := s.doomed[uid]
	return ok
}

func (s *Snapshot) place(p *PodInfo, n *NodeInfo) {
	n.AddPod(p)
	n.Generation = s.generation
	s.index.add(p, n.Slot)
	s.terms.add(p, n.Slot)
}

func (s *Snapshot) unplace(p *PodInfo, n *NodeInfo) {
	n.RemovePod(p.Pod.UID)
	n.Generation = s.generation
	s.index.remove(p, n.Slot)
	s.terms.remove(p, n.Slot)
}

func (s *Snapshot) orphan(node string, p *PodInfo) {
	set := s.orphans[node]
	if set == nil {
		set = make(map[types.UID]*PodInfo)
		s.orphans[node] = set
	}
	set[p.Pod.UID] = p
}

func (s *Snapshot) unaccount(n *NodeInfo) {
	if n.HasPreferNoSchedule {
		s.avoided--
	}
	for name := range n.images {
		if s.imageNodes[name]--; s.imageNodes[name] == 0 {
			delete(s.imageNodes, name)
		}
	}
}

func (s *Snapshot) slot() int32 {
	if last := len(s.free) - 1; last >= 0 {
		slot := s.free[last]
		s.free = s.free[:last]
		return slot
	}
	s.slots = append(s.slots, nil)
	return int32(len(s.slots) - 1)
}

func zoneOf(n *corev1.Node) string {
	return n.Labels[corev1.LabelTopologyRegion] + "\x00" + n.Labels[corev1.LabelTopologyZone]
}

func (s *Snapshot) reorder() {
	zones := make(map[string][]*NodeInfo)
	for _, n := range s.byName {
		z := zoneOf(n.Node)
		zones[z] = append(zones[z], n)
	}
	names := make([]string, 0, len(zones))
	for z, list := range zones {
		names = append(names, z)
		slices.SortFunc(list, func(a, b *NodeInfo) int { return cmp.Compare(a.Node.Name, b.Node.Name) })
	}
	slices.Sort(names)
	s.order = make([]*NodeInfo, 0, len(s.byName))
	for i := 0; len(s.order) < len(s.byName); i++ {
		for _, z := range names {
			if i < len(zones[z]) {
				s.order = append(s.order, zones[z][i])
			}
		}
	}
	s.stale = false
}
