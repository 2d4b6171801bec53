package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store"
)

// Deletion is what a delete has come to.
type Deletion struct {
	// Item is the object to answer with; nil if Status is to be.
	Item   *cache.Item
	Status *metav1.Status
	// Gone says that the object does not exist any more.
	Gone bool
}

// Delete removes an object, or marks it as one to be removed when others have
// done their part. The options have passed validation; they are not changed.
func (r *Resource) Delete(ctx context.Context, w Write, options *metav1.DeleteOptions) (*Deletion, error) {
	r.warnDelete(ctx, options)
	if err := checkSegment(w.Name); err != nil {
		return nil, err
	}
	var out *Deletion
	err := r.attempt(ctx, r.key(w.Namespace, w.Name), w.Name, func(it *cache.Item, from origin) (err error) {
		if it == nil {
			return apierrors.NewNotFound(r.GroupResource(), w.Name)
		}
		out, err = r.tryDelete(ctx, it, from, &w, options.DeepCopy())
		return err
	})
	if err != nil {
		return nil, err
	}
	if out.Item != nil {
		if out.Gone && !r.Kind.ReturnDeleted {
			out.Status = r.deletedStatus(out.Item)
			out.Item = nil
		} else if out.Item, err = r.show(out.Item); err != nil {
			return nil, apierrors.NewInternalError(err)
		}
	}
	return out, nil
}

// warnDelete adds the kind's warnings about a delete.
func (r *Resource) warnDelete(ctx context.Context, options *metav1.DeleteOptions) {
	if r.Kind.DeleteWarnings == nil {
		return
	}
	for _, text := range r.Kind.DeleteWarnings(options) {
		warning.AddWarning(ctx, "", text)
	}
}

func (r *Resource) deletedStatus(it *cache.Item) *metav1.Status {
	return &metav1.Status{Status: metav1.StatusSuccess, Details: &metav1.StatusDetails{
		Name: it.Object.GetName(), Group: r.GVR.Group, Kind: r.GVR.Resource, UID: it.Object.GetUID(),
	}}
}

// tryDelete is one try on a known state.
func (r *Resource) tryDelete(ctx context.Context, it *cache.Item, from origin, w *Write, opts *metav1.DeleteOptions) (*Deletion, error) {
	if err := r.checkPreconditions(it.Object, opts.Preconditions, w); err != nil {
		return nil, err
	}
	if b := opts.IgnoreStoreReadErrorWithClusterBreakingPotential; b != nil && *b {
		return nil, apierrors.NewConflict(r.GroupResource(), w.Name, errors.New(r.storageError(&Write{Namespace: w.Namespace, Name: w.Name},
			"unsafe deletion is not allowed because the object is decodable from storage")))
	}
	obj := it.Object.DeepCopyObject().(kinds.Object)
	if r.Kind.MarkDeleted != nil && obj.GetDeletionTimestamp() == nil {
		w.Options = opts
		if err := r.admitDelete(ctx, it, w); err != nil {
			return nil, err
		}
		r.Kind.MarkDeleted(obj)
		marked, err := r.swap(ctx, it, from, obj, w.DryRun)
		return &Deletion{Item: marked}, err
	}
	how := r.grace(ctx, obj, opts)
	if how == pendingGrace {
		out := &Deletion{Item: it}
		if !r.Kind.ReturnDeleted {
			out = &Deletion{Status: r.deletedStatus(it)}
		}
		return out, nil
	}
	if how == atOnce && r.unfinished(it.Object) {
		return &Deletion{Item: it}, nil
	}
	w.Options = opts
	if err := r.admitDelete(ctx, it, w); err != nil {
		return nil, err
	}
	if finalizers, changed := r.finalizers(obj, opts); changed {
		obj.SetFinalizers(finalizers)
	}
	waiting := len(obj.GetFinalizers()) > 0 || r.unfinished(obj)
	switch {
	case how == graceful:
		marked, err := r.swap(ctx, it, from, obj, w.DryRun)
		if err != nil {
			return nil, err
		}
		waiting = waiting || (opts.GracePeriodSeconds != nil && *opts.GracePeriodSeconds > 0)
		if waiting || bool(w.DryRun) {
			return &Deletion{Item: marked, Gone: !waiting}, nil
		}
		out, err := r.remove(ctx, marked, w)
		if errors.Is(err, store.ErrNotFound) { // whoever was waiting for the mark was faster
			return &Deletion{Item: marked, Gone: true}, nil
		}
		return out, err
	case waiting:
		markDeleting(obj)
		marked, err := r.swap(ctx, it, from, obj, w.DryRun)
		return &Deletion{Item: marked}, err
	}
	return r.remove(ctx, it, w)
}

