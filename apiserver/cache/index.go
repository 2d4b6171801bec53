package cache

import (
	"slices"

	"github.com/tidwall/btree"
)

// entry is an item under one of its terms.
type entry struct {
	term string
	item *Item
}

func before(a, b entry) bool {
	return a.term < b.term || a.term == b.term && a.item.Key < b.item.Key
}

func newIndex() *btree.BTreeG[entry] {
	return btree.NewBTreeGOptions(before, btree.Options{NoLocks: true})
}

// terms are those of an item, which may be nil.
func (r *Resource) terms(it *Item) []string {
	if it == nil || r.source.Terms == nil {
		return nil
	}
	return r.source.Terms(it)
}

// set puts an item into the working state, and returns the one it replaces.
func (r *Resource) set(it *Item) *Item {
	prev, _ := r.tree.Set(it)
	now := r.terms(it)
	for _, term := range r.terms(prev) {
		if !slices.Contains(now, term) {
			r.index.Delete(entry{term, prev})
		}
	}
	for _, term := range now {
		r.index.Set(entry{term, it})
	}
	return prev
}

// remove takes an item out of the working state.
func (r *Resource) remove(key string) (*Item, bool) {
	prev, ok := r.tree.Delete(&Item{Key: key})
	for _, term := range r.terms(prev) {
		r.index.Delete(entry{term, prev})
	}
	return prev, ok
}

// AscendTerm is Ascend for the objects with a term.
func (s *Snapshot) AscendTerm(term, start string, yield func(*Item) bool) {
	s.index.Ascend(entry{term, &Item{Key: start}}, func(e entry) bool {
		return e.term == term && yield(e.item)
	})
}
