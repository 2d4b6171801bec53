package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Created says whether an update made the object.
type Created bool

// A Changer makes the new state of an object from the old one, both in the
// version shown and the new one with its defaults; old is nil where there is
// none and must not be changed. It may be called several times, and then each
// result is to be a fresh object. Managed fields are the Changer's work if
// tracked is true.
type Changer func(ctx context.Context, old kinds.Object) (obj kinds.Object, tracked Tracked, err error)

// Tracked says whether managed fields are up to date already.
type Tracked bool

// Update replaces an object with one given in the version shown and with its
// defaults; it is kept unchanged. Where the kind allows it, it creates.
func (r *Resource) Update(ctx context.Context, obj kinds.Object, w Write) (*cache.Item, Created, error) {
	if err := r.EnsureNamespace(obj, w.Namespace); err != nil {
		return nil, false, err
	}
	dedupOwners(ctx, obj, asSent)
	return r.change(ctx, w, obj.GetUID(), r.Kind.CreateOnUpdate, func(context.Context, kinds.Object) (kinds.Object, Tracked, error) {
		return obj.DeepCopyObject().(kinds.Object), false, nil
	})
}

// Change gives an object the state that a function makes of it; creates says
// whether it may make one of nothing.
func (r *Resource) Change(ctx context.Context, w Write, creates Creates, f Changer) (*cache.Item, Created, error) {
	return r.change(ctx, w, "", bool(creates), f)
}

// Amend is Change for a computed subresource, such as a pod's binding: it has
// been admitted by itself, and f alone decides what is allowed, so neither
// admission nor the kind's rules for updates are asked.
func (r *Resource) Amend(ctx context.Context, w Write, f Changer) (*cache.Item, error) {
	w.amend = true
	it, _, err := r.change(ctx, w, "", false, f)
	return it, err
}

// Creates says whether a change may create the object.
type Creates bool

func (r *Resource) change(ctx context.Context, w Write, uid types.UID, mayCreate bool, f Changer) (out *cache.Item, created Created, err error) {
	if err := checkSegment(w.Name); err != nil {
		return nil, false, err
	}
	key := r.key(w.Namespace, w.Name)
	if w.Subresource != "" {
		mayCreate = false
	}
	err = r.attempt(ctx, key, w.Name, func(it *cache.Item, from origin) error {
		var stepErr error
		if it == nil {
			if !mayCreate {
				return apierrors.NewNotFound(r.GroupResource(), w.Name)
			}
			if uid != "" {
				return r.preconditionFailed(&w, uid, "")
			}
			created = true
			out, stepErr = r.createByChange(ctx, &w, f)
			return stepErr
		}
		created = false
		if uid != "" && it.Object.GetUID() != uid {
			return r.preconditionFailed(&w, uid, it.Object.GetUID())
		}
		out, stepErr = r.replace(ctx, it, from, &w, f)
		return stepErr
	})
	if err != nil {
		return nil, false, err
	}
	out, err = r.show(out)
	return out, created, err
}

// preconditionFailed is the 409 of a write that names another object's UID.
func (r *Resource) preconditionFailed(w *Write, want, have types.UID) error {
	return apierrors.NewConflict(r.GroupResource(), w.Name, errors.New(r.storageError(w, failed("UID", want, have).Error())))
}

// failed words a precondition that does not hold.
func failed(what string, want, have any) error {
	text := fmt.Sprintf("Precondition failed: %s in precondition: %v, %s in object meta: %v", what, want, what, have)
	return errors.New(text)
}

// storageError words a refusal as one of the store's.
func (r *Resource) storageError(w *Write, text string) string {
	prefix := r.cached.Prefix()
	if w.DryRun {
		prefix = "/" + r.Kind.StorageKey + "/"
	}
	return fmt.Sprintf("StorageError: invalid object, Code: 4, Key: %s, ResourceVersion: 0, AdditionalErrorMsg: %s", prefix+r.key(w.Namespace, w.Name), text)
}

