// Package storageprotection keeps volumes and claims that are deleted while they are in
// use, until they are not: a claim while a pod uses it, a volume while it is bound.
package storageprotection

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/controller/owned"
	"github.com/keelson-project/keelson/controller/reconcile"
)

const (
	claimFinalizer  = "kubernetes.io/pvc-protection"
	volumeFinalizer = "kubernetes.io/pv-protection"

	byClaim = "keelson/claim"
)

// Controller protects PersistentVolumes and PersistentVolumeClaims.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "storageprotection" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	claims := s.Informers.Core().V1().PersistentVolumeClaims()
	volumes := s.Informers.Core().V1().PersistentVolumes()
	pods := s.Informers.Core().V1().Pods()
	if _, have := pods.Informer().GetIndexer().GetIndexers()[byClaim]; !have {
		if err := pods.Informer().AddIndexers(cache.Indexers{byClaim: claimKeys}); err != nil {
			return nil, fmt.Errorf("indexing pods: %w", err)
		}
	}
	r := &reconciler{
		client:  s.Client,
		claims:  claims.Lister(),
		volumes: volumes.Lister(),
		pods:    pods.Informer().GetIndexer(),
	}
	// A key without a namespace is a volume's.
	loop := reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := errors.Join(
		reconcile.Handle(s, claims.Informer(), func(_, cur *corev1.PersistentVolumeClaim) {
			if cur != nil {
				loop.Add(reconcile.KeyOf(cur))
			}
		}),
		reconcile.Handle(s, volumes.Informer(), func(_, cur *corev1.PersistentVolume) {
			if cur != nil {
				loop.Add(reconcile.KeyOf(cur))
			}
		}),
		reconcile.Handle(s, pods.Informer(), func(old, cur *corev1.Pod) {
			if cur != nil && !owned.IsFinished(cur) {
				return
			}
			gone := cur
			if gone == nil {
				gone = old
			}
			for _, name := range claimsOf(gone) {
				loop.Add(reconcile.Key{Namespace: gone.Namespace, Name: name})
			}
		}),
	)
	return loop, err
}

type reconciler struct {
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	pods    cache.Indexer
}

// claimsOf are the names of the claims that the pod uses.
func claimsOf(pod *corev1.Pod) []string {
	var names []string
	for _, v := range pod.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			names = append(names, pod.Name+"-"+v.Name)
		}
	}
	return names
}

func claimKeys(obj any) ([]string, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok {
		return nil, nil
	}
	names := claimsOf(pod)
	for i := range names {
		names[i] = pod.Namespace + "/" + names[i]
	}
	return names, nil
}

func (r *reconciler) reconcile(ctx context.Context, key reconcile.Key) error {
	if key.Namespace == "" {
		return r.volume(ctx, key.Name)
	}
	return r.claim(ctx, key)
}

func (r *reconciler) claim(ctx context.Context, key reconcile.Key) error {
	claim, err := r.claims.PersistentVolumeClaims(key.Namespace).Get(key.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	finalizers, changed := adjust(claim, claimFinalizer)
	if !changed {
		return nil
	}
	if claim.DeletionTimestamp != nil {
		used, err := r.inUse(ctx, key)
		if err != nil || used {
			return err
		}
	}
	next := claim.DeepCopy()
	next.Finalizers = finalizers
	_, err = r.client.CoreV1().PersistentVolumeClaims(key.Namespace).Update(ctx, next, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// inUse asks the cache first and, if that knows of no pod, the server: losing a volume
// under a pod cannot be undone.
func (r *reconciler) inUse(ctx context.Context, key reconcile.Key) (bool, error) {
	cached, err := r.pods.ByIndex(byClaim, key.String())
	if err != nil {
		return true, err
	}
	for _, o := range cached {
		if pod, ok := o.(*corev1.Pod); ok && uses(pod, key.Name) {
			return true, nil
		}
	}
	live, err := r.client.CoreV1().Pods(key.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return true, fmt.Errorf("looking for users of claim %s: %w", key, err)
	}
	return slices.ContainsFunc(live.Items, func(pod corev1.Pod) bool { return uses(&pod, key.Name) }), nil
}

// uses: a pod that was never placed holds nothing once it is being deleted.
func uses(pod *corev1.Pod, claim string) bool {
	return !owned.IsFinished(pod) && (pod.Spec.NodeName != "" || pod.DeletionTimestamp == nil) && slices.Contains(claimsOf(pod), claim)
}

func (r *reconciler) volume(ctx context.Context, name string) error {
	volume, err := r.volumes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	finalizers, changed := adjust(volume, volumeFinalizer)
	if !changed || volume.DeletionTimestamp != nil && volume.Status.Phase == corev1.VolumeBound {
		return nil
	}
	next := volume.DeepCopy()
	next.Finalizers = finalizers
	_, err = r.client.CoreV1().PersistentVolumes().Update(ctx, next, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// adjust adds the finalizer to what lives and takes it off what is being deleted. It
// reports whether there is anything to do.
func adjust(o metav1.Object, finalizer string) ([]string, bool) {
	have := slices.Contains(o.GetFinalizers(), finalizer)
	switch deleted := o.GetDeletionTimestamp() != nil; {
	case deleted && have:
		return slices.DeleteFunc(slices.Clone(o.GetFinalizers()), func(f string) bool { return f == finalizer }), true
	case !deleted && !have:
		return append(slices.Clone(o.GetFinalizers()), finalizer), true
	}
	return nil, false
}
