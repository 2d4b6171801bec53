package controller_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/keelson-project/keelson/controller"
)

func (w *world) budget(name string) *policyv1.PodDisruptionBudget {
	w.Helper()
	b, err := w.client.PolicyV1().PodDisruptionBudgets("default").Get(w.Context(), name, metav1.GetOptions{})
	w.check(err)
	return b
}

func TestDisruptionBudgets(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		ctx := w.Context()
		budgets := w.client.PolicyV1().PodDisruptionBudgets("default")
		w.node("n1", nil)
		w.create(newDeployment("web", 4))
		w.settle()
		labels := w.deployment("web").Spec.Selector
		two, most, quarter := intstr.FromInt32(2), intstr.FromInt32(1), intstr.FromString("75%")
		for name, spec := range map[string]policyv1.PodDisruptionBudgetSpec{
			"least": {MinAvailable: &two, Selector: labels}, "most": {MaxUnavailable: &most, Selector: labels},
			"share": {MinAvailable: &quarter, Selector: labels}, "nothing": {MaxUnavailable: &most, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"no": "pod"}}},
		} {
			_, err := budgets.Create(ctx, &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
			w.check(err)
		}
		w.settle()
		want := func(name string, expected, desired, healthy, allowed int32) {
			t.Helper()
			b := w.budget(name)
			s := b.Status
			if s.ExpectedPods != expected || s.DesiredHealthy != desired || s.CurrentHealthy != healthy || s.DisruptionsAllowed != allowed || s.ObservedGeneration != b.Generation {
				t.Errorf("%s: %+v", name, s)
			}
			if c := meta.FindStatusCondition(s.Conditions, policyv1.DisruptionAllowedCondition); c == nil || (c.Status == metav1.ConditionTrue) != (allowed > 0) {
				t.Errorf("%s: condition %+v", name, c)
			}
		}
		want("least", 4, 2, 4, 2)
		want("most", 4, 3, 4, 1)
		want("share", 4, 3, 4, 1)
		want("nothing", 0, 0, 0, 0)

		for _, name := range []string{"least", "share"} {
			w.check(budgets.Delete(ctx, name, metav1.DeleteOptions{}))
		}

		// What was allowed and did not happen is forgotten in the end.
		b := w.budget("most")
		b.Status.DisruptedPods = map[string]metav1.Time{w.pods()[0].Name: metav1.Now()}
		_, err := budgets.UpdateStatus(ctx, b, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		want("most", 4, 3, 3, 0)
		w.pass(2 * time.Minute)
		want("most", 4, 3, 4, 1)

		// One eviction is allowed, and counts until another pod is ready.
		w.rest(true)
		evict := func(pod string) error {
			return w.client.PolicyV1().Evictions("default").Evict(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: "default"}})
		}
		pods := w.pods()
		w.check(evict(pods[0].Name))
		if err := evict(pods[1].Name); !apierrors.IsTooManyRequests(err) {
			t.Errorf("a second eviction: %v", err)
		}
		w.settle()
		want("most", 4, 3, 3, 0)
	})
}

// A budget of pods whose controller has no scale allows nothing.
func TestDisruptionBudgetUnknown(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		ctx := w.Context()
		owner, err := w.client.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
		w.check(err)
		labels := map[string]string{"app": "odd"}
		_, err = w.client.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: "odd", Labels: labels, OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID, Controller: new(true),
			}}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		}, metav1.CreateOptions{})
		w.check(err)
		one := intstr.FromInt32(1)
		_, err = w.client.PolicyV1().PodDisruptionBudgets("default").Create(ctx, &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Name: "odd"}, Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}},
		}, metav1.CreateOptions{})
		w.check(err)
		w.settle()
		s := w.budget("odd").Status
		c := meta.FindStatusCondition(s.Conditions, policyv1.DisruptionAllowedCondition)
		if s.DisruptionsAllowed != 0 || c == nil || c.Reason != policyv1.SyncFailedReason || c.Message != "/v1, Kind=ConfigMap does not implement the scale subresource" {
			t.Errorf("status %+v", s)
		}
	})
}
