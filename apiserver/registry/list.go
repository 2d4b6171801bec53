package registry

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/store"
)

// List is the answer to a list: items as the version shows them.
type List struct {
	Items []*cache.Item
	Meta  metav1.ListMeta
}

const inconsistent = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."

// List returns the objects that options pick. The options have passed
// apimachinery's validation.
func (r *Resource) List(ctx context.Context, namespace string, opts *internalversion.ListOptions) (*List, error) {
	sel, err := r.Select(namespace, opts.LabelSelector, opts.FieldSelector)
	if err != nil {
		return nil, err
	}
	return r.list(ctx, namespace, sel, opts)
}

func (r *Resource) list(ctx context.Context, namespace string, sel *Selector, opts *internalversion.ListOptions) (*List, error) {
	snap, revision, start, err := r.state(ctx, opts)
	if err != nil {
		return nil, r.apiError(err, "")
	}
	prefix := ""
	if namespace != "" && r.Kind.Namespaced {
		prefix = namespace + "/"
	}
	limit := int(opts.Limit)
	if opts.ResourceVersion == "0" {
		limit = 0 // what is at hand is cheaper whole
	}
	var items []*cache.Item
	if snap != nil {
		items = r.pick(snap, namespace, sel, prefix+start, limit)
	} else if items, err = r.pickStored(ctx, revision, namespace, sel, prefix+start, limit, opts); err != nil {
		return nil, err
	}
	out := &List{Meta: metav1.ListMeta{ResourceVersion: strconv.FormatInt(revision, 10)}}
	if limit > 0 && len(items) > limit {
		rest := len(items) - limit
		items = items[:limit]
		last := strings.TrimPrefix(items[limit-1].Key, prefix)
		if out.Meta.Continue, err = encodeContinue(last+"\x00", revision); err != nil {
			return nil, apierrors.NewInternalError(err)
		}
		if sel.Everything() {
			n := int64(rest)
			out.Meta.RemainingItemCount = &n
		}
		if snap != nil {
			r.pages.put(revision, snap)
		}
	}
	for i, it := range items {
		if items[i], err = r.show(it); err != nil {
			return nil, r.apiError(err, "")
		}
	}
	out.Items = items
	return out, nil
}

// state finds what a list reads: a state in memory, or if there is none the
// revision to read from the store; and the key to start at.
func (r *Resource) state(ctx context.Context, opts *internalversion.ListOptions) (snap *cache.Snapshot, revision int64, start string, err error) {
	c := r.registry.cache
	if opts.Continue != "" {
		if start, revision, err = decodeContinue(opts.Continue); err != nil {
			return nil, 0, "", apierrors.NewBadRequest("invalid continue token: " + err.Error())
		}
		if opts.ResourceVersion != "" && opts.ResourceVersion != "0" {
			return nil, 0, "", apierrors.NewBadRequest("specifying resource version is not allowed when using continue")
		}
		if revision > 0 {
			snap, revision = r.at(revision)
			return snap, revision, start, nil
		}
		if _, err = c.Fresh(ctx); err != nil {
			return nil, 0, "", err
		}
		snap, revision = r.cached.Snapshot()
		return snap, revision, start, nil
	}
	if opts.ResourceVersion != "" && opts.ResourceVersion != "0" {
		if _, err := parseVersion(opts.ResourceVersion); err != nil {
			return nil, 0, "", apierrors.NewBadRequest("invalid resource version: " + err.Error())
		}
	}
	if exact(opts) {
		if revision, err = parseVersion(opts.ResourceVersion); err != nil {
			return nil, 0, "", err
		}
		if err = r.waitFor(ctx, revision); err != nil {
			return nil, 0, "", err
		}
		snap, revision = r.at(revision)
		return snap, revision, "", nil
	}
	if err = r.atLeast(ctx, opts.ResourceVersion); err != nil {
		return nil, 0, "", err
	}
	snap, revision = r.cached.Snapshot()
	return snap, revision, "", nil
}

