package controller_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller"
)

func TestClusterRolesAggregate(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		roles := w.client.RbacV1().ClusterRoles()
		rule := func(resource string) []rbacv1.PolicyRule {
			return []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{resource}, Verbs: []string{"get"}}}
		}
		for _, role := range []*rbacv1.ClusterRole{
			{ObjectMeta: metav1.ObjectMeta{Name: "whole"}, AggregationRule: &rbacv1.AggregationRule{
				ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"part": "yes"}}},
			}},
			{ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: map[string]string{"part": "yes"}}, Rules: rule("pods")},
			{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"part": "yes"}}, Rules: rule("secrets")},
			{ObjectMeta: metav1.ObjectMeta{Name: "c", Labels: map[string]string{"part": "yes"}}, Rules: rule("pods")},
			{ObjectMeta: metav1.ObjectMeta{Name: "d"}, Rules: rule("nodes")},
		} {
			_, err := roles.Create(w.Context(), role, metav1.CreateOptions{})
			w.check(err)
		}
		w.settle()
		got, err := roles.Get(w.Context(), "whole", metav1.GetOptions{})
		w.check(err)
		if len(got.Rules) != 2 || got.Rules[0].Resources[0] != "secrets" || got.Rules[1].Resources[0] != "pods" {
			t.Errorf("rules %v", got.Rules)
		}
	})
}

func TestFinishedJobGoes(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.job(newJob(func(s *batchv1.JobSpec) { s.TTLSecondsAfterFinished = ptr.To(int32(60)) }))
		w.end(corev1.PodSucceeded)
		w.pass(50 * time.Second)
		w.getJob()
		w.pass(20 * time.Second)
		if _, err := w.client.BatchV1().Jobs("default").Get(w.Context(), "work", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("job: %v", err)
		}
		if n := len(w.pods()); n != 0 {
			t.Errorf("%d pods are left", n)
		}
	})
}

func newStatefulSet(replicas int32) *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: "db"},
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: "db",
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}},
			Template: template("db", "one"),
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
				},
			}},
		},
	}
}

func TestStatefulSet(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		sets := w.client.AppsV1().StatefulSets("default")
		claims := w.client.CoreV1().PersistentVolumeClaims("default")
		get := func() *appsv1.StatefulSet {
			set, err := sets.Get(w.Context(), "db", metav1.GetOptions{})
			w.check(err)
			return set
		}
		_, err := sets.Create(w.Context(), newStatefulSet(3), metav1.CreateOptions{})
		w.check(err)
		w.settle()
		if s := get().Status; s.AvailableReplicas != 3 || s.CurrentRevision != s.UpdateRevision {
			t.Errorf("status %+v", s)
		}
		for _, pod := range w.pods() {
			if pod.Spec.Hostname != pod.Name || pod.Spec.Subdomain != "db" || pod.Labels[appsv1.StatefulSetPodNameLabel] != pod.Name {
				t.Errorf("pod %s: %+v", pod.Name, pod.ObjectMeta)
			}
			_, err := claims.Get(w.Context(), "data-"+pod.Name, metav1.GetOptions{})
			w.check(err)
		}

		set := get()
		set.Spec.Template.Spec.Containers[0].Image = "broken"
		set.Spec.UpdateStrategy.RollingUpdate.Partition = ptr.To(int32(1))
		_, err = sets.Update(w.Context(), set, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		images := map[string]string{}
		for _, pod := range w.pods() {
			images[pod.Name] = pod.Spec.Containers[0].Image
		}
		if images["db-2"] != "broken" || images["db-1"] != "one" || images["db-0"] != "one" {
			t.Errorf("images %v: the highest first, and no further while it is broken", images)
		}

		set = get()
		set.Spec.Replicas = ptr.To(int32(1))
		_, err = sets.Update(w.Context(), set, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		if pods := w.pods(); len(pods) != 1 || pods[0].Name != "db-0" {
			t.Errorf("%d pods, the first %s", len(pods), pods[0].Name)
		}
		list, err := claims.List(w.Context(), metav1.ListOptions{})
		w.check(err)
		if len(list.Items) != 3 {
			t.Errorf("%d claims, want all kept", len(list.Items))
		}

		// A claim in use outlives its deletion, one that is not goes.
		for _, name := range []string{"data-db-0", "data-db-2"} {
			w.check(claims.Delete(w.Context(), name, metav1.DeleteOptions{}))
		}
		w.settle()
		if held, err := claims.Get(w.Context(), "data-db-0", metav1.GetOptions{}); err != nil || held.DeletionTimestamp == nil {
			t.Errorf("claim in use: %v", err)
		}
		if _, err := claims.Get(w.Context(), "data-db-2", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("claim not in use: %v", err)
		}
	})
}

