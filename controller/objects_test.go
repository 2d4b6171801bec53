package controller_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/controller"
)

func (w *world) slices(service string) []discoveryv1.EndpointSlice {
	w.Helper()
	list, err := w.client.DiscoveryV1().EndpointSlices("default").List(w.Context(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
	w.check(err)
	return list.Items
}

func (w *world) endpoints(service string) []discoveryv1.Endpoint {
	w.Helper()
	var all []discoveryv1.Endpoint
	for _, slice := range w.slices(service) {
		all = append(all, slice.Endpoints...)
	}
	return all
}

func TestServicesGetEndpoints(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", map[string]string{corev1.LabelTopologyZone: "z1"})
		w.service("web")
		if slices := w.slices("web"); len(slices) != 1 || len(slices[0].Endpoints) != 0 {
			t.Errorf("slices of a service without pods: %+v", slices)
		}
		w.create(newDeployment("web", 120))
		slices := w.slices("web")
		if len(slices) != 2 || len(w.endpoints("web")) != 120 {
			t.Errorf("%d endpoints in %d slices, want 120 in 2", len(w.endpoints("web")), len(slices))
		}
		for _, slice := range slices {
			if len(slice.Endpoints) > 100 {
				t.Errorf("slice of %d endpoints", len(slice.Endpoints))
			}
			if len(slice.Ports) != 1 || *slice.Ports[0].Port != 8080 {
				t.Errorf("ports %v", slice.Ports)
			}
		}
		for _, ep := range w.endpoints("web") {
			if !*ep.Conditions.Ready || !*ep.Conditions.Serving || *ep.Conditions.Terminating || *ep.Zone != "z1" || *ep.NodeName != "n1" {
				t.Errorf("endpoint %+v", ep)
			}
		}
		legacy, err := w.client.CoreV1().Endpoints("default").Get(w.Context(), "web", metav1.GetOptions{})
		w.check(err)
		if len(legacy.Subsets) != 1 || len(legacy.Subsets[0].Addresses) != 120 {
			t.Errorf("endpoints object %+v", legacy.Subsets)
		}

		w.rest(true) // pods terminate and do not end
		w.update("web", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32) })
		for _, ep := range w.endpoints("web") {
			if *ep.Conditions.Ready || !*ep.Conditions.Serving || !*ep.Conditions.Terminating {
				t.Errorf("endpoint of a terminating pod: %+v", ep.Conditions)
			}
		}
		w.check(w.client.CoreV1().Services("default").Delete(w.Context(), "web", metav1.DeleteOptions{}))
		w.settle()
		if slices := w.slices("web"); len(slices) != 0 {
			t.Errorf("%d slices of a deleted service", len(slices))
		}
		if _, err := w.client.CoreV1().Endpoints("default").Get(w.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("endpoints of a deleted service: %v", err)
		}
	})
}

func TestDeletionCascades(t *testing.T) {
	for _, policy := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground} {
		t.Run(string(policy), func(t *testing.T) {
			bubble(t, controller.Config{}, func(w *world) {
				w.node("n1", nil)
				w.create(newDeployment("web", 3))
				w.check(w.client.AppsV1().Deployments("default").Delete(w.Context(), "web", metav1.DeleteOptions{PropagationPolicy: &policy}))
				w.settle()
				if _, err := w.client.AppsV1().Deployments("default").Get(w.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
					t.Errorf("deployment: %v", err)
				}
				if sets, pods := len(w.sets()), len(w.pods()); sets != 0 || pods != 0 {
					t.Errorf("%d replica sets and %d pods are left", sets, pods)
				}
			})
		})
	}
}

func TestForegroundDeletionWaits(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.create(newDeployment("web", 1))
		w.rest(true) // pods terminate and do not end
		policy := metav1.DeletePropagationForeground
		w.check(w.client.AppsV1().Deployments("default").Delete(w.Context(), "web", metav1.DeleteOptions{PropagationPolicy: &policy}))
		w.settle()
		d := w.deployment("web")
		if d.DeletionTimestamp == nil || len(w.sets()) != 1 || len(w.pods()) != 1 {
			t.Errorf("deleted at %v, %d sets, %d pods: all should wait for the pod", d.DeletionTimestamp, len(w.sets()), len(w.pods()))
		}
	})
}

func TestDeletionOrphans(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		w.node("n1", nil)
		w.create(newDeployment("web", 2))
		policy := metav1.DeletePropagationOrphan
		w.check(w.client.AppsV1().Deployments("default").Delete(w.Context(), "web", metav1.DeleteOptions{PropagationPolicy: &policy}))
		w.settle()
		sets := w.sets()
		if len(sets) != 1 || len(sets[0].OwnerReferences) != 0 || len(w.pods()) != 2 {
			t.Fatalf("sets %+v and %d pods, want one set without owner and 2", sets, len(w.pods()))
		}
		w.create(newDeployment("web", 2))
		if ref := metav1.GetControllerOf(&w.sets()[0]); ref == nil || ref.Name != "web" || len(w.sets()) != 1 {
			t.Errorf("%d sets, the first owned by %v: want the orphan adopted", len(w.sets()), ref)
		}
	})
}

