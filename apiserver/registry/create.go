package registry

import (
	"context"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/store"
)

const (
	// maxGenerated is how often a generated name is tried.
	maxGenerated = 8
	maxNameLen   = 63
	suffixLen    = 5
)

// Create stores a new object, given in the version shown and with its defaults;
// it is the registry's from now on.
func (r *Resource) Create(ctx context.Context, obj kinds.Object, w Write) (*cache.Item, error) {
	if v := obj.GetResourceVersion(); v != "" && v != "0" {
		return nil, apierrors.NewBadRequest("resourceVersion should not be set on objects to be created")
	}
	wipe(obj)
	if err := r.EnsureNamespace(obj, w.Namespace); err != nil {
		return nil, err
	}
	dedupOwners(ctx, obj, asSent)
	obj = r.track(nil, obj, &w)
	if err := r.mutate(ctx, r.attributes(ctx, &w, admission.Create, obj, nil), obj); err != nil {
		return nil, err
	}
	if err := r.EnsureNamespace(obj, w.Namespace); err != nil {
		return nil, err
	}
	dedupOwners(ctx, obj, afterAdmission)
	generate := obj.GetName() == "" && obj.GetGenerateName() != ""
	for try := 1; ; try++ {
		next := obj
		if generate {
			if try < maxGenerated {
				next = obj.DeepCopyObject().(kinds.Object)
			}
			next.SetName(generateName(obj.GetGenerateName()))
		}
		it, err := r.insert(ctx, next, &w)
		if generate && apierrors.IsAlreadyExists(err) {
			if try < maxGenerated {
				continue
			}
			err = apierrors.NewGenerateNameConflict(r.GroupResource(), next.GetName(), 1)
		}
		if err != nil {
			return nil, err
		}
		return r.show(it)
	}
}

// wipe removes what only the server sets.
func wipe(obj metav1.Object) {
	obj.SetDeletionTimestamp(nil)
	obj.SetDeletionGracePeriodSeconds(nil)
	obj.SetSelfLink("")
}

func generateName(base string) string {
	if len(base) > maxNameLen-suffixLen {
		base = base[:maxNameLen-suffixLen]
	}
	return base + rand.String(suffixLen)
}

// insert is the part of a create after mutation.
func (r *Resource) insert(ctx context.Context, shown kinds.Object, w *Write) (*cache.Item, error) {
	shown.SetCreationTimestamp(metav1.Now().Rfc3339Copy())
	shown.SetUID(uuid.NewUUID())
	obj, k := shown, r.Kind
	var err error
	if !r.own() {
		if obj, err = r.toStored(shown); err != nil {
			return nil, err
		}
	}
	if k.Permit != nil {
		if err := k.Permit(ctx, obj, nil); err != nil {
			return nil, err
		}
	}
	done, err := r.begin(ctx, obj, nil, w)
	if err != nil {
		return nil, err
	}
	var stored kinds.Stored
	defer func() { done(stored) }()
	if err := r.prepareCreate(ctx, obj); err != nil {
		return nil, err
	}
	if err := r.approve(ctx, w, admission.Create, obj, nil); err != nil {
		return nil, err
	}
	obj.SetResourceVersion("")
	obj.SetSelfLink("")
	key := r.key(obj.GetNamespace(), obj.GetName())
	if r.own() {
		if obj, err = r.toStored(obj); err != nil {
			return nil, err
		}
	}
	it, err := r.storeNew(ctx, key, obj, w.DryRun)
	stored = kinds.Stored(err == nil && !bool(w.DryRun))
	return it, err
}

// begin lets the kind take what a write needs; done is to be told how it ended.
func (r *Resource) begin(ctx context.Context, obj, old kinds.Object, w *Write) (done func(kinds.Stored), err error) {
	if begin := r.Kind.Begin; begin != nil && w.Subresource == "" {
		if done, err = begin(ctx, obj, old, w.DryRun); err != nil {
			return nil, r.apiError(err, obj.GetName())
		}
	}
	if done == nil {
		done = func(kinds.Stored) {}
	}
	return done, nil
}

