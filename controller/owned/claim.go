package owned

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Claim decides which children belong to an owner, and makes it so in the API: it
// adopts orphans that match and lets go of own children that match no longer.
type Claim[T metav1.Object] struct {
	// Owner is the controller object, Kind its kind.
	Owner metav1.Object
	Kind  schema.GroupVersionKind
	// Selector is what children match.
	Selector labels.Selector
	// Match, if set, must hold too.
	Match func(child T) bool
	// Live reads the owner from the API server, not from a cache. It is called at
	// most once, before the first adoption.
	Live func(ctx context.Context) (metav1.Object, error)
	// Patch applies a strategic merge patch to the child of that name.
	Patch func(ctx context.Context, namespace, name string, patch []byte) error
	// Finalizers are added to children on adoption.
	Finalizers []string
}

// Of returns those of the children that are the owner's from now on. Children that
// could not be adopted or released for now are left out and named in the error.
func (c Claim[T]) Of(ctx context.Context, children []T) ([]T, error) {
	var mine []T
	var errs []error
	var liveErr error
	asked := false
	for _, child := range children {
		ref := metav1.GetControllerOfNoCopy(child)
		switch {
		case ref != nil && ref.UID != c.Owner.GetUID():
		case ref != nil:
			if c.matches(child) {
				mine = append(mine, child)
				continue
			}
			if c.Owner.GetDeletionTimestamp() != nil {
				continue
			}
			if err := c.release(ctx, child); err != nil {
				errs = append(errs, err)
			}
		default:
			if c.Owner.GetDeletionTimestamp() != nil || child.GetDeletionTimestamp() != nil || !c.matches(child) {
				continue
			}
			if !asked {
				asked, liveErr = true, c.mayAdopt(ctx)
			}
			if liveErr != nil {
				errs = append(errs, fmt.Errorf("can't adopt %s/%s: %w", child.GetNamespace(), child.GetName(), liveErr))
				continue
			}
			adopted, err := c.adopt(ctx, child)
			if err != nil {
				errs = append(errs, err)
			} else if adopted {
				mine = append(mine, child)
			}
		}
	}
	return mine, errors.Join(errs...)
}

func (c Claim[T]) matches(child T) bool {
	return c.Selector.Matches(labels.Set(child.GetLabels())) && (c.Match == nil || c.Match(child))
}

// mayAdopt looks at the owner as it is now: one that is being deleted, or was
// replaced by another of its name, must not adopt.
func (c Claim[T]) mayAdopt(ctx context.Context) error {
	live, err := c.Live(ctx)
	if err != nil {
		return err
	}
	if live.GetUID() != c.Owner.GetUID() {
		return fmt.Errorf("original %s %s/%s is gone: got uid %s, wanted %s",
			c.Kind.Kind, c.Owner.GetNamespace(), c.Owner.GetName(), live.GetUID(), c.Owner.GetUID())
	}
	if live.GetDeletionTimestamp() != nil {
		return fmt.Errorf("%s/%s has just been deleted at %v", live.GetNamespace(), live.GetName(), live.GetDeletionTimestamp())
	}
	return nil
}

type metadataPatch struct {
	Metadata ownersPatch `json:"metadata"`
}

type ownersPatch struct {
	UID             types.UID `json:"uid"`
	OwnerReferences []any     `json:"ownerReferences"`
	Finalizers      []string  `json:"finalizers,omitempty"`
}

type removeOwner struct {
	Directive string    `json:"$patch"`
	UID       types.UID `json:"uid"`
}

func (c Claim[T]) adopt(ctx context.Context, child T) (bool, error) {
	err := c.patch(ctx, child, ownersPatch{
		UID:             child.GetUID(),
		OwnerReferences: []any{metav1.NewControllerRef(c.Owner, c.Kind)},
		Finalizers:      c.Finalizers,
	})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("adopting %s/%s: %w", child.GetNamespace(), child.GetName(), err)
	}
	return true, nil
}

func (c Claim[T]) release(ctx context.Context, child T) error {
	err := c.patch(ctx, child, ownersPatch{
		UID:             child.GetUID(),
		OwnerReferences: []any{removeOwner{Directive: "delete", UID: c.Owner.GetUID()}},
	})
	// Invalid means the reference was gone already, or that another object took the
	// child's name; in both cases there is nothing left to release.
	if err == nil || apierrors.IsNotFound(err) || apierrors.IsInvalid(err) {
		return nil
	}
	return fmt.Errorf("releasing %s/%s: %w", child.GetNamespace(), child.GetName(), err)
}

func (c Claim[T]) patch(ctx context.Context, child T, p ownersPatch) error {
	data, err := json.Marshal(metadataPatch{Metadata: p})
	if err != nil {
		return err
	}
	return c.Patch(ctx, child.GetNamespace(), child.GetName(), data)
}
