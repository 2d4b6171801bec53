package crd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// patience is how long the objects of a definition may take to go before its
// condition tells that something keeps them.
const patience = time.Minute

// clean deletes the objects of a definition that is to go, and then lets it go.
// The work is done beside others; it is begun once.
func (c *Controller) clean(ctx context.Context, res *registry.Resource, crd *v1.CustomResourceDefinition) {
	if crd.DeletionTimestamp == nil || !apihelpers.CRDHasFinalizer(crd, v1.CustomResourceCleanupFinalizer) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleaned[crd.UID] {
		return
	}
	c.cleaned[crd.UID] = true
	c.cleans.Go(func() {
		defer func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			delete(c.cleaned, crd.UID)
		}()
		wait := minRetry
		for {
			err := c.cleanup(ctx, res, crd)
			if err == nil || ctx.Err() != nil {
				return
			}
			c.log.Warn("objects of a definition cannot be deleted, trying again", "definition", crd.Name, "err", err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			wait = min(2*wait, maxRetry)
		}
	})
}

// cleanup is one try of clean.
func (c *Controller) cleanup(ctx context.Context, res *registry.Resource, crd *v1.CustomResourceDefinition) error {
	now, err := c.tell(ctx, res, crd, v1.ConditionTrue, "InstanceDeletionInProgress", "CustomResource deletion is in progress")
	if err != nil || now == nil {
		return err
	}
	status, reason, message := v1.ConditionFalse, "InstanceDeletionCompleted", "removed all instances"
	switch d := c.definition(crd.Name); {
	case !apihelpers.IsCRDConditionTrue(now, v1.Established):
		reason, message = "NeverEstablished", "resource was never established"
	case d == nil:
		reason, message = "OverlappingBuiltInResource", "instances overlap with built-in resources in storage"
	default:
		if err := c.deleteAll(ctx, res, now); err != nil {
			return err
		}
	}
	_, err = c.update(ctx, res, crd, func(crd *v1.CustomResourceDefinition) bool {
		set(crd, v1.CustomResourceDefinitionCondition{Type: v1.Terminating, Status: status, Reason: reason, Message: message})
		apihelpers.CRDRemoveFinalizer(crd, v1.CustomResourceCleanupFinalizer)
		return true
	})
	return err
}

// tell says in a definition's condition how far its end has come.
func (c *Controller) tell(ctx context.Context, res *registry.Resource, crd *v1.CustomResourceDefinition, status v1.ConditionStatus, reason, message string) (*v1.CustomResourceDefinition, error) {
	cond := v1.CustomResourceDefinitionCondition{Type: v1.Terminating, Status: status, Reason: reason, Message: message}
	return c.update(ctx, res, crd, func(crd *v1.CustomResourceDefinition) bool {
		if apihelpers.IsCRDConditionEquivalent(apihelpers.FindCRDCondition(crd, v1.Terminating), &cond) {
			return false
		}
		apihelpers.SetCRDCondition(crd, cond)
		return true
	})
}

// deleteAll deletes the objects of a definition and waits until they are gone.
func (c *Controller) deleteAll(ctx context.Context, res *registry.Resource, crd *v1.CustomResourceDefinition) error {
	slow := time.NewTimer(patience)
	defer slow.Stop()
	for {
		d := c.definition(crd.Name)
		if d == nil {
			return errors.New("the kind is not served any more")
		}
		objects := c.registry.Stored(d.kind)
		if objects == nil {
			return errors.New("the kind is being replaced")
		}
		if err := objects.Purge(ctx); err != nil {
			_, telling := c.tell(ctx, res, crd, v1.ConditionTrue, "InstanceDeletionFailed", fmt.Sprintf("could not issue all deletes: %v", err))
			return errors.Join(err, telling)
		}
		done, err := c.awaitEmpty(ctx, objects.Cached(), slow.C, func() error {
			_, err := c.tell(ctx, res, crd, v1.ConditionTrue, "InstanceDeletionCheck", "could not confirm zero CustomResources remaining: context deadline exceeded")
			return err
		})
		if done || err != nil {
			return err
		}
	}
}

// awaitEmpty returns true when a resource has no objects, and false when it is
// replaced before.
func (c *Controller) awaitEmpty(ctx context.Context, r *cache.Resource, slow <-chan time.Time, late func() error) (bool, error) {
	w := r.Follow(cache.Interest{})
	defer w.Close()
	for {
		if _, err := c.registry.Cache().Fresh(ctx); err != nil {
			return false, err
		}
		if snap, _ := r.Snapshot(); snap.Len() == 0 {
			return true, nil
		}
		if _, err := w.CatchUp(nil); err != nil {
			return false, nil // replaced
		}
		select {
		case <-w.Woken():
		case <-slow:
			if err := late(); err != nil {
				return false, err
			}
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
