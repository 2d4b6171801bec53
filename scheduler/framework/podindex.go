package framework

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// maxCounters bounds how many selectors are counted; the least recently used go first.
const maxCounters = 4096

// PodSelector names a set of pods to be counted by node.
type PodSelector struct {
	// Namespaces to look in.
	Namespaces []string
	// Selector over pod labels.
	Selector labels.Selector
	// SkipTerminating leaves out pods that are being deleted.
	SkipTerminating bool
}

func (s *PodSelector) key() string {
	var b strings.Builder
	if s.SkipTerminating {
		b.WriteByte('+')
	}
	for _, ns := range s.Namespaces {
		b.WriteString(ns)
		b.WriteByte(',')
	}
	b.WriteByte(0)
	b.WriteString(selectorText(s.Selector))
	return b.String()
}

// class is the pods that no selector can tell apart: same namespace, same labels.
type class struct {
	namespace   string
	labels      labels.Set
	terminating bool
	counts      Counts
	pods        int
	counters    []*counter
}

type counter struct {
	PodSelector
	Counts
	used uint64
}

func (c *counter) selects(cl *class) bool {
	return !(c.SkipTerminating && cl.terminating) &&
		slices.Contains(c.Namespaces, cl.namespace) && c.Selector.Matches(cl.labels)
}

// podIndex counts pods by class and, on demand, by selector.
type podIndex struct {
	classes  map[string]*class
	filed    map[bucketKey]map[*class]struct{} // by namespace, and by namespace and each label
	counters map[string]*counter
	buckets  map[bucketKey][]*counter
	clock    uint64
}

func newPodIndex() podIndex {
	return podIndex{
		classes:  make(map[string]*class),
		filed:    make(map[bucketKey]map[*class]struct{}),
		counters: make(map[string]*counter),
		buckets:  make(map[bucketKey][]*counter),
	}
}

// eachBucket calls f for every bucket that may hold something about the class.
func (cl *class) eachBucket(f func(bucketKey)) {
	f(bucketKey{namespace: cl.namespace})
	for k, v := range cl.labels {
		f(bucketKey{namespace: cl.namespace, key: k, value: v})
	}
}

func (x *podIndex) add(p *PodInfo, slot int32) {
	cl := x.classes[p.class]
	if cl == nil {
		cl = &class{namespace: p.Pod.Namespace, labels: p.Pod.Labels, terminating: p.Pod.DeletionTimestamp != nil}
		x.classes[p.class] = cl
		cl.eachBucket(func(b bucketKey) {
			set := x.filed[b]
			if set == nil {
				set = make(map[*class]struct{})
				x.filed[b] = set
			}
			set[cl] = struct{}{}
			for _, c := range x.buckets[b] {
				if c.selects(cl) {
					cl.counters = append(cl.counters, c)
				}
			}
		})
	}
	cl.pods++
	cl.counts.add(slot, 1)
	for _, c := range cl.counters {
		c.add(slot, 1)
	}
}

func (x *podIndex) remove(p *PodInfo, slot int32) {
	cl := x.classes[p.class]
	cl.pods--
	cl.counts.add(slot, -1)
	for _, c := range cl.counters {
		c.add(slot, -1)
	}
	if cl.pods == 0 {
		delete(x.classes, p.class)
		cl.eachBucket(func(b bucketKey) {
			if delete(x.filed[b], cl); len(x.filed[b]) == 0 {
				delete(x.filed, b)
			}
		})
	}
}

func (x *podIndex) matching(s PodSelector) *Counts {
	key := s.key()
	x.clock++
	if c := x.counters[key]; c != nil {
		c.used = x.clock
		return &c.Counts
	}
	if len(x.counters) >= maxCounters {
		x.evict()
	}
	c := &counter{PodSelector: s, used: x.clock}
	x.counters[key] = c
	for _, b := range c.filedUnder() {
		x.buckets[b] = append(x.buckets[b], c)
		for cl := range x.filed[b] {
			if !c.selects(cl) {
				continue
			}
			cl.counters = append(cl.counters, c)
			for i, slot := range cl.counts.slots {
				c.add(slot, cl.counts.n[i])
			}
		}
	}
	return &c.Counts
}

// filedUnder lists the counter's buckets, one for each namespace.
func (c *counter) filedUnder() []bucketKey {
	key, value := required(c.Selector)
	out := make([]bucketKey, 0, len(c.Namespaces))
	for _, ns := range c.Namespaces {
		out = append(out, bucketKey{namespace: ns, key: key, value: value})
	}
	return out
}

