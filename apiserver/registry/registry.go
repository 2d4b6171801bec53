package registry

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/ownership"
	"github.com/keelson-project/keelson/store"
)

// Prefix is where the keys of all resources begin in the store.
const Prefix = "/registry/"

// Registry keeps the stored resources of a server and does the verbs on them.
type Registry struct {
	store     store.Store
	cache     *cache.Cache
	codec     *codec.Codec
	converter managedfields.TypeConverter
	owners    *ownership.Tracker
	log       *slog.Logger
	admission admission.Chain

	generation atomic.Int64

	mu        sync.Mutex // guards stored, changed and writes of resources
	changed   chan struct{}
	stored    map[*kinds.Kind]*Resource
	resources atomic.Pointer[map[schema.GroupVersionResource]*Resource]
}

// Config is what New needs; all fields are required but Logger.
type Config struct {
	Store store.Store
	// Codec knows the types of all kinds that are no unstructured ones.
	Codec *codec.Codec
	// TypeConverter knows the schema of all kinds, for managed fields.
	TypeConverter managedfields.TypeConverter
	// Logger gets what needs attention; nil discards it.
	Logger *slog.Logger
}

// New makes a registry without resources.
func New(cfg Config) *Registry {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{
		store: cfg.Store, codec: cfg.Codec, converter: cfg.TypeConverter, owners: ownership.New(), log: log,
		cache: cache.New(cfg.Store, Prefix, log), changed: make(chan struct{}), stored: map[*kinds.Kind]*Resource{},
	}
	r.resources.Store(&map[schema.GroupVersionResource]*Resource{})
	return r
}

// SetAdmission sets the chain that is asked about every write. It is to be
// called before the first of them.
func (r *Registry) SetAdmission(c admission.Chain) { r.admission = c }

// Cache is the registry's cache; whoever owns the registry runs it.
func (r *Registry) Cache() *cache.Cache { return r.cache }

// Add begins to serve kinds, each in its own version, unless that is for the
// store alone, and in all of its views. While the cache runs it returns when
// the kinds' objects are there. Of several, those before one that fails are
// served.
func (r *Registry) Add(ctx context.Context, all ...*kinds.Kind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(*r.resources.Load())
	var err error
	for _, k := range all {
		if err = r.put(ctx, next, nil, k); err != nil {
			break
		}
	}
	r.publish(next)
	return err
}

// Replace serves a kind instead of another one that has the same objects, such
// as an older form of it: there is no moment at which neither is served.
// Watches of the old one end. If it fails the old one is served on.
func (r *Registry) Replace(ctx context.Context, old, k *kinds.Kind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := maps.Clone(*r.resources.Load())
	maps.DeleteFunc(next, func(_ schema.GroupVersionResource, res *Resource) bool { return res.base == old })
	if err := r.put(ctx, next, old, k); err != nil {
		return err
	}
	r.publish(next)
	return nil
}

// put adds to next what serves k, instead of old, if that is set. The caller
// holds mu.
func (r *Registry) put(ctx context.Context, next map[schema.GroupVersionResource]*Resource, old, k *kinds.Kind) error {
	all := r.versions(k)
	for _, v := range all {
		if next[v.GVR] != nil {
			return fmt.Errorf("resource %s is served already", v.GVR)
		}
	}
	source := all[0].source(k)
	var cached *cache.Resource
	var err error
	if before := r.stored[old]; before != nil {
		cached, err = r.cache.Replace(ctx, before.cached, source)
	} else {
		cached, err = r.cache.Add(ctx, source)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", k.GroupVersionKind, err)
	}
	for i, v := range all {
		v.cached, v.hub, v.stored = cached, source, all[0].Type
		if i > 0 {
			v.shown = source.Views[i-1]
		}
		if i > 0 || !k.StoredOnly {
			next[v.GVR] = v
		}
	}
	delete(r.stored, old)
	r.stored[k] = all[0]
	return nil
}

