// Package serviceaccount sees to it that every namespace has its default
// ServiceAccount.
package serviceaccount

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller creates ServiceAccounts in every namespace and makes them again when
// they are deleted.
type Controller struct {
	// Accounts are the names to keep in every namespace. Nil means "default".
	Accounts []string
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "serviceaccount" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if c.Accounts == nil {
		c.Accounts = []string{"default"}
	}
	namespaces := s.Informers.Core().V1().Namespaces()
	accounts := s.Informers.Core().V1().ServiceAccounts()
	r := &reconciler{
		client:     s.Client,
		names:      c.Accounts,
		namespaces: namespaces.Lister(),
		accounts:   accounts.Lister(),
	}
	loop := reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := errors.Join(
		reconcile.Handle(s, namespaces.Informer(), func(_, cur *corev1.Namespace) {
			if cur != nil {
				loop.Add(cur.Name)
			}
		}),
		reconcile.Handle(s, accounts.Informer(), func(old, cur *corev1.ServiceAccount) {
			if cur == nil {
				loop.Add(old.Namespace)
			}
		}),
	)
	return loop, err
}

type reconciler struct {
	client     kubernetes.Interface
	names      []string
	namespaces corelisters.NamespaceLister
	accounts   corelisters.ServiceAccountLister
}

func (r *reconciler) reconcile(ctx context.Context, namespace string) error {
	ns, err := r.namespaces.Get(namespace)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if ns.Status.Phase != corev1.NamespaceActive || ns.DeletionTimestamp != nil {
		return nil
	}
	var errs []error
	for _, name := range r.names {
		if _, err := r.accounts.ServiceAccounts(namespace).Get(name); err == nil {
			continue
		}
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		_, err := r.client.CoreV1().ServiceAccounts(namespace).Create(ctx, account, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
