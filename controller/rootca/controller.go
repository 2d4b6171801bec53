// Package rootca publishes the API server's CA certificate in every namespace, in the
// ConfigMap that is mounted into pods beside their token.
package rootca

import (
	"context"
	"errors"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/keelson-project/keelson/controller/reconcile"
)

const (
	configMapName = "kube-root-ca.crt"
	dataKey       = "ca.crt"

	descriptionAnnotation = "kubernetes.io/description"
	description           = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. " +
		"No other usage is guaranteed across distributions of Kubernetes clusters."
)

// Controller keeps the ConfigMap kube-root-ca.crt in every namespace.
type Controller struct {
	// CA is the PEM bundle to publish. Required.
	CA []byte
}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "rootca" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	if len(c.CA) == 0 {
		return nil, errors.New("rootca: no certificate to publish: set Controller.CA")
	}
	namespaces := s.Informers.Core().V1().Namespaces()
	maps := s.Informers.Core().V1().ConfigMaps()
	r := &reconciler{client: s.Client, ca: string(c.CA), namespaces: namespaces.Lister(), maps: maps.Lister()}
	loop := reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := errors.Join(
		reconcile.Handle(s, namespaces.Informer(), func(_, cur *corev1.Namespace) {
			if cur != nil {
				loop.Add(cur.Name)
			}
		}),
		reconcile.Handle(s, maps.Informer(), func(old, cur *corev1.ConfigMap) {
			switch {
			case old == nil:
			case old.Name == configMapName:
				loop.Add(old.Namespace)
			}
		}),
	)
	return loop, err
}

type reconciler struct {
	client     kubernetes.Interface
	ca         string
	namespaces corelisters.NamespaceLister
	maps       corelisters.ConfigMapLister
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
	want := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name:        configMapName,
			Namespace:   namespace,
			Annotations: map[string]string{descriptionAnnotation: description},
		},
		Data: map[string]string{dataKey: r.ca},
	}
	have, err := r.maps.ConfigMaps(namespace).Get(configMapName)
	switch {
	case apierrors.IsNotFound(err):
		_, err = r.client.CoreV1().ConfigMaps(namespace).Create(ctx, want, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil
		}
	case err == nil:
		if maps.Equal(have.Data, want.Data) && have.Annotations[descriptionAnnotation] != "" {
			return nil
		}
		next := have.DeepCopy()
		next.Data, next.BinaryData = want.Data, nil
		if next.Annotations == nil {
			next.Annotations = make(map[string]string)
		}
		next.Annotations[descriptionAnnotation] = description
		_, err = r.client.CoreV1().ConfigMaps(namespace).Update(ctx, next, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("publishing the root CA in namespace %s: %w", namespace, err)
	}
	return nil
}