func TestDaemonSet(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		sets := w.client.AppsV1().DaemonSets("default")
		_, err := sets.Create(w.Context(), &appsv1.DaemonSet{
			ObjectMeta: metav1.ObjectMeta{Name: "agent"},
			Spec: appsv1.DaemonSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "agent"}},
				Template: template("agent", "one"),
			},
		}, metav1.CreateOptions{})
		w.check(err)
		w.settle()
		get := func() *appsv1.DaemonSet {
			set, err := sets.Get(w.Context(), "agent", metav1.GetOptions{})
			w.check(err)
			return set
		}
		if s := get().Status; s.DesiredNumberScheduled != 1 || s.NumberAvailable != 1 || s.UpdatedNumberScheduled != 1 {
			t.Errorf("status %+v", s)
		}
		first := w.pods()[0]
		set := get()
		set.Spec.Template.Spec.Containers[0].Image = "two"
		_, err = sets.Update(w.Context(), set, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		pods := w.pods()
		if len(pods) != 1 || pods[0].UID == first.UID || pods[0].Spec.Containers[0].Image != "two" {
			t.Errorf("%d pods after an update, the first runs %s", len(pods), pods[0].Spec.Containers[0].Image)
		}
		revisions, err := w.client.AppsV1().ControllerRevisions("default").List(w.Context(), metav1.ListOptions{})
		w.check(err)
		if len(revisions.Items) != 2 {
			t.Errorf("%d revisions", len(revisions.Items))
		}

		set = get()
		set.Spec.Template.Spec.NodeSelector = map[string]string{"kind": "special"}
		_, err = sets.Update(w.Context(), set, metav1.UpdateOptions{})
		w.check(err)
		w.settle()
		if n := len(w.pods()); n != 0 || get().Status.DesiredNumberScheduled != 0 {
			t.Errorf("%d pods on nodes that do not fit", n)
		}
	})
}

func TestCronJob(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		_, err := w.client.BatchV1().CronJobs("default").Create(w.Context(), &batchv1.CronJob{
			ObjectMeta: metav1.ObjectMeta{Name: "tick"},
			Spec: batchv1.CronJobSpec{
				Schedule: "*/5 * * * *", ConcurrencyPolicy: batchv1.ForbidConcurrent, SuccessfulJobsHistoryLimit: ptr.To(int32(1)),
				JobTemplate: batchv1.JobTemplateSpec{Spec: newJob(func(*batchv1.JobSpec) {}).Spec},
			},
		}, metav1.CreateOptions{})
		w.check(err)
		jobs := func() []batchv1.Job {
			list, err := w.client.BatchV1().Jobs("default").List(w.Context(), metav1.ListOptions{})
			w.check(err)
			return list.Items
		}
		w.pass(4 * time.Minute)
		if n := len(jobs()); n != 0 {
			t.Errorf("%d jobs before the first time", n)
		}
		w.pass(2 * time.Minute)
		first := jobs()
		if len(first) != 1 {
			t.Fatalf("%d jobs after the first time", len(first))
		}
		w.pass(5 * time.Minute)
		if n := len(jobs()); n != 1 {
			t.Errorf("%d jobs: one at a time", n)
		}
		w.end(corev1.PodSucceeded)
		if n := len(jobs()); n != 2 {
			t.Errorf("%d jobs: the missed one starts when the running one ends", n)
		}
		w.end(corev1.PodSucceeded)
		if got := jobs(); len(got) != 1 || got[0].Name == first[0].Name {
			t.Errorf("%d jobs, the first %s: one finished job is kept", len(got), got[0].Name)
		}
		cron, err := w.client.BatchV1().CronJobs("default").Get(w.Context(), "tick", metav1.GetOptions{})
		w.check(err)
		if len(cron.Status.Active) != 0 || cron.Status.LastScheduleTime == nil || cron.Status.LastSuccessfulTime == nil {
			t.Errorf("status %+v", cron.Status)
		}
	})
}
