package cache

import (
	"github.com/tidwall/btree"
)

// entry is an item in the order of the field that the source names as its
// index; items for which that is empty have none.
type entry struct {
	value string
	item  *Item
}

func before(a, b entry) bool {
	return a.value < b.value || a.value == b.value && a.item.Key < b.item.Key
}

func newIndex() *btree.BTreeG[entry] {
	return btree.NewBTreeGOptions(before, btree.Options{NoLocks: true})
}

// value is an item's in the index; empty for none.
func (r *Resource) value(it *Item) string {
	if it == nil || r.source.Index == "" {
		return ""
	}
	return it.Fields()[r.source.Index]
}

// set puts an item into the working state, and returns the one it replaces.
func (r *Resource) set(it *Item) *Item {
	prev, _ := r.tree.Set(it)
	was, is := r.value(prev), r.value(it)
	if was != "" && was != is {
		r.index.Delete(entry{was, prev})
	}
	if is != "" {
		r.index.Set(entry{is, it})
	}
	return prev
}

// remove takes an item out of the working state.
func (r *Resource) remove(key string) (*Item, bool) {
	prev, ok := r.tree.Delete(&Item{Key: key})
	if was := r.value(prev); was != "" {
		r.index.Delete(entry{was, prev})
	}
	return prev, ok
}

// AscendIndexed is Ascend for the objects whose index field has a value, which
// is not empty.
func (s *Snapshot) AscendIndexed(value, start string, yield func(*Item) bool) {
	s.index.Ascend(entry{value, &Item{Key: start}}, func(e entry) bool {
		return e.value == value && yield(e.item)
	})
}
