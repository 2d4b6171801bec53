package cache

import (
	"strings"

	"github.com/tidwall/btree"
)

// Snapshot is the state of a resource at one revision. It never changes.
type Snapshot struct {
	tree  *btree.BTreeG[*Item]
	index *btree.BTreeG[entry]
	// revision is that of the last change; the state holds until the next.
	revision int64
	// tail is the last event that the state includes.
	tail *node
}

func less(a, b *Item) bool { return a.Key < b.Key }

func newTree() *btree.BTreeG[*Item] {
	return btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})
}

// Get returns the object with a key, namespace/name or name; nil if there is
// none.
func (s *Snapshot) Get(key string) *Item {
	it, _ := s.tree.Get(&Item{Key: key})
	return it
}

// Len is the number of objects.
func (s *Snapshot) Len() int { return s.tree.Len() }

// Ascend calls yield for the objects of a namespace (of all if it is empty),
// in key order and from the key start on, until yield returns false.
func (s *Snapshot) Ascend(namespace, start string, yield func(*Item) bool) {
	prefix := ""
	if namespace != "" {
		prefix = namespace + "/"
	}
	if start < prefix {
		start = prefix
	}
	if start == "" {
		s.tree.Scan(yield)
		return
	}
	s.tree.Ascend(&Item{Key: start}, func(it *Item) bool {
		if !strings.HasPrefix(it.Key, prefix) {
			return false
		}
		return yield(it)
	})
}

// Key is the key of an object below its resource.
func Key(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// Revision is that of the last change the state includes; it holds until the
// next.
func (s *Snapshot) Revision() int64 { return s.revision }
