package registry

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// deleters is how many objects of a collection are deleted at a time.
	deleters = 4
	// deletePage is how many are listed at a time.
	deletePage = 10000
)

// Purge deletes all objects of the kind in the server's own name: admission is
// not asked. Those with finalizers are only marked.
func (r *Resource) Purge(ctx context.Context) error {
	_, err := r.DeleteCollection(ctx, Write{unasked: true}, &metav1.DeleteOptions{}, &internalversion.ListOptions{})
	return err
}

// DeleteCollection deletes what a list returns, and returns that list. It is
// not atomic: an error leaves some objects deleted and others not.
func (r *Resource) DeleteCollection(ctx context.Context, w Write, options *metav1.DeleteOptions, list *internalversion.ListOptions) (*List, error) {
	w.collection, w.Options = true, options
	if err := r.admitCollection(ctx, &w); err != nil {
		return nil, err
	}
	r.warnDelete(ctx, options)
	found, err := r.listAll(ctx, w.Namespace, list)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg    sync.WaitGroup
		once  sync.Once
		first error
		next  = make(chan int)
	)
	for range min(deleters, len(found.Items)) {
		wg.Go(func() {
			for i := range next {
				one := w
				obj := found.Items[i].Object
				one.Namespace, one.Name = obj.GetNamespace(), obj.GetName()
				if err := r.deleteOne(ctx, one, options); err != nil && !apierrors.IsNotFound(err) {
					once.Do(func() { first = err; cancel() })
				}
			}
		})
	}
	for i := range found.Items {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	if first == nil && ctx.Err() != nil {
		first = r.apiError(ctx.Err(), "")
	}
	if first != nil {
		return nil, first
	}
	return found, nil
}

// deleteOne deletes an object of a collection; a panic is its error, for no
// request is there to catch it.
func (r *Resource) deleteOne(ctx context.Context, w Write, options *metav1.DeleteOptions) (err error) {
	defer func() {
		if p := recover(); p != nil {
			r.registry.log.Error("panic while deleting an object of a collection", "resource", r.GVR, "name", w.Name, "panic", p, "stack", string(debug.Stack()))
			err = apierrors.NewInternalError(fmt.Errorf("this request caused apiserver to panic: %v", p))
		}
	}()
	_, err = r.Delete(ctx, w, options)
	return err
}

// listAll lists a collection that is to be deleted: what options name, in
// pages unless they say how large one is to be.
func (r *Resource) listAll(ctx context.Context, namespace string, options *internalversion.ListOptions) (*List, error) {
	if options.Limit > 0 {
		return r.List(ctx, namespace, options)
	}
	options = options.DeepCopy()
	options.Limit = deletePage
	var all *List
	for {
		page, err := r.List(ctx, namespace, options)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = page
		} else {
			all.Items = append(all.Items, page.Items...)
		}
		if page.Meta.Continue == "" {
			return all, nil
		}
		options.Continue, options.ResourceVersion, options.ResourceVersionMatch = page.Meta.Continue, "", ""
	}
}
