package controller_test

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/controller"
	"github.com/keelson-project/keelson/store/memory"
)

// world is an API server in memory with controllers and one node, whose agent runs
// every pod at once. It lives in a synctest bubble.
type world struct {
	*testing.T
	client   kubernetes.Interface
	metadata metadata.Interface
	manager  *controller.Manager

	mu    sync.Mutex
	idle  bool // the agent leaves pods alone
	seq   int
	alive map[string]bool // nodes that renew their leases
}

// bubble runs test in a world of its own and checks that nothing is left of it.
func bubble(t *testing.T, c controller.Config, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		pki, err := standard.NewPKI()
		if err != nil {
			t.Fatal(err)
		}
		srv, err := standard.New(standard.Config{Store: st, PKI: pki})
		if err != nil {
			t.Fatal(err)
		}
		rc := srv.LoopbackConfig()
		w := &world{T: t, alive: make(map[string]bool), client: kubernetes.NewForConfigOrDie(rc), metadata: metadata.NewForConfigOrDie(rc)}
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := srv.Run(ctx); err != nil {
				t.Errorf("API server: %v", err)
			}
		})
		<-srv.Ready()

		c.Client, c.Metadata = w.client, w.metadata
		c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
		if w.manager, err = controller.NewManager(c); err != nil {
			t.Fatal(err)
		}
		running, stop := context.WithCancel(context.Background())
		managed := make(chan error, 1)
		go func() { managed <- w.manager.Run(running) }()
		wg.Go(func() { w.agent(ctx) })
		wg.Go(func() { w.beat(ctx) })
		t.Cleanup(func() {
			stop()
			if err := <-managed; err != nil {
				t.Errorf("manager: %v", err)
			}
			cancel()
			wg.Wait()
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		<-w.manager.Ready()
		w.settle()
		test(w)
	})
}

// settle waits until nothing moves any more, a few retries included.
func (w *world) settle() { w.pass(2 * time.Second) }

// pass lets virtual time go by.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// node adds a ready node.
func (w *world) node(name string, labels map[string]string) {
	w.Helper()
	now := metav1.Now()
	_, err := w.client.CoreV1().Nodes().Create(w.Context(), &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: now, LastTransitionTime: now,
		}}},
	}, metav1.CreateOptions{})
	w.check(err)
	_, err = w.client.CoordinationV1().Leases(corev1.NamespaceNodeLease).Create(w.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       coordinationv1.LeaseSpec{RenewTime: ptr.To(metav1.NowMicro())},
	}, metav1.CreateOptions{})
	w.check(err)
	w.setAlive(name, true)
	w.settle()
}

// setAlive makes a node renew its lease from now on, or fall silent.
func (w *world) setAlive(name string, alive bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.alive[name] = alive
}

// beat renews the leases of nodes that are alive.
func (w *world) beat(ctx context.Context) {
	ticker := time.NewTicker(10 * time.Second)
	defer ticker.Stop()
	leases := w.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		alive := maps.Clone(w.alive)
		w.mu.Unlock()
		for name, is := range alive {
			if !is {
				continue
			}
			lease, err := leases.Get(ctx, name, metav1.GetOptions{})
			if err == nil {
				lease.Spec.RenewTime = ptr.To(metav1.NowMicro())
				_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
			}
			if err != nil && ctx.Err() == nil {
				w.Errorf("heartbeat: %v", err)
			}
		}
	}
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// agent binds pods to node n1, runs them, and ends those that are deleted.
func (w *world) agent(ctx context.Context) {
	pods := w.client.CoreV1().Pods("")
	list, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		w.Errorf("agent: %v", err)
		return
	}
	events, err := pods.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion})
	if err != nil {
		w.Errorf("agent: %v", err)
		return
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		pod, ok := event.Object.(*corev1.Pod)
		w.mu.Lock()
		idle := w.idle
		w.mu.Unlock()
		if !ok || idle || event.Type == "DELETED" {
			continue
		}
		if err := w.run(ctx, pod); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			w.Errorf("agent: %v", err)
		}
	}
}

func (w *world) run(ctx context.Context, pod *corev1.Pod) error {
	pods := w.client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(0))})
	case pod.Spec.NodeName == "":
		return pods.Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "n1"},
		}, metav1.CreateOptions{})
	case pod.Status.Phase == corev1.PodPending && pod.Spec.Containers[0].Image != "broken":
		w.mu.Lock()
		w.seq++
		ip := "10.1.0." + string(rune('0'+w.seq/100%10)) + string(rune('0'+w.seq/10%10)) + string(rune('0'+w.seq%10))
		w.mu.Unlock()
		ip = trimZeros(ip)
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP, pod.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now(),
		})
		_, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
		return err
	}
	return nil
}

// rest makes the agent leave pods alone, or not.
func (w *world) rest(idle bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = idle
}

func trimZeros(ip string) string {
	head, tail := ip[:len("10.1.0.")], ip[len("10.1.0."):]
	for len(tail) > 1 && tail[0] == '0' {
		tail = tail[1:]
	}
	return head + tail
}

func template(app, image string) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: image}}},
	}
}

func newDeployment(name string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}},
			Template: template(name, "one"),
		},
	}
}

func (w *world) create(d *appsv1.Deployment) {
	w.Helper()
	_, err := w.client.AppsV1().Deployments("default").Create(w.Context(), d, metav1.CreateOptions{})
	w.check(err)
	w.settle()
}

func (w *world) deployment(name string) *appsv1.Deployment {
	w.Helper()
	d, err := w.client.AppsV1().Deployments("default").Get(w.Context(), name, metav1.GetOptions{})
	w.check(err)
	return d
}

func (w *world) update(name string, change func(*appsv1.Deployment)) {
	w.Helper()
	d := w.deployment(name)
	change(d)
	_, err := w.client.AppsV1().Deployments("default").Update(w.Context(), d, metav1.UpdateOptions{})
	w.check(err)
	w.settle()
}

func (w *world) pods() []corev1.Pod {
	w.Helper()
	list, err := w.client.CoreV1().Pods("default").List(w.Context(), metav1.ListOptions{})
	w.check(err)
	return list.Items
}

func (w *world) sets() []appsv1.ReplicaSet {
	w.Helper()
	list, err := w.client.AppsV1().ReplicaSets("default").List(w.Context(), metav1.ListOptions{})
	w.check(err)
	return list.Items
}

func (w *world) service(name string) {
	w.Helper()
	_, err := w.client.CoreV1().Services("default").Create(w.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name},
			Ports:    []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}},
		},
	}, metav1.CreateOptions{})
	w.check(err)
	w.settle()
}