// prepareCreate lets the kind complete a new object and checks it.
func (r *Resource) prepareCreate(ctx context.Context, obj kinds.Object) error {
	k := r.Kind
	if k.PrepareCreate != nil {
		k.PrepareCreate(ctx, obj)
	}
	var errs field.ErrorList
	if !k.MetadataLast {
		errs = validation.ValidateObjectMetaAccessor(obj, k.Namespaced, k.ValidName, field.NewPath("metadata"))
	}
	errs = append(errs, r.validateFinalizers(obj)...)
	if k.Validate != nil {
		errs = append(errs, k.Validate(ctx, obj)...)
	}
	if len(errs) == 0 {
		errs = validation.ValidateObjectMetaAccessor(obj, k.Namespaced, validSegment, field.NewPath("metadata"))
	}
	if errs = r.declared(ctx, operation.Create, obj, nil, "", errs); len(errs) > 0 {
		return r.refused(obj, errs)
	}
	if k.Warnings != nil {
		for _, text := range k.Warnings(ctx, obj, nil) {
			warning.AddWarning(ctx, "", text)
		}
	}
	if k.Canonicalize != nil {
		k.Canonicalize(obj)
	}
	return nil
}

// validSegment returns what keeps a name from being part of a path.
func validSegment(name string, prefix bool) []string {
	if prefix {
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}

// validateFinalizers demands that finalizers of most kinds that are no custom
// ones say whose they are.
func (r *Resource) validateFinalizers(obj kinds.Object) field.ErrorList {
	if r.Kind.AnyFinalizer || tagging(obj) != 0 {
		return nil
	}
	e := &check.Errors{}
	e.Finalizers(obj.GetFinalizers())
	return e.List
}

// storeNew writes a new object, or only checks that it could be.
func (r *Resource) storeNew(ctx context.Context, key string, obj kinds.Object, dryRun kinds.DryRun) (*cache.Item, error) {
	name := obj.GetName()
	r.clearEmpty(obj)
	if dryRun {
		it, err := r.current(ctx, key, fromStore)
		if err != nil {
			return nil, r.apiError(err, name)
		}
		if it != nil {
			return nil, r.exists(it)
		}
		if err := r.shape(obj); err != nil {
			return nil, err
		}
		return cache.NewItem(r.hub, key, nil, obj, 0), nil
	}
	value, err := r.encodeStored(obj)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	pending := r.cached.Begin(key, value, obj)
	revision, err := r.registry.store.Create(ctx, r.cached.Prefix()+key, value, r.ttl(obj))
	if err == nil {
		return pending.Commit(revision), nil
	}
	pending.Abort()
	if errors.Is(err, store.ErrExists) {
		it, getErr := r.current(ctx, key, fromStore)
		if getErr == nil && it != nil {
			return nil, r.exists(it)
		}
	}
	return nil, r.apiError(err, name)
}

// exists is the 409 of a create.
func (r *Resource) exists(it *cache.Item) error {
	err := apierrors.NewAlreadyExists(r.GroupResource(), it.Object.GetName())
	if it.Object.GetDeletionTimestamp() != nil {
		err.ErrStatus.Message = "object is being deleted: " + err.ErrStatus.Message
	}
	return err
}

func (r *Resource) invalid(name string, errs field.ErrorList) error {
	return apierrors.NewInvalid(r.Kind.GroupKind(), name, errs)
}

// refused is invalid for an object, which is called what it says it is.
func (r *Resource) refused(obj kinds.Object, errs field.ErrorList) error {
	if tagging(obj) != 0 {
		return apierrors.NewInvalid(obj.GetObjectKind().GroupVersionKind().GroupKind(), obj.GetName(), errs)
	}
	return r.invalid(obj.GetName(), errs)
}