// Remove ends serving a kind; its objects stay in the store.
func (r *Registry) Remove(ctx context.Context, k *kinds.Kind) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[schema.GroupVersionResource]*Resource{}
	for gvr, res := range *r.resources.Load() {
		if res.base != k {
			next[gvr] = res
		}
	}
	stored := r.stored[k]
	delete(r.stored, k)
	r.publish(next)
	if stored == nil {
		return nil
	}
	return r.cache.Remove(ctx, stored.cached)
}

// publish makes a set of resources the one that is served; the caller holds mu.
func (r *Registry) publish(next map[schema.GroupVersionResource]*Resource) {
	r.resources.Store(&next)
	r.generation.Add(1)
	close(r.changed)
	r.changed = make(chan struct{})
}

// Changed is closed when a kind is next added or removed, or with Touch.
func (r *Registry) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Touch says that what discovery tells of some kind is other than before.
func (r *Registry) Touch() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.publish(*r.resources.Load())
}

// Stored is the kind's own version, whether it is served or not; nil if the
// kind has not been added.
func (r *Registry) Stored(k *kinds.Kind) *Resource {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored[k]
}

// Generation changes whenever a kind is added or removed, or with Touch.
func (r *Registry) Generation() int64 { return r.generation.Load() }

// Resource returns the resource with a name in a group and version; nil if
// there is none.
func (r *Registry) Resource(gvr schema.GroupVersionResource) *Resource {
	return (*r.resources.Load())[gvr]
}

// Resources returns everything that is served, in no order.
func (r *Registry) Resources() []*Resource {
	m := *r.resources.Load()
	out := make([]*Resource, 0, len(m))
	for _, res := range m {
		out = append(out, res)
	}
	return out
}

// Resource is a kind as one group and version shows it.
type Resource struct {
	kinds.Names
	// GVR and GVK are the names in the group and version shown.
	GVR schema.GroupVersionResource
	GVK schema.GroupVersionKind
	// Kind says what is particular to the objects: the kind that they are
	// stored as, or what the version shown has of its own. Shared; do not
	// change.
	Kind *kinds.Kind
	// Type and ListType write down answers.
	Type, ListType *codec.Type

	registry *Registry
	base     *kinds.Kind // what the objects are stored as
	tag      codec.Tagging
	view     *kinds.View // nil for the kind itself
	index    int         // of the view
	cached   *cache.Resource
	hub      *cache.Source
	stored   *codec.Type
	shown    *cache.Source // of the view
	pages    pages
	managers sync.Map // of *lazyManager by subresource

	emptyOnce sync.Once
	empty     emptyFields // of the stored type
}

// versions are the kind itself and then its views.
func (r *Registry) versions(k *kinds.Kind) []*Resource {
	make1 := func(gvk schema.GroupVersionKind, names kinds.Names, list runtime.Object, tag codec.Tagging) *Resource {
		listGVK := gvk
		listGVK.Kind += "List"
		if g := list.GetObjectKind().GroupVersionKind(); g.Kind != "" {
			listGVK.Kind = g.Kind
		}
		return &Resource{
			registry: r, base: k, tag: tag, Names: names, Kind: k, GVK: gvk, GVR: gvk.GroupVersion().WithResource(names.Resource),
			Type: codec.NewType(gvk, tag), ListType: codec.NewType(listGVK, tag),
		}
	}
	all := []*Resource{make1(k.GroupVersionKind, k.Names, k.NewList(), tagging(k.New()))}
	for i := range k.Views {
		v := &k.Views[i]
		res := make1(v.GroupVersionKind, v.Names, v.NewList(), tagging(v.New()))
		res.view, res.index = v, i
		if v.Own != nil {
			res.Kind = v.Own
		}
		all = append(all, res)
	}
	return all
}

// First reports whether of all the groups and versions that show the kind this
// is the one to count its objects by.
func (r *Resource) First() bool {
	return r.view == nil || r.base.StoredOnly && r.index == 0
}

// Part returns what a subresource writes like /status, or nil.
func (r *Resource) Part(subresource string) *kinds.Status {
	if subresource == "status" {
		return r.Kind.Status
	}
	return r.Kind.Subresources[subresource]
}