func TestGarbageWithLivingOwnerStays(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		maps := w.client.CoreV1().ConfigMaps("default")
		owner := func(name string) metav1.OwnerReference {
			cm, err := maps.Create(w.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			w.check(err)
			return metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: name, UID: cm.UID}
		}
		a, b := owner("a"), owner("b")
		ghost := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "ghost", UID: "never-was"}
		for name, owners := range map[string][]metav1.OwnerReference{"both": {a, b}, "half": {a, ghost}, "none": {ghost}} {
			_, err := maps.Create(w.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, OwnerReferences: owners}}, metav1.CreateOptions{})
			w.check(err)
		}
		w.settle()
		if _, err := maps.Get(w.Context(), "none", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("object whose only owner never was: %v", err)
		}
		half, err := maps.Get(w.Context(), "half", metav1.GetOptions{})
		w.check(err)
		if len(half.OwnerReferences) != 1 || half.OwnerReferences[0].Name != "a" {
			t.Errorf("owners %v, want the absent one dropped", half.OwnerReferences)
		}
		w.check(maps.Delete(w.Context(), "a", metav1.DeleteOptions{}))
		w.settle()
		both, err := maps.Get(w.Context(), "both", metav1.GetOptions{})
		w.check(err)
		if len(both.OwnerReferences) != 1 || both.OwnerReferences[0].Name != "b" {
			t.Errorf("owners %v", both.OwnerReferences)
		}
		if _, err := maps.Get(w.Context(), "half", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("object whose last owner went: %v", err)
		}
	})
}

func TestNamespaceGoes(t *testing.T) {
	bubble(t, controller.Config{RootCA: []byte("PEM")}, func(w *world) {
		w.node("n1", nil)
		_, err := w.client.CoreV1().Namespaces().Create(w.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}}, metav1.CreateOptions{})
		w.check(err)
		w.settle()
		if _, err := w.client.CoreV1().ServiceAccounts("mine").Get(w.Context(), "default", metav1.GetOptions{}); err != nil {
			t.Errorf("default service account: %v", err)
		}
		ca, err := w.client.CoreV1().ConfigMaps("mine").Get(w.Context(), "kube-root-ca.crt", metav1.GetOptions{})
		if err != nil || ca.Data["ca.crt"] != "PEM" {
			t.Errorf("root CA: %v, %v", ca, err)
		}
		d := newDeployment("web", 2)
		d.Namespace = "mine"
		_, err = w.client.AppsV1().Deployments("mine").Create(w.Context(), d, metav1.CreateOptions{})
		w.check(err)
		_, err = w.client.CoreV1().ConfigMaps("mine").Create(w.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: "held", Finalizers: []string{"example.com/hold"}},
		}, metav1.CreateOptions{})
		w.check(err)
		w.settle()
		w.check(w.client.CoreV1().Namespaces().Delete(w.Context(), "mine", metav1.DeleteOptions{}))
		w.settle()
		ns, err := w.client.CoreV1().Namespaces().Get(w.Context(), "mine", metav1.GetOptions{})
		w.check(err)
		reasons := map[corev1.NamespaceConditionType]string{}
		for _, c := range ns.Status.Conditions {
			reasons[c.Type] = string(c.Status) + " " + c.Reason + ": " + c.Message
		}
		if got, want := reasons[corev1.NamespaceContentRemaining], "True SomeResourcesRemain: Some resources are remaining: configmaps. has 1 resource instances"; got != want {
			t.Errorf("condition %q, want %q", got, want)
		}
		if got, want := reasons[corev1.NamespaceFinalizersRemaining], "True SomeFinalizersRemain: Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"; got != want {
			t.Errorf("condition %q, want %q", got, want)
		}
		held, err := w.client.CoreV1().ConfigMaps("mine").Get(w.Context(), "held", metav1.GetOptions{})
		w.check(err)
		held.Finalizers = nil
		_, err = w.client.CoreV1().ConfigMaps("mine").Update(w.Context(), held, metav1.UpdateOptions{})
		w.check(err)
		w.pass(16 * time.Second)
		if _, err := w.client.CoreV1().Namespaces().Get(w.Context(), "mine", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			t.Errorf("namespace: %v", err)
		}
	})
}

func TestServiceAccountComesBack(t *testing.T) {
	bubble(t, controller.Config{}, func(w *world) {
		accounts := w.client.CoreV1().ServiceAccounts("default")
		w.check(accounts.Delete(w.Context(), "default", metav1.DeleteOptions{}))
		w.settle()
		_, err := accounts.Get(w.Context(), "default", metav1.GetOptions{})
		w.check(err)
	})
}