// admitCollection asks the mutators of admission about the delete of a
// collection as a whole; its validators are asked about each object.
func (r *Resource) admitCollection(ctx context.Context, w *Write) error {
	if len(r.registry.admission) == 0 || w.unasked {
		return nil
	}
	a := r.attributes(ctx, w, admission.Delete, nil, nil)
	return refused(r.registry.admission.Admit(ctx, a), a)
}

// admitDelete asks admission about a delete.
func (r *Resource) admitDelete(ctx context.Context, it *cache.Item, w *Write) error {
	if len(r.registry.admission) == 0 || w.unasked {
		return nil
	}
	shown, err := r.show(it)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	a := r.attributes(ctx, w, admission.Delete, nil, shown.Object)
	if !w.collection {
		if err := r.registry.admission.Admit(ctx, a); err != nil {
			return refused(err, a)
		}
	}
	return refused(r.registry.admission.Validate(ctx, a), a)
}

// remove takes an object out of the store.
func (r *Resource) remove(ctx context.Context, it *cache.Item, w *Write) (*Deletion, error) {
	if w.DryRun {
		return &Deletion{Item: it, Gone: true}, nil
	}
	revision, err := r.registry.store.Delete(ctx, r.cached.Prefix()+it.Key, it.Revision)
	if err != nil {
		return nil, err
	}
	r.cached.Wrote(it.Key, revision)
	if r.Kind.AfterDelete != nil {
		r.Kind.AfterDelete(it.Object)
	}
	return &Deletion{Item: it.Deleted(revision), Gone: true}, nil
}

// removeUpdated takes an object out of the store whose last finalizer an
// update has removed; the answer is what the update made of it.
func (r *Resource) removeUpdated(ctx context.Context, it *cache.Item, obj kinds.Object, w *Write) (*cache.Item, error) {
	if _, err := r.remove(ctx, it, w); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	return cache.NewItem(r.hub, it.Key, nil, obj, it.Revision), nil
}

// unfinished reports whether a marked object waits for what the kind knows.
func (r *Resource) unfinished(obj kinds.Object) bool {
	return obj.GetDeletionTimestamp() != nil && r.Kind.Unfinished != nil && r.Kind.Unfinished(obj)
}

// lastFinalizerGone reports whether an update ends an object's life.
func (r *Resource) lastFinalizerGone(obj, old kinds.Object) bool {
	if len(obj.GetFinalizers()) > 0 || old.GetDeletionTimestamp() == nil || r.unfinished(obj) {
		return false
	}
	s := old.GetDeletionGracePeriodSeconds()
	return s == nil || *s == 0
}

func (r *Resource) checkPreconditions(obj kinds.Object, p *metav1.Preconditions, w *Write) error {
	if p == nil {
		return nil
	}
	lower := r.GVR.Group == "apiextensions.k8s.io" && r.GVR.Resource == "customresourcedefinitions"
	if lower || (r.GVR.Group == "" && r.GVR.Resource == "namespaces") { // these have a wording of their own
		conflict := func(what string, want, have any) error {
			err := failed(what, want, have)
			if lower {
				err = errors.New("p" + err.Error()[1:])
			}
			return apierrors.NewConflict(r.GroupResource(), w.Name, err)
		}
		if p.UID != nil && *p.UID != obj.GetUID() {
			return conflict("UID", *p.UID, obj.GetUID())
		}
		if p.ResourceVersion != nil && *p.ResourceVersion != obj.GetResourceVersion() {
			return conflict("ResourceVersion", *p.ResourceVersion, obj.GetResourceVersion())
		}
		return nil
	}
	gr := schema.GroupResource{Group: r.GVK.Group, Resource: r.GVK.Kind}
	if p.UID != nil && *p.UID != obj.GetUID() {
		return apierrors.NewConflict(gr, obj.GetName(), fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s). The object might have been deleted and then recreated", *p.UID, obj.GetUID()))
	}
	if p.ResourceVersion != nil && *p.ResourceVersion != obj.GetResourceVersion() {
		return apierrors.NewConflict(gr, obj.GetName(), fmt.Errorf("the ResourceVersion in the precondition (%s) does not match the ResourceVersion in record (%s). The object might have been modified", *p.ResourceVersion, obj.GetResourceVersion()))
	}
	return nil
}

// manner is how an object goes.
type manner int