// New makes an empty object in the version shown.
func (r *Resource) New() kinds.Object {
	if r.view != nil {
		return r.view.New()
	}
	return r.Kind.New()
}

// IsUnstructured reports whether the objects have no Go type of their own.
func (r *Resource) IsUnstructured() bool { return r.tag == codec.SelfTagged }

// Namespaced reports whether the objects live in namespaces.
func (r *Resource) Namespaced() bool { return r.Kind.Namespaced }

// GroupResource is what errors call the resource.
func (r *Resource) GroupResource() schema.GroupResource { return r.GVR.GroupResource() }

// Default fills in what an object in the version shown leaves out.
func (r *Resource) Default(obj kinds.Object) {
	switch {
	case r.view != nil && r.view.Default != nil:
		r.view.Default(obj)
	case (r.view == nil || r.own()) && r.Kind.Default != nil:
		r.Kind.Default(obj)
	}
}

// Receive brings an object that a client has sent into the shape of this
// version, and returns the paths of fields that it has dropped because it does
// not know them.
func (r *Resource) Receive(obj kinds.Object) (unknown []string, err error) {
	if r.Kind.Receive == nil {
		return nil, nil
	}
	return r.Kind.Receive(obj)
}

// Settle gives an object that a client sent, and that has its defaults, the
// form in which this version shows it once it is stored; the result may share
// memory with it. An error says that it cannot be read.
func (r *Resource) Settle(obj kinds.Object) (kinds.Object, error) {
	if r.own() {
		return obj, nil
	}
	if r.view == nil {
		if f := r.Kind.Convert; f != nil {
			return obj, f(obj)
		}
		return obj, nil
	}
	stored, err := r.view.ToStored(obj)
	if err != nil {
		return nil, err
	}
	if f := r.Kind.Convert; f != nil {
		if err := f(stored); err != nil {
			return nil, err
		}
	}
	return r.view.FromStored(stored)
}

// ToStored converts an object in the version shown to the stored one, with the
// defaults of that; it may share memory with its argument.
func (r *Resource) ToStored(obj kinds.Object) (kinds.Object, error) {
	if r.view == nil {
		return obj, nil
	}
	out, err := r.view.ToStored(obj)
	if err == nil && r.Kind.Default != nil {
		r.Kind.Default(out)
	}
	return out, err
}

// FromStored is the inverse of ToStored.
func (r *Resource) FromStored(obj kinds.Object) (kinds.Object, error) {
	if r.view == nil {
		return obj, nil
	}
	return r.view.FromStored(obj)
}

// show returns an item as this version shows it.
func (r *Resource) show(it *cache.Item) (*cache.Item, error) {
	if r.view == nil {
		return it, nil
	}
	return it.View(r.index)
}

// own reports whether the kind's functions take objects as this version shows
// them, and not as they are stored.
func (r *Resource) own() bool { return r.view != nil && r.view.Own != nil }

// StoredAs is what the objects are stored as.
func (r *Resource) StoredAs() schema.GroupVersionKind {
	if !r.base.StoredAs.Empty() {
		return r.base.StoredAs
	}
	return r.base.GroupVersionKind
}

// IsServed reports whether another version of the resource's group is served.
func (r *Resource) IsServed(version string) bool {
	return r.registry.Resource(schema.GroupVersionResource{Group: r.GVR.Group, Version: version, Resource: r.GVR.Resource}) != nil
}

// ToJudged converts an object in the version shown to what the kind's
// functions take.
func (r *Resource) ToJudged(obj kinds.Object) (kinds.Object, error) {
	if r.own() {
		return obj, nil
	}
	return r.ToStored(obj)
}

// Judged is the object of an item as the kind's functions take it.
func (r *Resource) Judged(it *cache.Item) (kinds.Object, error) {
	if !r.own() {
		return it.Object, nil
	}
	v, err := r.show(it)
	if err != nil {
		return nil, err
	}
	return v.Object, nil
}

// Cached gives direct access to what the cache holds of the kind, in its
// stored version.
func (r *Resource) Cached() *cache.Resource { return r.cached }