// createByChange is an update of an object that does not exist.
func (r *Resource) createByChange(ctx context.Context, w *Write, f Changer) (*cache.Item, error) {
	obj, tracked, err := f(ctx, nil)
	if err != nil {
		return nil, err
	}
	if v := obj.GetResourceVersion(); v != "" {
		if _, err := strconv.ParseUint(v, 10, 64); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
	}
	if w.MayCreate != nil {
		if err := w.MayCreate(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.EnsureNamespace(obj, w.Namespace); err != nil {
		return nil, err
	}
	obj.SetResourceVersion("")
	wipe(obj)
	if !tracked {
		obj = r.track(nil, obj, w)
	}
	create := *w
	create.Options = asCreateOptions(w.Options)
	w = &create
	if err := r.mutate(ctx, r.attributes(ctx, w, admission.Create, obj, nil), obj); err != nil {
		return nil, err
	}
	if err := r.EnsureNamespace(obj, w.Namespace); err != nil {
		return nil, err
	}
	dedupOwners(ctx, obj, afterAdmission)
	it, err := r.insert(ctx, obj, w)
	if apierrors.IsAlreadyExists(err) && !bool(w.DryRun) {
		return nil, errRace // somebody else was first; this is an update now
	}
	return it, err
}

// asCreateOptions makes the options of a create of those of an update that
// creates.
func asCreateOptions(options runtime.Object) runtime.Object {
	u, ok := options.(*metav1.UpdateOptions)
	if !ok {
		return options
	}
	c := &metav1.CreateOptions{DryRun: u.DryRun, FieldManager: u.FieldManager, FieldValidation: u.FieldValidation}
	c.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("CreateOptions"))
	return c
}

// replace is one try of an update of a known state.
func (r *Resource) replace(ctx context.Context, it *cache.Item, from origin, w *Write, f Changer) (*cache.Item, error) {
	old := it.Object
	oldShown := old
	if r.view != nil {
		v, err := it.View(r.index)
		if err != nil {
			return nil, err
		}
		oldShown = v.Object
	}
	obj, tracked, err := f(ctx, oldShown)
	if err != nil {
		return nil, err
	}
	if err := r.checkVersion(obj, old, w.Name); err != nil {
		return nil, err
	}
	if !tracked {
		obj = r.track(oldShown, obj, w)
	}
	if !w.amend && w.Subresource != scaleName { // a scale has been admitted by itself
		if err := r.mutate(ctx, r.attributes(ctx, w, admission.Update, obj, oldShown), obj); err != nil {
			return nil, err
		}
	}
	dedupOwners(ctx, obj, afterAdmission)
	judged := old
	if r.own() {
		judged = oldShown
	} else if obj, err = r.toStored(obj); err != nil {
		return nil, err
	}
	if permit := r.Kind.Permit; permit != nil && w.Subresource == "" && !w.amend {
		if err := permit(ctx, obj, judged); err != nil {
			return nil, err
		}
	}
	done, err := r.begin(ctx, obj, judged, w)
	if err != nil {
		return nil, err
	}
	var stored kinds.Stored
	defer func() { done(stored) }()
	if err := r.prepareUpdate(ctx, obj, judged, w); err != nil {
		return nil, err
	}
	keepTimes(judged, obj)
	if !w.amend {
		if err := r.approve(ctx, w, admission.Update, obj, judged); err != nil {
			return nil, err
		}
	}
	if r.lastFinalizerGone(obj, old) {
		return r.removeUpdated(ctx, it, obj, w)
	}
	if r.own() {
		if obj, err = r.toStored(obj); err != nil {
			return nil, err
		}
	}
	out, err := r.swap(ctx, it, from, obj, w.DryRun)
	stored = kinds.Stored(err == nil && !bool(w.DryRun))
	return out, err
}

// checkVersion compares the resourceVersion a writer names with the present
// one, and fills it in where it may be left out.
func (r *Resource) checkVersion(obj, old kinds.Object, name string) error {
	switch v := obj.GetResourceVersion(); v {
	case old.GetResourceVersion():
		return nil
	case "", "0":
		if !r.Kind.UnconditionalUpdate {
			return apierrors.NewInvalid(schema.GroupKind{Group: r.GVR.Group, Kind: r.GVR.Resource}, name, field.ErrorList{
				field.Invalid(field.NewPath("metadata").Child("resourceVersion"), 0, "must be specified for an update"),
			})
		}
		obj.SetResourceVersion(old.GetResourceVersion())
		return nil
	default:
		if _, err := strconv.ParseUint(v, 10, 64); err != nil {
			return apierrors.NewBadRequest(err.Error())
		}
		return apierrors.NewConflict(r.GroupResource(), name, errors.New(modified))
	}
}

// prepareUpdate lets the kind take back and complete what changed, and checks
// the result.
func (r *Resource) prepareUpdate(ctx context.Context, obj, old kinds.Object, w *Write) error {
	k := r.Kind
	if err := r.EnsureNamespace(obj, w.Namespace); err != nil {
		return err
	}
	obj.SetGeneration(old.GetGeneration())
	prepare, validate, warnings := k.PrepareUpdate, k.ValidateUpdate, k.Warnings
	if part := r.Part(w.Subresource); part != nil {
		prepare, validate, warnings = part.PrepareUpdate, part.ValidateUpdate, part.Warnings
	}
	if w.amend {
		prepare, validate, warnings = nil, nil, nil
	}
	if prepare != nil {
		prepare(ctx, obj, old)
	}
	if obj.GetUID() == "" {
		obj.SetUID(old.GetUID())
	}
	if t := old.GetCreationTimestamp(); !t.IsZero() {
		obj.SetCreationTimestamp(t)
	}
	if t := old.GetDeletionTimestamp(); !t.IsZero() {
		obj.SetDeletionTimestamp(t)
	}
	if s := old.GetDeletionGracePeriodSeconds(); s != nil && obj.GetDeletionGracePeriodSeconds() == nil {
		obj.SetDeletionGracePeriodSeconds(s)
	}
	meta := field.NewPath("metadata")
	errs := validation.ValidateObjectMetaAccessor(obj, k.Namespaced, validSegment, meta)
	errs = append(errs, validation.ValidateObjectMetaAccessorUpdate(obj, old, meta)...)
	if !k.AnyStatusFinalizer || w.Subresource != "status" {
		errs = append(errs, r.validateFinalizers(obj)...)
	}
	if name := obj.GetGenerateName(); k.RecheckName && name != "" && w.Subresource != "status" {
		for _, text := range k.ValidName(name, true) {
			errs = append(errs, field.Invalid(meta.Child("generateName"), name, text))
		}
	}
	if validate != nil {
		errs = append(errs, validate(ctx, obj, old)...)
	}
	if !w.amend {
		errs = r.declared(ctx, operation.Update, obj, old, w.Subresource, errs)
	}
	if len(errs) > 0 {
		return r.refused(obj, errs)
	}
	if warnings != nil {
		for _, text := range warnings(ctx, obj, old) {
			warning.AddWarning(ctx, "", text)
		}
	}
	if k.Canonicalize != nil {
		k.Canonicalize(obj)
	}
	return nil
}

// swap writes an object in the place of another state of it.
func (r *Resource) swap(ctx context.Context, it *cache.Item, from origin, obj kinds.Object, dryRun kinds.DryRun) (*cache.Item, error) {
	r.clearEmpty(obj)
	if dryRun {
		if err := r.shape(obj); err != nil {
			return nil, err
		}
		return cache.NewItem(r.hub, it.Key, nil, obj, it.Revision), nil
	}
	obj.SetResourceVersion("")
	obj.SetSelfLink("")
	value, err := r.encodeStored(obj)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	if bytes.Equal(value, it.Value) {
		if from == fromCache {
			fresh, err := r.current(ctx, it.Key, fromStore)
			if err != nil {
				return nil, err
			}
			if revisionOf(fresh) != it.Revision {
				return nil, errRace
			}
		}
		return it, nil
	}
	pending := r.cached.Begin(it.Key, value, obj)
	revision, err := r.registry.store.Update(ctx, r.cached.Prefix()+it.Key, value, it.Revision, r.ttl(obj))
	if err != nil {
		pending.Abort()
		return nil, err
	}
	return pending.Commit(revision), nil
}
