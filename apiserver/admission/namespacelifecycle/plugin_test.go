package namespacelifecycle_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/namespacelifecycle"
)

func TestLifecycle(t *testing.T) {
	step := namespacelifecycle.Plugin{Namespace: func(_ context.Context, name string) (*corev1.Namespace, error) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		switch name {
		case "here":
		case "going":
			namespace.Status.Phase = corev1.NamespaceTerminating
		default:
			return nil, apierrors.NewNotFound(corev1.Resource("namespaces"), name)
		}
		return namespace, nil
	}}
	config := func(namespace string) string {
		return `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","namespace":"` + namespace + `"}}`
	}
	namespace := func(name string) string {
		return `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"` + name + `"}}`
	}
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "there", Object: config("here")},
		{Name: "not there", Object: config("x"), Refused: `namespaces "x" not found`},
		{Name: "going", Object: config("going"), Refused: `configmaps "c" is forbidden: unable to create new content in namespace going because it is being terminated`},
		{Name: "update where it goes", Object: config("going"), Old: config("going")},
		{Name: "update where none is", Object: config("x"), Old: config("x")},
		{Name: "delete where none is", Old: config("x")},
		{Name: "no namespace", Object: `{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}}`},
		{Name: "a new namespace", Object: namespace("x")},
		{Name: "the end of one", Old: namespace("here")},
		{Name: "default stays", Old: namespace("default"), Refused: `namespaces "default" is forbidden: this namespace may not be deleted`},
		{Name: "kube-system stays", Old: namespace("kube-system"), Refused: "may not be deleted"},
		{Name: "kube-public stays", Old: namespace("kube-public"), Refused: "may not be deleted"},
		{Name: "kube-node-lease may go", Old: namespace("kube-node-lease")},
		{Name: "a question", Object: `{"apiVersion":"authorization.k8s.io/v1","kind":"LocalSubjectAccessReview","metadata":{"namespace":"x"}}`},
	})
	a := (&admissiontest.Case{Object: config("going")}).Attributes(t)
	if err := step.Admit(t.Context(), a); !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.Errorf("%v names no cause", err)
	}
}
