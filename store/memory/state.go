package memory

import (
	"sort"
	"sync"

	"github.com/tidwall/btree"

	"github.com/keelson-project/keelson/store"
)

// tree maps keys to items. A copy takes constant time; the two then share the
// nodes that neither has changed since.
type tree = btree.Map[string, *item]

// degree makes for nodes of up to 31 items: a write copies one such node per
// level, a list visits few of them.
const degree = 16

func newTree() *tree { return btree.NewMap[string, *item](degree) }

// item is a stored entry; it never changes.
type item struct {
	entry store.Entry
	// deadline is when the entry expires, on the store's clock; zero never.
	deadline int64
}

// state is everything there is at one revision.
type state struct {
	tree     *tree
	revision int64
	// copying guards against two copies of tree at once, which would race;
	// reading it meanwhile is fine.
	copying sync.Mutex
}

// working returns a tree equal to the state's that the caller may change.
func (st *state) working() *tree {
	st.copying.Lock()
	defer st.copying.Unlock()
	return st.tree.Copy()
}

// list reads the entries of prefix. It ignores opts.Revision.
func (st *state) list(prefix string, opts store.ListOptions) store.ListResult {
	first := max(prefix, opts.Start)
	low := rank(st.tree, first)
	high := st.tree.Len()
	if end, ok := prefixEnd(prefix); ok {
		high = rank(st.tree, end)
	}
	result := store.ListResult{Revision: st.revision}
	count := max(high-low, 0)
	if opts.Limit > 0 && count > opts.Limit {
		result.Remaining = int64(count - opts.Limit)
		count = opts.Limit
	}
	if count == 0 {
		return result
	}
	result.Entries = make([]store.Entry, 0, count)
	st.tree.Ascend(first, func(_ string, it *item) bool {
		result.Entries = append(result.Entries, it.entry)
		return len(result.Entries) < count
	})
	return result
}

// rank counts the keys of t that sort before key.
func rank(t *tree, key string) int {
	return sort.Search(t.Len(), func(i int) bool {
		at, _, _ := t.GetAt(i)
		return at >= key
	})
}

// prefixEnd returns the first key after all those that start with prefix; ok
// is false if there is none.
func prefixEnd(prefix string) (end string, ok bool) {
	head := prefix
	for head != "" && head[len(head)-1] == 0xff {
		head = head[:len(head)-1]
	}
	if head == "" {
		return "", false
	}
	return head[:len(head)-1] + string([]byte{head[len(head)-1] + 1}), true
}
