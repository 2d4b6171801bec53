package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/cluster"
)

func ptr[T any](v T) *T { return &v }

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "httpd", Image: "httpd"}}},
			},
		},
	}
}

// await watches deployments until one satisfies done.
func await(t *testing.T, client kubernetes.Interface, name string, done func(*appsv1.Deployment) bool) *appsv1.Deployment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w, err := client.AppsV1().Deployments("default").Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for e := range w.ResultChan() {
		if d, ok := e.Object.(*appsv1.Deployment); ok && e.Type != watch.Deleted && done(d) {
			return d
		}
	}
	d, err := client.AppsV1().Deployments("default").Get(t.Context(), name, metav1.GetOptions{})
	t.Fatalf("deployment %s is still %+v, %v", name, d.Status, err)
	return nil
}

// A whole cluster, in virtual time: started, used, and gone without a trace.
func TestClusterInBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := cluster.Start(t.Context(), cluster.Options{SimulatedNodes: 2})
		if err != nil {
			t.Fatal(err)
		}
		// Who may do what is settled from the first moment on.
		nobody := c.Config()
		nobody.Impersonate = rest.ImpersonationConfig{UserName: "nobody", Groups: []string{"system:unauthenticated"}}
		if _, err := kubernetes.NewForConfigOrDie(nobody).Discovery().ServerVersion(); err != nil {
			t.Errorf("right after the start: %v", err)
		}
		client := c.Client()
		if _, err := client.AppsV1().Deployments("default").Create(t.Context(), deployment("web", 4), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		await(t, client, "web", func(d *appsv1.Deployment) bool { return d.Status.AvailableReplicas == 4 })
		pods, err := client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		nodes := map[string]int{}
		for _, p := range pods.Items {
			nodes[p.Spec.NodeName]++
			if p.Status.Phase != corev1.PodRunning || p.Status.PodIP == "" {
				t.Errorf("pod %s is %s with address %q", p.Name, p.Status.Phase, p.Status.PodIP)
			}
		}
		if len(nodes) != 2 {
			t.Errorf("pods are on %v, want both nodes used", nodes)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
