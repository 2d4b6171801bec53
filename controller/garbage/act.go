package garbage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// errUnknownKind: an owner's kind is served by nobody, for now.
var errUnknownKind = errors.New("kind is not served")

// process looks at one object and does what is to be done with it.
func (r *collector) process(ctx context.Context, uid types.UID) error {
	s, ok := r.graph.look(uid)
	if !ok {
		return nil
	}
	if !s.deleting {
		err := r.resolve(ctx, s)
		if errors.Is(err, errUnknownKind) {
			r.park(uid) // until other kinds are served
			return nil
		}
		if err != nil {
			return err
		}
	}
	return r.act(ctx, s, decide(s))
}

// resolve asks the API server about owners the graph does not know.
func (r *collector) resolve(ctx context.Context, s situation) error {
	for i := range s.owners {
		owner := &s.owners[i]
		if owner.state != ownerUnknown {
			continue
		}
		gv, err := schema.ParseGroupVersion(owner.ref.APIVersion)
		if err != nil {
			return fmt.Errorf("owner %s %s of %s: %w", owner.ref.Kind, owner.ref.Name, s.describe(), errUnknownKind)
		}
		kind, ok := r.kinds().byKind[schema.GroupKind{Group: gv.Group, Kind: owner.ref.Kind}]
		if !ok {
			return fmt.Errorf("owner %s %s of %s: %w", owner.ref.Kind, owner.ref.Name, s.describe(), errUnknownKind)
		}
		if kind.namespaced && s.namespace == "" {
			// Not a valid reference: a cluster-scoped object cannot have an owner in a
			// namespace. Whose it is cannot be told, so it stays.
			r.warnInvalid(s.object, owner.ref)
			owner.state = ownerSolid
			continue
		}
		namespace := ""
		if kind.namespaced {
			namespace = s.namespace
		}
		live, err := r.metadata.Resource(kind.GroupVersionResource).Namespace(namespace).Get(ctx, owner.ref.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err), err == nil && live.UID != owner.ref.UID:
			owner.state = ownerAbsent
			if owner.elsewhere {
				r.warnInvalid(s.object, owner.ref) // it exists, so it is not remembered as absent
			} else {
				r.graph.markAbsent(owner.ref.UID)
			}
		case err != nil:
			return fmt.Errorf("looking for owner %s %s of %s: %w", owner.ref.Kind, owner.ref.Name, s.describe(), err)
		case newObject(kind, live).awaitsDependents():
			owner.state = ownerAwaits
		default:
			owner.state = ownerSolid
		}
	}
	return nil
}

func (r *collector) warnInvalid(o *object, ref metav1.OwnerReference) {
	target := &corev1.ObjectReference{
		APIVersion:      o.kind.GroupVersion().String(),
		Kind:            o.kind.kind,
		Namespace:       o.namespace,
		Name:            o.name,
		UID:             o.uid,
		ResourceVersion: o.revision,
	}
	r.recorder.Eventf(target, corev1.EventTypeWarning, "OwnerRefInvalidNamespace", "ownerRef [%s/%s, namespace: %s, name: %s, uid: %s] does not exist in namespace %q",
		ref.APIVersion, ref.Kind, o.namespace, ref.Name, ref.UID, o.namespace)
}

// act carries a decision out.
func (r *collector) act(ctx context.Context, s situation, d decision) error {
	for _, dependent := range d.release {
		if err := r.patch(ctx, dependent, withoutOwners(dependent, s.uid)); err != nil {
			return fmt.Errorf("orphaning dependents of %s: %w", s.describe(), err)
		}
	}
	if d.dropFinalizer != "" {
		rest := slices.DeleteFunc(slices.Clone(s.finalizers), func(f string) bool { return f == d.dropFinalizer })
		return r.patch(ctx, s.object, map[string]any{"finalizers": rest})
	}
	if len(d.dropOwners) > 0 {
		return r.patch(ctx, s.object, withoutOwners(s.object, d.dropOwners...))
	}
	if d.unblock {
		owners := slices.Clone(s.object.owners)
		for i := range owners {
			if owners[i].BlockOwnerDeletion != nil {
				owners[i].BlockOwnerDeletion = new(bool)
			}
		}
		if err := r.patch(ctx, s.object, map[string]any{"ownerReferences": owners}); err != nil {
			return err
		}
		// The patch changed the revision; delete on the next look.
		return r.fresh(ctx, s.object)
	}
	if d.remove != "" {
		return r.delete(ctx, s.object, d.remove)
	}
	r.look(d.look...)
	return nil
}

func withoutOwners(o *object, gone ...types.UID) map[string]any {
	rest := slices.DeleteFunc(slices.Clone(o.owners), func(ref metav1.OwnerReference) bool { return slices.Contains(gone, ref.UID) })
	return map[string]any{"ownerReferences": rest}
}

// patch changes the object's metadata if it is still as the graph knows it.
func (r *collector) patch(ctx context.Context, o *object, changes map[string]any) error {
	changes["uid"] = o.uid
	changes["resourceVersion"] = o.revision
	data, err := json.Marshal(map[string]any{"metadata": changes})
	if err != nil {
		return err
	}
	updated, err := r.client(o).Patch(ctx, o.name, types.MergePatchType, data, metav1.PatchOptions{})
	if err == nil {
		// Not yet seen in the watch; known all the same.
		if updated.UID == o.uid && updated.DeletionTimestamp == nil {
			r.look(r.graph.refresh(newObject(o.kind, updated))...)
		}
		return nil
	}
	return r.settle(ctx, o, err)
}

func (r *collector) delete(ctx context.Context, o *object, how metav1.DeletionPropagation) error {
	err := r.client(o).Delete(ctx, o.name, metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &o.uid, ResourceVersion: &o.revision},
		PropagationPolicy: &how,
	})
	if err == nil {
		return nil
	}
	return r.settle(ctx, o, err)
}

// settle deals with a write that failed: where the graph was behind, it is brought up
// to date and the object looked at again.
func (r *collector) settle(ctx context.Context, o *object, err error) error {
	switch {
	case apierrors.IsNotFound(err):
		r.look(r.graph.remove(o.uid)...)
		return nil
	case apierrors.IsConflict(err):
		return r.fresh(ctx, o)
	}
	return fmt.Errorf("%s: %w", o.describe(), err)
}

// fresh reads the object anew and asks for another try.
func (r *collector) fresh(ctx context.Context, o *object) error {
	live, err := r.client(o).Get(ctx, o.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && live.UID != o.uid:
		r.look(r.graph.remove(o.uid)...)
		return nil
	case err != nil:
		return err
	}
	r.look(r.graph.refresh(newObject(o.kind, live))...)
	return reconcile.ErrTryAgain
}

func (r *collector) client(o *object) metadata.ResourceInterface {
	return r.metadata.Resource(o.kind.GroupVersionResource).Namespace(o.namespace)
}

func (o *object) describe() string {
	if o.namespace == "" {
		return fmt.Sprintf("%s %s", o.kind.GroupResource(), o.name)
	}
	return fmt.Sprintf("%s %s/%s", o.kind.GroupResource(), o.namespace, o.name)
}
