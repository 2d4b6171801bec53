package registry

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/cache"
)

// futureWait is how long a read waits for a revision yet to come.
const futureWait = 3 * time.Second

// Get returns an object: the newest, or with a resourceVersion any that is not
// older; "0" is whatever is at hand.
func (r *Resource) Get(ctx context.Context, namespace, name string, opts *metav1.GetOptions) (*cache.Item, error) {
	it, err := r.get(ctx, namespace, name, opts.ResourceVersion)
	if err != nil {
		return nil, err
	}
	return r.show(it)
}

// get returns the stored form.
func (r *Resource) get(ctx context.Context, namespace, name, resourceVersion string) (*cache.Item, error) {
	if err := checkSegment(name); err != nil {
		return nil, err
	}
	if err := r.atLeast(ctx, resourceVersion); err != nil {
		return nil, r.apiError(err, name)
	}
	snap, _ := r.cached.Snapshot()
	it := snap.Get(r.key(namespace, name))
	if it == nil {
		return nil, apierrors.NewNotFound(r.GroupResource(), name)
	}
	return it, nil
}

// checkSegment refuses a name that is no part of a path.
func checkSegment(name string) error {
	if wrong := content.IsPathSegmentName(name); len(wrong) > 0 {
		return apierrors.NewBadRequest(fmt.Sprintf("Name parameter invalid: %q: %s", name, strings.Join(wrong, ";")))
	}
	return nil
}

// key is where an object is kept below the resource.
func (r *Resource) key(namespace, name string) string {
	if !r.Kind.Namespaced {
		return name
	}
	return cache.Key(namespace, name)
}

// atLeast returns when the cache is as new as a read demands.
func (r *Resource) atLeast(ctx context.Context, resourceVersion string) error {
	c := r.registry.cache
	if resourceVersion == "" {
		_, err := c.Fresh(ctx)
		return err
	}
	revision, err := parseVersion(resourceVersion)
	if err != nil {
		return err
	}
	return r.waitFor(ctx, revision)
}

// waitFor returns when the cache has reached a revision, or the error that it
// does not.
func (r *Resource) waitFor(ctx context.Context, revision int64) error {
	c := r.registry.cache
	if c.Revision() >= revision {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, futureWait)
	defer cancel()
	err := c.WaitFor(wait, revision)
	if err != nil && ctx.Err() == nil && wait.Err() != nil {
		return tooLarge(revision, c.Revision())
	}
	return err
}

// parseVersion reads a resourceVersion; the error is a 400.
func parseVersion(resourceVersion string) (int64, error) {
	v, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0, apierrors.NewBadRequest(field.Invalid(field.NewPath("resourceVersion"), resourceVersion, err.Error()).Error())
	}
	return int64(min(v, math.MaxInt64)), nil
}
