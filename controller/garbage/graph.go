package garbage

import (
	"slices"
	"strconv"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// object is what the graph knows of an API object. Values are not changed once they
// are in the graph.
type object struct {
	kind       resource
	namespace  string
	name       string
	uid        types.UID
	revision   string
	owners     []metav1.OwnerReference
	finalizers []string
	deleting   bool
}

func newObject(kind resource, o metav1.Object) *object {
	return &object{
		kind:       kind,
		namespace:  o.GetNamespace(),
		name:       o.GetName(),
		uid:        o.GetUID(),
		revision:   o.GetResourceVersion(),
		owners:     o.GetOwnerReferences(),
		finalizers: o.GetFinalizers(),
		deleting:   o.GetDeletionTimestamp() != nil,
	}
}

func (o *object) has(finalizer string) bool { return slices.Contains(o.finalizers, finalizer) }

// awaitsDependents: being deleted in the foreground, after what it owns.
func (o *object) awaitsDependents() bool {
	return o.deleting && o.has(metav1.FinalizerDeleteDependents)
}

// orphansDependents: being deleted, and what it owns shall live on.
func (o *object) orphansDependents() bool {
	return o.deleting && o.has(metav1.FinalizerOrphanDependents)
}

// ownedBy returns the reference to that owner, nil if there is none.
func (o *object) ownedBy(owner types.UID) *metav1.OwnerReference {
	for i := range o.owners {
		if o.owners[i].UID == owner {
			return &o.owners[i]
		}
	}
	return nil
}

// is reports whether ref, found on an object in namespace, means o.
func (o *object) is(ref metav1.OwnerReference, namespace string) bool {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	return err == nil && ref.UID == o.uid && ref.Name == o.name && ref.Kind == o.kind.kind && gv.Group == o.kind.Group &&
		(o.namespace == "" || o.namespace == namespace)
}

// maxAbsent is how many owners that are gone are remembered.
const maxAbsent = 500

// graph is the objects and who owns whom. Safe for concurrent use.
type graph struct {
	mu         sync.Mutex
	objects    map[types.UID]*object
	dependents map[types.UID]map[types.UID]struct{} // owner → those that refer to it
	absent     map[types.UID]struct{}
	absentRing []types.UID // the same, in the order they came
}

func newGraph() *graph {
	return &graph{
		objects:    make(map[types.UID]*object),
		dependents: make(map[types.UID]map[types.UID]struct{}),
		absent:     make(map[types.UID]struct{}),
	}
}

// put adds or replaces an object, and returns the objects to look at.
func (g *graph) put(o *object) (look []types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.set(o)
}

func (g *graph) set(o *object) (look []types.UID) {
	old := g.objects[o.uid]
	g.objects[o.uid] = o
	var was []metav1.OwnerReference
	if old != nil {
		was = old.owners
	}
	for _, ref := range was {
		if o.ownedBy(ref.UID) == nil {
			g.unlink(ref.UID, o.uid)
		}
		// An owner deleted in the foreground may have waited for this one.
		if owner := g.objects[ref.UID]; owner != nil && owner.awaitsDependents() {
			look = append(look, owner.uid)
		}
	}
	for _, ref := range o.owners {
		g.link(ref.UID, o.uid)
		owner := g.objects[ref.UID]
		if owner == nil || owner.deleting || !owner.is(ref, o.namespace) {
			look = append(look, o.uid)
		}
	}
	if o.deleting && (old == nil || !old.deleting || !slices.Equal(old.finalizers, o.finalizers)) {
		look = append(look, o.uid)
		if o.awaitsDependents() {
			look = append(look, g.dependentsOf(o.uid)...)
		}
	}
	return look
}

// refresh replaces an object by a newer state of it that was read outside the watch.
// It does not add one: the watch may have seen its end already.
func (g *graph) refresh(o *object) (look []types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.objects[o.uid]
	if old == nil || !older(old.revision, o.revision) {
		return nil
	}
	return g.set(o)
}

// older compares revisions, which are numbers; those that are not cannot be compared.
func older(a, b string) bool {
	x, err := strconv.ParseUint(a, 10, 64)
	if err != nil {
		return false
	}
	y, err := strconv.ParseUint(b, 10, 64)
	return err == nil && x < y
}

// remove takes an object out that is known to be gone, and returns the objects to look
// at.
func (g *graph) remove(uid types.UID) (look []types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noteAbsent(uid)
	if o := g.objects[uid]; o != nil {
		delete(g.objects, uid)
		for _, ref := range o.owners {
			g.unlink(ref.UID, uid)
			if owner := g.objects[ref.UID]; owner != nil && owner.awaitsDependents() {
				look = append(look, owner.uid)
			}
		}
	}
	return append(look, g.dependentsOf(uid)...)
}

// forget takes objects out that are no longer watched: they may still exist.
func (g *graph) forget(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o := g.objects[uid]; o != nil {
		delete(g.objects, uid)
		for _, ref := range o.owners {
			g.unlink(ref.UID, uid)
		}
	}
}

func (g *graph) link(owner, dependent types.UID) {
	if g.dependents[owner] == nil {
		g.dependents[owner] = make(map[types.UID]struct{})
	}
	g.dependents[owner][dependent] = struct{}{}
}

func (g *graph) unlink(owner, dependent types.UID) {
	delete(g.dependents[owner], dependent)
	if len(g.dependents[owner]) == 0 {
		delete(g.dependents, owner)
	}
}

func (g *graph) dependentsOf(owner types.UID) []types.UID {
	some := make([]types.UID, 0, len(g.dependents[owner]))
	for uid := range g.dependents[owner] {
		some = append(some, uid)
	}
	slices.Sort(some)
	return some
}

func (g *graph) noteAbsent(uid types.UID) {
	if _, have := g.absent[uid]; have {
		return
	}
	if len(g.absentRing) >= maxAbsent {
		delete(g.absent, g.absentRing[0])
		g.absentRing = g.absentRing[1:]
	}
	g.absent[uid] = struct{}{}
	g.absentRing = append(g.absentRing, uid)
}

// markAbsent remembers that no object has that UID.
func (g *graph) markAbsent(uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.noteAbsent(uid)
}

// situation is an object and what the graph knows around it.
type situation struct {
	*object
	owners     []ownerState // as object.owners, in their order
	dependents []*object
}

// ownerState is what is known of the owner that a reference names.
type ownerState struct {
	ref   metav1.OwnerReference
	state ownerLife
	// elsewhere: the owner exists, but not where the reference says.
	elsewhere bool
}

type ownerLife int

const (
	ownerUnknown ownerLife = iota // ask the API server
	ownerSolid
	ownerAbsent
	ownerAwaits // being deleted in the foreground
)

// look returns the situation of an object, false if it is not in the graph.
func (g *graph) look(uid types.UID) (situation, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.objects[uid]
	if o == nil {
		return situation{}, false
	}
	s := situation{object: o}
	for _, ref := range o.owners {
		entry := ownerState{ref: ref}
		owner := g.objects[ref.UID]
		_, gone := g.absent[ref.UID]
		switch {
		case owner != nil && owner.is(ref, o.namespace) && owner.awaitsDependents():
			entry.state = ownerAwaits
		case owner != nil && owner.is(ref, o.namespace):
			entry.state = ownerSolid
		case owner != nil:
			entry.elsewhere = true
		case gone:
			entry.state = ownerAbsent
		}
		s.owners = append(s.owners, entry)
	}
	for _, dependent := range g.dependentsOf(uid) {
		if d := g.objects[dependent]; d != nil {
			s.dependents = append(s.dependents, d)
		}
	}
	return s, true
}
