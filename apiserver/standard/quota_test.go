package standard_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/standard"
)

// Whoever creates at the same time gets together what the quota has, no more
// and no less.
func TestQuotaUnderConcurrentCreates(t *testing.T) {
	const writers, each, room = 8, 10, 50
	bubble(t, standard.Admission{Without: []string{"ServiceAccount"}}, func(t *testing.T, client kubernetes.Interface) {
		ctx := t.Context()
		quotas := client.CoreV1().ResourceQuotas("default")
		hard := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(room, resource.DecimalSI)}
		q, err := quotas.Create(ctx, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// As its controller would.
		q.Status = corev1.ResourceQuotaStatus{Hard: hard, Used: corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(0, resource.DecimalSI)}}
		if _, err := quotas.UpdateStatus(ctx, q, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var allowed atomic.Int32
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					_, err := client.CoreV1().Pods("default").Create(ctx, simplePod(fmt.Sprintf("p-%d-%d", w, i)), metav1.CreateOptions{})
					switch {
					case err == nil:
						allowed.Add(1)
					case !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "exceeded quota: q, requested: pods=1, used: pods=50, limited: pods=50"):
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		pods, err := client.CoreV1().Pods("default").List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if q, err = quotas.Get(ctx, "q", metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		if used := q.Status.Used.Pods().Value(); allowed.Load() != room || len(pods.Items) != room || used != room {
			t.Errorf("%d were allowed, %d are there, %d are counted: there is room for %d", allowed.Load(), len(pods.Items), used, room)
		}
		if !slices.ContainsFunc(q.ManagedFields, func(m metav1.ManagedFieldsEntry) bool {
			return m.Manager == "kube-apiserver" && m.Subresource == "status"
		}) {
			t.Errorf("the server does not manage the usage: %v", q.ManagedFields)
		}
	})
}
