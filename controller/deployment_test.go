package controller_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller"
)

func conditionOf(d *appsv1.Deployment, of appsv1.DeploymentConditionType) (status corev1.ConditionStatus, reason string) {
	for _, c := range d.Status.Conditions {
		if c.Type == of {
			return c.Status, c.Reason
		}
	}
	return "", ""
}

func TestDeploymentRollsOutAndBack(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.create(newDeployment("web", 4))
		d := w.deployment("web")
		if d.Status.AvailableReplicas != 4 || d.Annotations["deployment.kubernetes.io/revision"] != "1" {
			w.Errorf("after create: status %+v, annotations %v", d.Status, d.Annotations)
		}
		if status, reason := conditionOf(d, appsv1.DeploymentProgressing); status != corev1.ConditionTrue || reason != "NewReplicaSetAvailable" {
			w.Errorf("Progressing is %s, %s", status, reason)
		}
		first := w.sets()[0]
		if hash := first.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; hash == "" || first.Name != "web-"+hash {
			w.Errorf("replica set %s has hash label %q", first.Name, hash)
		}

		w.update("web", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "two" })
		d = w.deployment("web")
		if d.Status.UpdatedReplicas != 4 || d.Status.Replicas != 4 || d.Annotations["deployment.kubernetes.io/revision"] != "2" {
			w.Errorf("after update: status %+v, annotations %v", d.Status, d.Annotations)
		}
		for _, pod := range w.pods() {
			if image := pod.Spec.Containers[0].Image; image != "two" {
				w.Errorf("pod %s runs %s", pod.Name, image)
			}
		}

		w.update("web", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "one" })
		for _, set := range w.sets() {
			if set.Name != first.Name {
				continue
			}
			if set.Status.Replicas != 4 || set.Annotations["deployment.kubernetes.io/revision"] != "3" || set.Annotations["deployment.kubernetes.io/revision-history"] != "1" {
				w.Errorf("rolled back to %s: status %+v, annotations %v", set.Name, set.Status, set.Annotations)
			}
		}
		if n := len(w.sets()); n != 2 {
			w.Errorf("%d replica sets, want the first one used again: 2", n)
		}
	})
}

func TestDeploymentStaysAvailableWhileBroken(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		d := newDeployment("web", 10)
		d.Spec.ProgressDeadlineSeconds = ptr.To(int32(60))
		w.create(d)
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "broken" })
		got := w.deployment("web")
		// 25 % of 10: at most 3 more, at most 2 fewer.
		if got.Status.AvailableReplicas != 8 || got.Status.Replicas != 13 {
			w.Errorf("status %+v, want 8 of 13 available", got.Status)
		}
		w.pass(62 * time.Second)
		got = w.deployment("web")
		if status, reason := conditionOf(got, appsv1.DeploymentProgressing); status != corev1.ConditionFalse || reason != "ProgressDeadlineExceeded" {
			w.Errorf("Progressing is %s, %s after the deadline", status, reason)
		}
		// Scaled in the middle of a rollout, both sets grow in proportion.
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To(int32(20)) })
		var sizes []int32
		for _, set := range w.sets() {
			sizes = append(sizes, *set.Spec.Replicas)
		}
		if len(sizes) != 2 || sizes[0]+sizes[1] != 25 || min(sizes[0], sizes[1]) != 10 {
			w.Errorf("replica sets have sizes %v, want 15 and 10", sizes)
		}
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "one" })
		if got = w.deployment("web"); got.Status.AvailableReplicas != 20 || got.Status.Replicas != 20 {
			w.Errorf("after undo: status %+v", got.Status)
		}
	})
}

