package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store"
)

// Write says who writes what, and how.
type Write struct {
	Namespace, Name string
	// Subresource is "status" or empty; "scale" writes have their own method.
	Subresource string
	// Manager is who the fields are tracked under: see [ManagerName].
	Manager string
	DryRun  kinds.DryRun
	// Options are the request's, for admission.
	Options runtime.Object
	// MayCreate, if set, is asked before an update or apply creates an
	// object; nil allows it.
	MayCreate func(ctx context.Context) error

	amend      bool // see Amend
	unasked    bool // see Purge
	collection bool // one of the deletes of a collection
}

// attributes are what admission sees of a write.
func (r *Resource) attributes(ctx context.Context, w *Write, op admission.Operation, obj, old kinds.Object) *admission.Attributes {
	a := &admission.Attributes{
		Operation: op, Resource: r.GVR, Kind: r.GVK, Subresource: w.Subresource,
		Namespace: w.Namespace, Name: w.Name, Options: w.Options, DryRun: bool(w.DryRun),
	}
	if w.Subresource == scaleName {
		a.Kind = scaleKind
	}
	if w.collection {
		a.Name = "" // the request names none
	}
	if obj != nil {
		a.Object = obj
	}
	if old != nil {
		a.OldObject = old
	}
	if r.GVR.Group == "" && r.GVR.Resource == "namespaces" {
		a.Namespace = a.Name
	}
	a.User, _ = genericrequest.UserFrom(ctx)
	return a
}

// mutate asks admission to change obj, and guards its managed fields.
func (r *Resource) mutate(ctx context.Context, a *admission.Attributes, obj kinds.Object) error {
	if len(r.registry.admission) == 0 {
		return nil
	}
	before := obj.GetManagedFields()
	if err := r.registry.admission.Admit(ctx, a); err != nil {
		return refused(err, a)
	}
	after := obj.GetManagedFields()
	if len(after) == len(before) && (len(after) == 0 || &after[0] == &before[0]) {
		return nil // nobody has set them
	}
	if err := managedfields.ValidateManagedFields(after); err != nil {
		obj.SetManagedFields(before)
		warning.AddWarning(ctx, "", fmt.Sprintf(".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating admission controller; please fix your requests: %v", err))
	}
	return nil
}

// approve asks the validators of admission about the final objects, which are
// in their stored form.
func (r *Resource) approve(ctx context.Context, w *Write, op admission.Operation, obj, old kinds.Object) error {
	if len(r.registry.admission) == 0 {
		return nil
	}
	shown, was := obj, old
	var err error
	if r.view != nil && !r.own() {
		if obj != nil {
			if shown, err = r.FromStored(obj); err != nil {
				return err
			}
		}
		if old != nil {
			if was, err = r.FromStored(old); err != nil {
				return err
			}
		}
	}
	if w.Subresource == scaleName {
		if shown, was, err = r.scales(shown, was); err != nil {
			return r.apiError(err, w.Name)
		}
	}
	a := r.attributes(ctx, w, op, shown, was)
	if a.Name == "" && op == admission.Create {
		a.Name = obj.GetName() // made since the mutators were asked
	}
	return refused(r.registry.admission.Validate(ctx, a), a)
}

// dedupOwners drops repeated owner references, as a courtesy to controllers.
func dedupOwners(ctx context.Context, obj kinds.Object, when string) {
	refs := obj.GetOwnerReferences()
	if len(refs) < 2 {
		return
	}
	seen := map[string]bool{}
	var keep []metav1.OwnerReference
	var repeated []string
	for _, ref := range refs {
		id := fmt.Sprintf("%+v", struct {
			a, b, c, d string
			e, f       bool
		}{ref.APIVersion, ref.Kind, ref.Name, string(ref.UID), ref.Controller != nil && *ref.Controller, ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion})
		if seen[id] {
			repeated = append(repeated, string(ref.UID))
			continue
		}
		seen[id] = true
		keep = append(keep, ref)
	}
	if len(repeated) > 0 {
		warning.AddWarning(ctx, "", fmt.Sprintf(".metadata.ownerReferences contains duplicate entries%s; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: %s", when, strings.Join(repeated, ", ")))
		obj.SetOwnerReferences(keep)
	}
}

const (
	asSent         = ""
	afterAdmission = " after mutating admission happens"
)

// current returns the newest state of an object that is at hand: the cache's,
// or the store's when that is demanded. Missing objects are nil.
func (r *Resource) current(ctx context.Context, key string, from origin) (*cache.Item, error) {
	if from == fromCache {
		snap, _ := r.cached.Snapshot()
		return snap.Get(key), nil
	}
	e, err := r.registry.store.Get(ctx, r.cached.Prefix()+key)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.itemOf(ctx, key, &e)
}

// itemOf makes an item of an entry of the store, or finds the cache's.
func (r *Resource) itemOf(_ context.Context, key string, e *store.Entry) (*cache.Item, error) {
	snap, _ := r.cached.Snapshot()
	if it := snap.Get(key); it != nil && it.Revision == e.ModRevision {
		return it, nil
	}
	obj, err := r.hub.Decode(e.Value)
	if err != nil {
		return nil, fmt.Errorf("stored object %s cannot be read: %w", e.Key, err)
	}
	return cache.NewItem(r.hub, key, e.Value, obj, e.ModRevision), nil
}

// origin is where a state was read.
type origin int

const (
	fromCache origin = iota
	fromStore
)

// attempt runs a step of a write on the current state until it is final: on a
// state from the cache first, and if that fails or is outdated, on the store's.
func (r *Resource) attempt(ctx context.Context, key, name string, step func(it *cache.Item, from origin) error) error {
	from := fromCache
	var it *cache.Item
	known := false
	for {
		if !known {
			var err error
			if it, err = r.current(ctx, key, from); err != nil {
				return r.apiError(err, name)
			}
		}
		err := step(it, from)
		var conflict *store.ConflictError
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return r.apiError(ctx.Err(), name)
		case errors.As(err, &conflict):
			if it, err = r.itemOf(ctx, key, &conflict.Current); err != nil {
				return r.apiError(err, name)
			}
			known, from = true, fromStore
			continue
		case errors.Is(err, store.ErrNotFound), errors.Is(err, errRace):
			known, from = false, fromStore
			continue
		case from == fromStore:
			return r.apiError(err, name)
		}
		// It failed on what the cache has; make sure that this is the newest.
		fresh, getErr := r.current(ctx, key, fromStore)
		if getErr != nil {
			return r.apiError(getErr, name)
		}
		if revisionOf(fresh) == revisionOf(it) {
			return r.apiError(err, name)
		}
		it, known, from = fresh, true, fromStore
	}
}

func revisionOf(it *cache.Item) int64 {
	if it == nil {
		return 0
	}
	return it.Revision
}

// ttl is how long an object is kept.
func (r *Resource) ttl(obj kinds.Object) time.Duration {
	if r.Kind.TTL == nil {
		return 0
	}
	return r.Kind.TTL(obj)
}

// EnsureNamespace sets the namespace of an object that names none to the
// request's, and refuses one that names another.
func (r *Resource) EnsureNamespace(obj metav1.Object, namespace string) error {
	if !r.Kind.Namespaced {
		namespace = ""
	}
	switch obj.GetNamespace() {
	case namespace:
	case "":
		obj.SetNamespace(namespace)
	default:
		if namespace == "" && obj.GetNamespace() != "" {
			obj.SetNamespace("")
			return nil
		}
		return apierrors.NewBadRequest("the namespace of the provided object does not match the namespace sent on the request")
	}
	return nil
}
