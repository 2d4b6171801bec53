package controller_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/controller"
)

// used is the status of a quota as text.
func (w *world) used(name string) string {
	w.Helper()
	q, err := w.client.CoreV1().ResourceQuotas("default").Get(w.Context(), name, metav1.GetOptions{})
	w.check(err)
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(q.Status.Used)) {
		is, hard := q.Status.Used[n], q.Status.Hard[n]
		parts = append(parts, fmt.Sprintf("%s %s/%s", n, is.String(), hard.String()))
	}
	return strings.Join(parts, ", ")
}

func (w *world) quota(name string, scopes []corev1.ResourceQuotaScope, hard map[corev1.ResourceName]string) {
	w.Helper()
	q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{}, Scopes: scopes}}
	for n, amount := range hard {
		q.Spec.Hard[n] = resource.MustParse(amount)
	}
	_, err := w.client.CoreV1().ResourceQuotas("default").Create(w.Context(), q, metav1.CreateOptions{})
	w.check(err)
	w.settle()
}

func TestQuotas(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		ctx := w.Context()
		core := w.client.CoreV1()
		pod := func(name string) error {
			_, err := core.Pods("default").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "c", Image: "i", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("500m")}},
			}}}}, metav1.CreateOptions{})
			return err
		}
		secret := func(name string) error {
			_, err := core.Secrets("default").Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			return err
		}
		want := func(name, status string) {
			t.Helper()
			if got := w.used(name); got != status {
				t.Errorf("quota %s: %s, want %s", name, got, status)
			}
		}
		w.check(pod("before"))
		w.check(secret("before"))
		w.quota("all", nil, map[corev1.ResourceName]string{
			"pods": "2", "requests.cpu": "2", "services.nodeports": "1", "secrets": "2", "count/deployments.apps": "1", "count/ships.example.com": "1",
		})
		want("all", "count/deployments.apps 0/1, pods 1/2, requests.cpu 500m/2, secrets 1/2, services.nodeports 0/1")
		w.check(pod("second"))
		w.check(secret("second"))
		want("all", "count/deployments.apps 0/1, pods 2/2, requests.cpu 1/2, secrets 2/2, services.nodeports 0/1")
		if err := pod("third"); !apierrors.IsForbidden(err) {
			t.Errorf("a third pod: %v", err)
		}
		if err := secret("third"); !apierrors.IsForbidden(err) {
			t.Errorf("a third secret: %v", err)
		}

		// What is gone is given back, and so is what a finished pod asked for.
		w.check(core.Secrets("default").Delete(ctx, "before", metav1.DeleteOptions{}))
		w.check(core.Pods("default").Delete(ctx, "before", metav1.DeleteOptions{}))
		done, err := core.Pods("default").Get(ctx, "second", metav1.GetOptions{})
		w.check(err)
		done.Status.Phase = corev1.PodSucceeded
		_, err = core.Pods("default").UpdateStatus(ctx, done, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		want("all", "count/deployments.apps 0/1, pods 0/2, requests.cpu 0/2, secrets 1/2, services.nodeports 0/1")
		w.check(pod("third"))

		// A service gives its node port back when it changes its type.
		_, err = core.Services("default").Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "s"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Port: 80}}},
		}, metav1.CreateOptions{})
		w.check(err)
		want("all", "count/deployments.apps 0/1, pods 1/2, requests.cpu 500m/2, secrets 1/2, services.nodeports 1/1")
		_, err = core.Services("default").Patch(ctx, "s", "application/merge-patch+json", []byte(`{"spec":{"type":"ClusterIP"}}`), metav1.PatchOptions{})
		w.check(err)
		w.settle()
		want("all", "count/deployments.apps 0/1, pods 1/2, requests.cpu 500m/2, secrets 1/2, services.nodeports 0/1")

		// Another limit, and another scope.
		_, err = core.ResourceQuotas("default").Patch(ctx, "all", "application/merge-patch+json", []byte(`{"spec":{"hard":{"pods":"9","secrets":null,"count/ships.example.com":null}}}`), metav1.PatchOptions{})
		w.check(err)
		w.quota("best-effort", []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}, map[corev1.ResourceName]string{"pods": "5"})
		want("all", "count/deployments.apps 0/1, pods 1/9, requests.cpu 500m/2, services.nodeports 0/1")
		want("best-effort", "pods 0/5")
	})
}

// What admission reserved for a write that did not happen comes back.
func TestQuotaInVain(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.quota("q", nil, map[corev1.ResourceName]string{"count/deployments.apps": "1"})
		q, err := w.client.CoreV1().ResourceQuotas("default").Get(w.Context(), "q", metav1.GetOptions{})
		w.check(err)
		q.Status.Used["count/deployments.apps"] = resource.MustParse("1")
		_, err = w.client.CoreV1().ResourceQuotas("default").UpdateStatus(w.Context(), q, metav1.UpdateOptions{})
		w.check(err)
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d"}, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
			},
		}}
		if _, err := w.client.AppsV1().Deployments("default").Create(w.Context(), d, metav1.CreateOptions{}); !apierrors.IsForbidden(err) {
			t.Errorf("while it is reserved: %v", err)
		}
		w.pass(again)
		if got := w.used("q"); got != "count/deployments.apps 0/1" {
			t.Errorf("after a while: %s", got)
		}
		_, err = w.client.AppsV1().Deployments("default").Create(w.Context(), d, metav1.CreateOptions{})
		w.check(err)
	})
}

// again is how long the controller takes at most to find what was reserved in vain.
const again = 5*time.Minute + 20*time.Second