// evict drops the least recently used quarter of the counters.
func (x *podIndex) evict() {
	used := make([]uint64, 0, len(x.counters))
	for _, c := range x.counters {
		used = append(used, c.used)
	}
	slices.Sort(used)
	limit := used[len(used)/4]
	old := func(c *counter) bool { return c.used <= limit }
	for key, c := range x.counters {
		if old(c) {
			delete(x.counters, key)
		}
	}
	for b, list := range x.buckets {
		if list = slices.DeleteFunc(list, old); len(list) == 0 {
			delete(x.buckets, b)
		} else {
			x.buckets[b] = list
		}
	}
	for _, cl := range x.classes {
		cl.counters = slices.DeleteFunc(cl.counters, old)
	}
}

// ownedTerm is an affinity term that pods on nodes have, with where those pods are.
type ownedTerm struct {
	term   *AffinityTerm
	counts Counts
	pods   int
	bucket bucketKey
}

// bucketKey finds the terms that might select a pod: a term that requires a
// label to have one value is filed under it.
type bucketKey struct {
	kind                  TermKind
	namespace, key, value string
}

type termIndex struct {
	terms   map[termKey]*ownedTerm
	buckets map[bucketKey][]*ownedTerm
	kinds   [4]int
}

func newTermIndex() termIndex {
	return termIndex{terms: make(map[termKey]*ownedTerm), buckets: make(map[bucketKey][]*ownedTerm)}
}

func (x *termIndex) add(p *PodInfo, slot int32) {
	for i, key := range p.owned {
		t := x.terms[key]
		if t == nil {
			own := p.termsOf[i]
			t = &ownedTerm{term: own.term, bucket: bucketFor(own.kind, own.term)}
			x.terms[key] = t
			x.kinds[own.kind]++
			for _, b := range t.filedUnder() {
				x.buckets[b] = append(x.buckets[b], t)
			}
		}
		t.pods++
		t.counts.add(slot, 1)
	}
}

func (x *termIndex) remove(p *PodInfo, slot int32) {
	for _, key := range p.owned {
		t := x.terms[key]
		t.pods--
		t.counts.add(slot, -1)
		if t.pods > 0 {
			continue
		}
		delete(x.terms, key)
		x.kinds[t.bucket.kind]--
		for _, b := range t.filedUnder() {
			list := x.buckets[b]
			i := slices.Index(list, t)
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			if list = list[:len(list)-1]; len(list) == 0 {
				delete(x.buckets, b)
			} else {
				x.buckets[b] = list
			}
		}
	}
}

func bucketFor(kind TermKind, t *AffinityTerm) bucketKey {
	key, value := required(t.Selector)
	return bucketKey{kind: kind, key: key, value: value}
}

// required returns a label that everything the selector selects has, if there is one.
func required(s labels.Selector) (key, value string) {
	reqs, _ := s.Requirements()
	for i := range reqs {
		switch reqs[i].Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals:
			if values := reqs[i].ValuesUnsorted(); len(values) == 1 {
				return reqs[i].Key(), values[0]
			}
		}
	}
	return "", ""
}

// filedUnder lists the term's buckets: one per namespace it names, and the one
// of no namespace if it selects them by label.
func (t *ownedTerm) filedUnder() []bucketKey {
	if t.term.NamespaceSelector != nil {
		return []bucketKey{t.bucket}
	}
	out := make([]bucketKey, len(t.term.Namespaces))
	for i, ns := range t.term.Namespaces {
		out[i] = t.bucket
		out[i].namespace = ns
	}
	return out
}

func (x *termIndex) each(kind TermKind, pod *corev1.Pod, nsLabels labels.Set, f func(*AffinityTerm, *Counts)) {
	if x.kinds[kind] == 0 {
		return
	}
	visit := func(b bucketKey) {
		for _, t := range x.buckets[b] {
			if t.term.Matches(pod, nsLabels) {
				f(t.term, &t.counts)
			}
		}
	}
	for _, ns := range [...]string{pod.Namespace, ""} {
		visit(bucketKey{kind: kind, namespace: ns})
		for k, v := range pod.Labels {
			visit(bucketKey{kind: kind, namespace: ns, key: k, value: v})
		}
	}
}
