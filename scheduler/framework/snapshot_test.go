package framework_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// TestCountsAgreeWithCounting changes a small cluster at random and compares everything
// the snapshot keeps up to date with what walking over the pods gives.
func TestCountsAgreeWithCounting(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	s := framework.NewSnapshot()
	nodes := map[string]*corev1.Node{}
	pods := map[types.UID]*framework.PodInfo{}
	selectors := []labels.Selector{
		labels.SelectorFromSet(labels.Set{"app": "a"}), labels.SelectorFromSet(labels.Set{"app": "b", "tier": "x"}),
		labels.Everything(), labels.Nothing(), mustParse("app in (a,b)"), mustParse("!tier"),
	}
	for step := range 3000 {
		name := fmt.Sprintf("n%d", r.IntN(8))
		switch r.IntN(10) {
		case 0:
			n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"host": name}}}
			if z := r.IntN(4); z > 0 {
				n.Labels["zone"] = fmt.Sprintf("z%d", z)
			}
			nodes[name] = n
			s.SetNode(n)
		case 1:
			delete(nodes, name)
			s.RemoveNode(name)
		case 2, 3:
			for uid := range pods {
				delete(pods, uid)
				s.RemovePod(uid)
				break
			}
		default:
			p := randomPod(r, name)
			pods[p.Pod.UID] = p
			s.SetPod(p, name)
		}
		if step%7 != 0 {
			continue
		}
		for _, sel := range selectors {
			for _, live := range []bool{true, false} {
				compareSelector(t, s, pods, nodes, framework.PodSelector{Namespaces: []string{"one", "two"}, Selector: sel, SkipTerminating: live})
			}
		}
		compareTerms(t, s, pods, nodes)
		compareNodes(t, s, pods, nodes)
		if t.Failed() {
			t.Fatal("after step", step)
		}
	}
}

func mustParse(s string) labels.Selector {
	sel, err := labels.Parse(s)
	if err != nil {
		panic(err)
	}
	return sel
}

func randomPod(r *rand.Rand, node string) *framework.PodInfo {
	uid := fmt.Sprintf("p%d", r.IntN(30))
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{UID: types.UID(uid), Name: uid, Namespace: []string{"one", "two", "three"}[r.IntN(3)], Labels: map[string]string{}},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(r.Int64N(500), resource.DecimalSI), "x.io/gpu": *resource.NewQuantity(r.Int64N(3), resource.DecimalSI)}}}}},
	}
	if r.IntN(2) == 0 {
		pod.Labels["app"] = string("abc"[r.IntN(3)])
	}
	if r.IntN(2) == 0 {
		pod.Labels["tier"] = string("xy"[r.IntN(2)])
	}
	if r.IntN(4) == 0 {
		now := metav1.Now()
		pod.DeletionTimestamp = &now
	}
	if r.IntN(3) == 0 {
		term := corev1.PodAffinityTerm{TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}}
		switch r.IntN(3) {
		case 0:
			term.Namespaces = []string{"one", "two"}
		case 1:
			term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "t"}}
		}
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}}
	}
	return framework.NewPodInfo(pod)
}

func compareSelector(t *testing.T, s *framework.Snapshot, pods map[types.UID]*framework.PodInfo, nodes map[string]*corev1.Node, sel framework.PodSelector) {
	t.Helper()
	byNode, byZone := map[string]int32{}, map[string]int32{}
	for _, p := range pods {
		n := nodes[p.Pod.Spec.NodeName]
		if n == nil || p.Pod.Namespace == "three" || !sel.Selector.Matches(labels.Set(p.Pod.Labels)) || sel.SkipTerminating && p.Pod.DeletionTimestamp != nil {
			continue
		}
		byNode[n.Name]++
		if z, ok := n.Labels["zone"]; ok {
			byZone[z]++
		}
	}
	counts := s.Matching(sel)
	zones := counts.Domains(s.Topology("zone"))
	least, first := int32(0), true
	for name, n := range nodes {
		info := s.Node(name)
		if got := counts.At(info.Slot); got != byNode[name] {
			t.Errorf("%v on %s: %d, want %d", sel, name, got, byNode[name])
		}
		z, labeled := n.Labels["zone"]
		got, ok := zones.At(info)
		if ok != labeled || ok && got != byZone[z] {
			t.Errorf("%v in zone %q: %d, want %d", sel, z, got, byZone[z])
		}
		if labeled && (first || byZone[z] < least) {
			least, first = byZone[z], false
		}
	}
	if got, known := zones.Least(); known && got != least {
		t.Errorf("%v: least %d, want %d", sel, got, least)
	}
}

func compareTerms(t *testing.T, s *framework.Snapshot, pods map[types.UID]*framework.PodInfo, nodes map[string]*corev1.Node) {
	t.Helper()
	nsLabels := labels.Set{"team": "t"}
	newcomer := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "one", Labels: map[string]string{"app": "a"}}}
	want := map[string]int32{}
	for _, p := range pods {
		if nodes[p.Pod.Spec.NodeName] == nil {
			continue
		}
		for i := range p.RequiredAntiAffinity {
			if p.RequiredAntiAffinity[i].Matches(newcomer, nsLabels) {
				want[p.Pod.Spec.NodeName]++
			}
		}
	}
	got := map[int32]int32{}
	s.EachTerm(framework.RequiredAntiAffinity, newcomer, nsLabels, func(_ *framework.AffinityTerm, c *framework.Counts) {
		c.Each(func(slot, n int32) { got[slot] += n })
	})
	for name := range nodes {
		if slot := s.Node(name).Slot; got[slot] != want[name] {
			t.Errorf("terms on %s: %d, want %d", name, got[slot], want[name])
		}
	}
}

func compareNodes(t *testing.T, s *framework.Snapshot, pods map[types.UID]*framework.PodInfo, nodes map[string]*corev1.Node) {
	t.Helper()
	if len(s.Nodes()) != len(nodes) || s.Len() != len(nodes) {
		t.Errorf("%d nodes in order, %d in all, want %d", len(s.Nodes()), s.Len(), len(nodes))
	}
	for name := range nodes {
		var cpu, gpu int64
		count := 0
		for _, p := range pods {
			if p.Pod.Spec.NodeName == name {
				cpu += p.Request.MilliCPU
				gpu += p.Request.Scalar["x.io/gpu"]
				count++
			}
		}
		n := s.Node(name)
		if n.Requested.MilliCPU != cpu || n.Requested.Scalar["x.io/gpu"] != gpu || len(n.Pods) != count {
			t.Errorf("%s: %d pods, cpu %d, gpu %d; want %d, %d, %d", name, len(n.Pods), n.Requested.MilliCPU, n.Requested.Scalar["x.io/gpu"], count, cpu, gpu)
		}
	}
}

func TestNodesAreOrderedAcrossZones(t *testing.T) {
	s := framework.NewSnapshot()
	for _, n := range []string{"a1", "a2", "a3", "b1", "c1", "c2"} {
		s.SetNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n, Labels: map[string]string{corev1.LabelTopologyZone: n[:1]}}})
	}
	var got []string
	for _, n := range s.Nodes() {
		got = append(got, n.Name())
	}
	if want := "[a1 b1 c1 a2 c2 a3]"; fmt.Sprint(got) != want {
		t.Errorf("order %v, want %v", got, want)
	}
}