func TestDeploymentRecreates(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		d := newDeployment("web", 2)
		d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType
		w.create(d)
		w.rest(true) // deleted pods stay
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "two" })
		for _, pod := range w.pods() {
			if pod.Spec.Containers[0].Image == "two" {
				w.Errorf("pod %s was made before the old ones ended", pod.Name)
			}
		}
		w.rest(false)
		for _, pod := range w.pods() {
			w.check(w.client.CoreV1().Pods("default").Delete(w.Context(), pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))}))
		}
		w.settle()
		if got := w.deployment("web"); got.Status.UpdatedReplicas != 2 || got.Status.AvailableReplicas != 2 {
			w.Errorf("status %+v", got.Status)
		}
	})
}

func TestDeploymentPausedAndPruned(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		d := newDeployment("web", 1)
		d.Spec.RevisionHistoryLimit = ptr.To(int32(1))
		w.create(d)
		w.update("web", func(d *appsv1.Deployment) {
			d.Spec.Paused = true
			d.Spec.Template.Spec.Containers[0].Image = "two"
		})
		if n := len(w.sets()); n != 1 {
			w.Errorf("%d replica sets while paused", n)
		}
		if _, reason := conditionOf(w.deployment("web"), appsv1.DeploymentProgressing); reason != "DeploymentPaused" {
			w.Errorf("Progressing has reason %s while paused", reason)
		}
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To(int32(3)) })
		if n := len(w.pods()); n != 3 {
			w.Errorf("%d pods: a paused deployment scales", n)
		}
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Paused = false })
		for _, image := range []string{"three", "four"} {
			w.update("web", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image })
		}
		if n := len(w.sets()); n != 2 {
			w.Errorf("%d replica sets, want the current one and one old one", n)
		}
	})
}

func TestDeploymentEvents(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.create(newDeployment("web", 2))
		events, err := w.client.CoreV1().Events("default").List(w.Context(), metav1.ListOptions{})
		w.check(err)
		seen := make(map[string]int)
		for _, e := range events.Items {
			seen[e.Source.Component+" "+e.Reason+" "+e.InvolvedObject.Kind]++
			if e.Reason == "ScalingReplicaSet" && !strings.HasPrefix(e.Message, "Scaled up replica set web-") {
				w.Errorf("message %q", e.Message)
			}
		}
		if seen["replicaset-controller SuccessfulCreate ReplicaSet"] != 2 || seen["deployment-controller ScalingReplicaSet Deployment"] != 1 {
			w.Errorf("events %v", seen)
		}
	})
}

func TestReplicaSetAdoptsAndReleases(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		orphan := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "stray", Labels: map[string]string{"app": "web"}}, Spec: template("web", "one").Spec}
		_, err := w.client.CoreV1().Pods("default").Create(w.Context(), orphan, metav1.CreateOptions{})
		w.check(err)
		_, err = w.client.AppsV1().ReplicaSets("default").Create(w.Context(), &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Name: "web"},
			Spec: appsv1.ReplicaSetSpec{
				Replicas: ptr.To(int32(2)),
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
				Template: template("web", "one"),
			},
		}, metav1.CreateOptions{})
		w.check(err)
		w.settle()
		if n := len(w.pods()); n != 2 {
			w.Errorf("%d pods, want the stray one adopted and one more", n)
		}
		stray, err := w.client.CoreV1().Pods("default").Get(w.Context(), "stray", metav1.GetOptions{})
		w.check(err)
		if ref := metav1.GetControllerOf(stray); ref == nil || ref.Name != "web" {
			w.Errorf("the stray pod's owners are %v", stray.OwnerReferences)
		}
		stray.Labels = map[string]string{"app": "other"}
		_, err = w.client.CoreV1().Pods("default").Update(w.Context(), stray, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		stray, err = w.client.CoreV1().Pods("default").Get(w.Context(), "stray", metav1.GetOptions{})
		w.check(err)
		if len(stray.OwnerReferences) != 0 {
			w.Errorf("released pod has owners %v", stray.OwnerReferences)
		}
		if n := len(w.pods()); n != 3 {
			w.Errorf("%d pods, want the released one replaced", n)
		}
	})
}