const (
	atOnce       manner = iota // as far as grace is concerned
	graceful                   // marked; obj and opts say by when
	pendingGrace               // marked before, and no sooner now
)

// grace decides about the grace period and marks obj accordingly.
func (r *Resource) grace(ctx context.Context, obj kinds.Object, opts *metav1.DeleteOptions) manner {
	one := int64(1)
	if s := opts.GracePeriodSeconds; s != nil && *s < 0 {
		opts.GracePeriodSeconds = &one
	}
	if s := obj.GetDeletionGracePeriodSeconds(); s != nil && *s < 0 {
		obj.SetDeletionGracePeriodSeconds(&one)
	}
	if r.Kind.GracefulDelete == nil {
		return atOnce
	}
	if obj.GetDeletionTimestamp() != nil {
		return shorten(obj, opts)
	}
	if !r.Kind.GracefulDelete(ctx, obj, opts) {
		return atOnce
	}
	when := time.Now()
	if s := opts.GracePeriodSeconds; s != nil {
		seconds := *s
		when = when.Add(time.Duration(seconds) * time.Second)
		obj.SetDeletionGracePeriodSeconds(&seconds)
	}
	t := metav1.NewTime(when)
	obj.SetDeletionTimestamp(&t)
	if g := obj.GetGeneration(); g > 0 {
		obj.SetGeneration(g + 1)
	}
	return graceful
}

// shorten handles a further delete of an object that is going already: the
// grace period can only become shorter.
func shorten(obj kinds.Object, opts *metav1.DeleteOptions) manner {
	old := obj.GetDeletionGracePeriodSeconds()
	if old == nil || *old == 0 {
		return atOnce
	}
	if opts.GracePeriodSeconds == nil {
		opts.GracePeriodSeconds = old
		return pendingGrace
	}
	period := *opts.GracePeriodSeconds
	if period >= *old {
		return pendingGrace
	}
	when := obj.GetDeletionTimestamp().Add(time.Duration(period-*old) * time.Second)
	if now := time.Now(); when.Before(now) {
		when = now
		if period != 0 {
			period = 1
		}
	}
	t := metav1.NewTime(when)
	obj.SetDeletionTimestamp(&t)
	obj.SetDeletionGracePeriodSeconds(&period)
	return graceful
}

// markDeleting marks an object that waits for its finalizers alone.
func markDeleting(obj kinds.Object) {
	now := time.Now()
	if t := obj.GetDeletionTimestamp(); t == nil || t.After(now) {
		if t == nil && obj.GetGeneration() > 0 {
			obj.SetGeneration(obj.GetGeneration() + 1)
		}
		when := metav1.NewTime(now)
		obj.SetDeletionTimestamp(&when)
	}
	obj.SetDeletionGracePeriodSeconds(new(int64))
}

// finalizers returns those an object has to have for what is to become of its
// dependents, and whether they are other than now.
func (r *Resource) finalizers(obj kinds.Object, opts *metav1.DeleteOptions) ([]string, bool) {
	orphan, foreground := r.propagation(obj, opts)
	var out []string
	for _, f := range obj.GetFinalizers() {
		if f != metav1.FinalizerOrphanDependents && f != metav1.FinalizerDeleteDependents {
			out = append(out, f)
		}
	}
	if orphan {
		out = append(out, metav1.FinalizerOrphanDependents)
	}
	if foreground {
		out = append(out, metav1.FinalizerDeleteDependents)
	}
	now, next := slices.Clone(obj.GetFinalizers()), slices.Clone(out)
	slices.Sort(now)
	slices.Sort(next)
	return out, !slices.Equal(slices.Compact(now), slices.Compact(next))
}

// propagation decides between what the options say, what the object's
// finalizers say, and the kind's default.
func (r *Resource) propagation(obj kinds.Object, opts *metav1.DeleteOptions) (orphan, foreground bool) {
	if r.Kind.NoDependents {
		return false, false
	}
	//lint:ignore SA1019 old clients still send it
	if o := opts.OrphanDependents; o != nil {
		return *o, false
	}
	if p := opts.PropagationPolicy; p != nil {
		return *p == metav1.DeletePropagationOrphan, *p == metav1.DeletePropagationForeground
	}
	for _, f := range obj.GetFinalizers() {
		switch f {
		case metav1.FinalizerOrphanDependents:
			return true, false
		case metav1.FinalizerDeleteDependents:
			return false, true
		}
	}
	return r.Kind.DefaultPropagation == metav1.DeletePropagationOrphan, false
}
