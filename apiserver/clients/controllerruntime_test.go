package clients

import (
	"context"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// labeller makes a configuration map for every deployment, as a small operator
// would.
type labeller struct{ client.Client }

// Reconcile implements reconcile.Reconciler.
func (l *labeller) Reconcile(ctx context.Context, r reconcile.Request) (reconcile.Result, error) {
	var d appsv1.Deployment
	if err := l.Get(ctx, r.NamespacedName, &d); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Name}}
	if _, err := controllerutil.CreateOrUpdate(ctx, l.Client, made, func() error {
		made.Data = map[string]string{"image": d.Spec.Template.Spec.Containers[0].Image}
		return controllerutil.SetControllerReference(&d, made, l.Scheme())
	}); err != nil {
		return reconcile.Result{}, err
	}
	was := d.DeepCopy()
	d.Status.ObservedGeneration = d.Generation
	return reconcile.Result{}, l.Status().Patch(ctx, &d, client.MergeFrom(was))
}

// A manager of controller-runtime, with its cache and client, runs an operator.
func TestControllerRuntime(t *testing.T) {
	ctx, cancel := context.WithCancel(logr.NewContext(t.Context(), logr.Discard()))
	c := config(t, serve(t))
	mgr, err := ctrl.NewManager(c, manager.Options{
		Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"}, LeaderElection: true, LeaderElectionID: "labeller", LeaderElectionNamespace: "default",
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := ctrl.NewControllerManagedBy(mgr).For(&appsv1.Deployment{}).Owns(&corev1.ConfigMap{}).Complete(&labeller{mgr.GetClient()}); err != nil {
		t.Fatal(err)
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &corev1.ConfigMap{}, "data.image", func(o client.Object) []string {
		return []string{o.(*corev1.ConfigMap).Data["image"]}
	}); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	defer running.Wait()
	defer cancel()

	direct, err := client.NewWithWatch(c, client.Options{Scheme: scheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	changes, err := direct.Watch(ctx, &corev1.ConfigMapList{}, client.InNamespace("default"))
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	labels := map[string]string{"app": "web"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "one"}}}},
		},
	}
	if err := direct.Create(ctx, d); err != nil {
		t.Fatal(err)
	}
	awaitImage := func(want string) {
		t.Helper()
		for e := range changes.ResultChan() {
			if m, ok := e.Object.(*corev1.ConfigMap); ok && m.Name == "web" && m.Data["image"] == want {
				return
			}
		}
		t.Fatalf("the watch ended before the image was %s", want)
	}
	awaitImage("one")
	d.Spec.Template.Spec.Containers[0].Image = "two"
	if err := direct.Update(ctx, d); err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	} else if err != nil { // the operator has written the status
		if err := direct.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil {
			t.Fatal(err)
		}
		d.Spec.Template.Spec.Containers[0].Image = "two"
		if err := direct.Patch(ctx, d, client.Merge); err != nil {
			t.Fatal(err)
		}
	}
	awaitImage("two")
	if err := direct.Apply(ctx, clientappsv1.Deployment("web", "default").WithSpec(clientappsv1.DeploymentSpec().WithReplicas(4)), client.FieldOwner("tester"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	if err := direct.Get(ctx, client.ObjectKeyFromObject(d), d); err != nil || *d.Spec.Replicas != 4 {
		t.Errorf("after apply: %d replicas, %v", *d.Spec.Replicas, err)
	}
	var list corev1.ConfigMapList
	if err := mgr.GetClient().List(ctx, &list, client.InNamespace("default"), client.MatchingFields{"data.image": "two"}); err != nil || len(list.Items) != 1 || !metav1.IsControlledBy(&list.Items[0], d) {
		t.Errorf("by the manager's index: %v, %v", list.Items, err)
	}
	var partial metav1.PartialObjectMetadataList
	partial.SetGroupVersionKind(appsv1.SchemeGroupVersion.WithKind("DeploymentList"))
	if err := direct.List(ctx, &partial, client.Limit(1)); err != nil || len(partial.Items) != 1 || partial.Items[0].Name != "web" {
		t.Errorf("metadata: %v, %v", partial.Items, err)
	}
	if err := direct.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace("default"), client.MatchingLabels{"none": "none"}); err != nil {
		t.Error(err)
	}
	if err := direct.Delete(ctx, d, client.Preconditions{UID: &d.UID}); err != nil {
		t.Error(err)
	}
	if err := direct.Get(ctx, client.ObjectKeyFromObject(d), d); !apierrors.IsNotFound(err) {
		t.Errorf("after delete: %v", err)
	}
}
