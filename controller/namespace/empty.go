package namespace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"
)

// inParallel is how many kinds are emptied at the same time.
const inParallel = 8

// emptier deletes what is in a namespace.
type emptier struct{ metadata metadata.Interface }

// resource is a kind of object and whether all of them can be deleted in one request.
type resource struct {
	schema.GroupVersionResource
	collection bool
}

func podsFirst(a, b resource) int {
	isPods := func(r resource) int {
		if r.Group == "" && r.Resource == "pods" {
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(isPods(a), isPods(b)), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource))
}

// deletable lists what can be listed and deleted, pods first. The error tells of group
// versions that make no sense.
func deletable(lists []*metav1.APIResourceList) ([]resource, error) {
	var all []resource
	var errs []error
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, r := range list.APIResources {
			if !slices.Contains(r.Verbs, "delete") || !slices.Contains(r.Verbs, "list") {
				continue
			}
			all = append(all, resource{gv.WithResource(r.Name), slices.Contains(r.Verbs, "deletecollection")})
		}
	}
	slices.SortFunc(all, podsFirst)
	return all, errors.Join(errs...)
}

// empty asks for the deletion of all that is in the namespace and reports what is
// still there. Where pods are left, only they are looked at.
func (e emptier) empty(ctx context.Context, ns *corev1.Namespace, lists []*metav1.APIResourceList, findErr error) *findings {
	found := newFindings()
	found.discovery = findErr
	kinds, err := deletable(lists)
	found.parsing = err

	if len(kinds) > 0 && kinds[0].Group == "" && kinds[0].Resource == "pods" {
		e.emptyOne(ctx, ns.Name, kinds[0], found)
		if found.left() {
			return found
		}
		kinds = kinds[1:]
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, inParallel)
	for _, kind := range kinds {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			e.emptyOne(ctx, ns.Name, kind, found)
		})
	}
	wg.Wait()
	return found
}

// emptyOne deletes the objects of one kind. It looks before it deletes, because most
// namespaces hold nothing of most kinds.
func (e emptier) emptyOne(ctx context.Context, namespace string, kind resource, found *findings) {
	client := e.metadata.Resource(kind.GroupVersionResource).Namespace(namespace)
	list, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		found.failed(unserved(err))
		return
	}
	if len(list.Items) == 0 {
		return
	}
	background := metav1.DeletePropagationBackground
	opts := metav1.DeleteOptions{PropagationPolicy: &background}
	if kind.collection {
		err = client.DeleteCollection(ctx, opts, metav1.ListOptions{})
	}
	if !kind.collection || apierrors.IsMethodNotSupported(err) {
		err = nil
		for _, item := range list.Items {
			if one := client.Delete(ctx, item.Name, opts); one != nil && !apierrors.IsNotFound(one) {
				err = errors.Join(err, one)
			}
		}
	}
	if err = unserved(err); err != nil {
		found.failed(fmt.Errorf("deleting %s: %w", kind.GroupResource(), err))
		return
	}
	list, err = client.List(ctx, metav1.ListOptions{})
	if err != nil {
		found.failed(unserved(err))
		return
	}
	found.remaining(kind, list.Items)
}

// unserved makes nothing of errors that say the kind is not there after all.
func unserved(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
		return nil
	}
	return err
}
