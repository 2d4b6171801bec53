package serviceaccount_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/serviceaccount"
)

// A pod may be created right after its namespace, before a controller has made
// the default account there.
func TestDefaultAccountComesLater(t *testing.T) {
	for _, c := range []struct {
		name    string
		account string
		appears time.Duration
		allowed bool
		waits   time.Duration
	}{
		{"there", "default", 0, true, 0},
		{"soon there", "default", 250 * time.Millisecond, true, 300 * time.Millisecond},
		{"never there", "default", time.Hour, false, 900 * time.Millisecond},
		{"another is not waited for", "special", 250 * time.Millisecond, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				plugin := serviceaccount.Plugin{Account: func(_ context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
					if time.Since(began) < c.appears {
						return nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), name)
					}
					return &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}, nil
				}}
				err := plugin.Admit(t.Context(), &admission.Attributes{
					Operation: admission.Create, Resource: corev1.SchemeGroupVersion.WithResource("pods"), Namespace: "new", Name: "pod",
					Object: &corev1.Pod{Spec: corev1.PodSpec{ServiceAccountName: c.account, Containers: []corev1.Container{{Name: "main"}}}},
				})
				if c.allowed && err != nil || !c.allowed && !apierrors.IsForbidden(err) {
					t.Errorf("it is told %v, want allowed: %t", err, c.allowed)
				}
				if waited := time.Since(began); waited != c.waits {
					t.Errorf("it waited %v, want %v", waited, c.waits)
				}
			})
		})
	}
}