// exact reports whether a list is to show the state at just the revision it
// names. Without a match it is, by old custom, if it is read in pages.
func exact(opts *internalversion.ListOptions) bool {
	switch opts.ResourceVersionMatch {
	case metav1.ResourceVersionMatchExact:
		return true
	case "":
		return opts.Limit > 0 && opts.ResourceVersion != "" && opts.ResourceVersion != "0"
	}
	return false
}

// at returns the state at a revision, if it is in memory.
func (r *Resource) at(revision int64) (*cache.Snapshot, int64) {
	if s := r.pages.get(revision); s != nil {
		return s, revision
	}
	if s, _ := r.cached.Snapshot(); s.Revision() <= revision {
		return s, revision
	}
	return nil, revision
}

// pick returns the items of a state that are selected. With a limit it stops
// one after it, unless those that remain are to be counted.
func (r *Resource) pick(snap *cache.Snapshot, namespace string, sel *Selector, start string, limit int) []*cache.Item {
	if sel.name != "" && (sel.namespace != "" || !r.Kind.Namespaced) {
		it := snap.Get(r.key(sel.namespace, sel.name))
		if it == nil || it.Key < start || !sel.Matches(it) || (namespace != "" && sel.namespace != namespace) {
			return nil
		}
		return []*cache.Item{it}
	}
	var items []*cache.Item
	if sel.Everything() {
		items = make([]*cache.Item, 0, snap.Len())
	}
	if !r.Kind.Namespaced {
		namespace = ""
	} else if namespace == "" {
		namespace = sel.namespace
	}
	each := func(it *cache.Item) bool {
		if sel.Everything() || sel.Matches(it) {
			items = append(items, it)
		}
		return sel.Everything() || limit == 0 || len(items) <= limit
	}
	if sel.index != "" {
		snap.AscendTerm(fieldTerm(r.hub.Index, sel.index), start, each)
	} else {
		snap.Ascend(namespace, start, each)
	}
	return items
}

// pickStored is pick for a state that only the store's history has.
func (r *Resource) pickStored(ctx context.Context, revision int64, namespace string, sel *Selector, start string, limit int, opts *internalversion.ListOptions) ([]*cache.Item, error) {
	prefix := r.cached.Prefix()
	if namespace != "" && r.Kind.Namespaced {
		prefix += namespace + "/"
	}
	res, err := r.registry.store.List(ctx, prefix, store.ListOptions{Start: r.cached.Prefix() + start, Revision: revision})
	if errors.Is(err, store.ErrCompacted) {
		if opts.Continue == "" {
			return nil, apierrors.NewResourceExpired("The resourceVersion for the provided list is too old.")
		}
		return nil, expiredContinue(strings.TrimPrefix(r.cached.Prefix()+start, prefix))
	}
	if err != nil {
		return nil, r.apiError(err, "")
	}
	var items []*cache.Item
	for i := range res.Entries {
		e := &res.Entries[i]
		obj, err := r.hub.Decode(e.Value)
		if err != nil {
			r.registry.log.Error("stored object cannot be read and is left out", "key", e.Key, "err", err)
			continue
		}
		it := cache.NewItem(r.hub, strings.TrimPrefix(e.Key, r.cached.Prefix()), e.Value, obj, e.ModRevision)
		if sel.Matches(it) {
			items = append(items, it)
		}
		if limit > 0 && len(items) > limit && !sel.Everything() {
			break
		}
	}
	return items, nil
}

// expiredContinue is the 410 that offers to go on with the newest state.
func expiredContinue(start string) error {
	err := apierrors.NewResourceExpired(inconsistent)
	if next, encErr := encodeContinue(start, -1); encErr == nil {
		err.ErrStatus.ListMeta.Continue = next
	}
	err.ErrStatus.Code = http.StatusGone
	return err
}
