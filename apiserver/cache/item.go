package cache

import (
	"bytes"
	"reflect"
	"strconv"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Form is one way an object is written down.
type Form int

// The forms an [Item] keeps. Meta forms hold the metadata alone, as a
// PartialObjectMetadata.
const (
	JSON Form = iota
	Protobuf
	MetaJSON
	MetaProtobuf
	forms
)

// Item is one revision of one object. It never changes.
type Item struct {
	// Key is the object's key below its resource: namespace/name, or name.
	Key string
	// Value is what the store holds; nil for a deleted object.
	Value []byte
	// Object is the decoded object, resourceVersion included. Do not change.
	Object kinds.Object
	// Revision is that of the write.
	Revision int64

	source *Source
	fields atomic.Pointer[fields.Set]
	forms  [forms]atomic.Pointer[[]byte]
	views  []atomic.Pointer[Item]
}

// NewItem makes the item of a revision that is not in a cache, such as one
// read from history. The object is taken over: its resourceVersion is set,
// unless the revision is zero.
func NewItem(s *Source, key string, value []byte, obj kinds.Object, revision int64) *Item {
	if revision > 0 {
		obj.SetResourceVersion(strconv.FormatInt(revision, 10))
	}
	it := &Item{Key: key, Value: value, Object: obj, Revision: revision, source: s}
	if len(s.Views) > 0 {
		it.views = make([]atomic.Pointer[Item], len(s.Views))
	}
	return it
}

// Labels are the object's labels. Do not change.
func (it *Item) Labels() labels.Set { return it.Object.GetLabels() }

// Fields are the object's selectable fields. Do not change.
func (it *Item) Fields() fields.Set {
	if f := it.fields.Load(); f != nil {
		return *f
	}
	f := it.source.Fields(it.Object)
	it.fields.Store(&f)
	return f
}

// Bytes returns the object in a form, made at the first call and then shared.
func (it *Item) Bytes(form Form) ([]byte, error) {
	if b := it.forms[form].Load(); b != nil {
		return *b, nil
	}
	b, err := it.source.Encode(it.Object, form)
	if err != nil {
		return nil, err
	}
	it.forms[form].Store(&b)
	return b, nil
}

// View returns the item as view i of its source shows it; made once.
func (it *Item) View(i int) (*Item, error) {
	if v := it.views[i].Load(); v != nil {
		return v, nil
	}
	s := it.source.Views[i]
	obj, err := s.From(it.Object)
	if err != nil {
		return nil, err
	}
	v := &Item{Key: it.Key, Value: it.Value, Object: obj, Revision: it.Revision, source: s}
	it.views[i].Store(v)
	return v, nil
}

// Deleted returns the item as it is reported when its key was removed.
func (it *Item) Deleted(revision int64) *Item {
	d := NewItem(it.source, it.Key, nil, shallow(it.Object), revision)
	return d
}

// shallow copies what may be set in an object's metadata itself, and shares
// the rest.
func shallow(obj kinds.Object) kinds.Object {
	if u, ok := obj.(*unstructured.Unstructured); ok {
		content := make(map[string]any, len(u.Object))
		for k, v := range u.Object {
			content[k] = v
		}
		if meta, ok := content["metadata"].(map[string]any); ok {
			m := make(map[string]any, len(meta))
			for k, v := range meta {
				m[k] = v
			}
			content["metadata"] = m
		}
		return &unstructured.Unstructured{Object: content}
	}
	v := reflect.ValueOf(obj).Elem()
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	return c.Interface().(kinds.Object)
}

// Source is how the objects of a resource are read and written down. All
// functions may be called from many goroutines and do not keep or change
// their arguments.
type Source struct {
	// StorageKey is the path below the cache's prefix, such as "pods".
	StorageKey string
	// Decode reads what the store holds, and applies defaults.
	Decode func(value []byte) (kinds.Object, error)
	// Encode writes an object in a form.
	Encode func(obj kinds.Object, form Form) ([]byte, error)
	// Fields returns the selectable fields, metadata.name and
	// metadata.namespace among them.
	Fields func(obj kinds.Object) fields.Set
	// Index names a field by whose value watchers are woken, such as
	// "spec.nodeName"; empty for none.
	Index string
	// Terms are what an object is found by without looking at all of them; nil
	// is nothing.
	Terms func(it *Item) []string
	// Views are the other versions the objects are shown in.
	Views []*Source
	// From makes the object of a view; unused in a Source that is no view.
	From func(obj kinds.Object) (kinds.Object, error)
}

// Write is a write that is under way: see [Resource.Begin].
type Write struct {
	resource *Resource
	key      string
	value    []byte
	obj      kinds.Object
	item     atomic.Pointer[Item]
	claimed  atomic.Bool
	done     chan struct{}
}

// Begin announces that value is about to be written under key (relative to
// the resource) and that obj is what it decodes to. The object is the cache's
// from now on. One of Commit and Abort must follow.
func (r *Resource) Begin(key string, value []byte, obj kinds.Object) *Write {
	w := &Write{resource: r, key: key, value: value, obj: obj, done: make(chan struct{})}
	c := r.cache
	c.pendingMu.Lock()
	c.pending[r.prefix+key] = append(c.pending[r.prefix+key], w)
	c.pendingMu.Unlock()
	return w
}

// Commit says that the write has happened, and returns its item.
func (w *Write) Commit(revision int64) *Item {
	w.resource.Wrote(w.key, revision)
	it := w.resolve(revision)
	if it.Revision != revision { // the same bytes, written by somebody else before
		it = NewItem(it.source, it.Key, it.Value, shallow(it.Object), revision)
	}
	if w.resource.cache.revision.Load() >= revision { // the feed has passed; it will not ask any more
		w.Abort()
	}
	return it
}

// Abort says that the write has not happened.
func (w *Write) Abort() {
	c := w.resource.cache
	full := w.resource.prefix + w.key
	c.pendingMu.Lock()
	defer c.pendingMu.Unlock()
	c.dropPending(full, w)
}

// dropPending forgets a write; the caller holds pendingMu.
func (c *Cache) dropPending(key string, w *Write) {
	list := c.pending[key]
	for i := range list {
		if list[i] == w {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(c.pending, key)
	} else {
		c.pending[key] = list
	}
}

// resolve makes the item; the first caller's revision counts.
func (w *Write) resolve(revision int64) *Item {
	if w.claimed.CompareAndSwap(false, true) {
		it := NewItem(w.resource.source, w.key, w.value, w.obj, revision)
		w.item.Store(it)
		close(w.done)
		return it
	}
	<-w.done
	return w.item.Load()
}

// written returns the item of an announced write that the feed has come to,
// or nil.
func (r *Resource) written(key string, value []byte, revision int64) *Item {
	c := r.cache
	c.pendingMu.Lock()
	var found *Write
	for _, w := range c.pending[key] {
		if bytes.Equal(w.value, value) {
			found = w
			c.dropPending(key, w)
			break
		}
	}
	c.pendingMu.Unlock()
	if found == nil || found.resource != r { // announced before r took the place of another
		return nil
	}
	if it := found.resolve(revision); it.Revision == revision {
		return it
	}
	return nil
}
