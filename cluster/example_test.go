package cluster_test

import (
	"context"
	"fmt"
	"log"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/cluster"
	"github.com/keelson-project/keelson/controller"
	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/simulated"
	"github.com/keelson-project/keelson/scheduler"
	"github.com/keelson-project/keelson/store/memory"
)

// must is for what cannot fail here.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

// A cluster in one call, as tests use it.
func Example() {
	ctx := context.Background()
	c, err := cluster.Start(ctx, cluster.Options{SimulatedNodes: 1})
	if err != nil {
		log.Fatal(err)
	}
	client := c.Client()
	must(client.CoreV1().Pods("default").Create(ctx, pod("hello"), metav1.CreateOptions{}))
	p := awaitRunning(ctx, client, "hello")
	fmt.Println(p.Name, "is", p.Status.Phase, "on", p.Spec.NodeName)
	fmt.Println("closed:", c.Close())
	// Output:
	// hello is Running on node-1
	// closed: <nil>
}

// A cluster composed from the packages: each part can be left out, replaced or
// run in another process, for they meet in the API alone.
func Example_parts() {
	ctx, stop := context.WithCancel(context.Background())
	pki := must(standard.NewPKI())
	api := must(standard.New(standard.Config{Store: memory.New(), PKI: pki}))
	client := kubernetes.NewForConfigOrDie(api.LoopbackConfig())
	objects := metadata.NewForConfigOrDie(api.LoopbackConfig())
	controllers := must(controller.NewManager(controller.Config{
		Client: client, Metadata: objects, RootCA: pki.CA.PEM(),
	}))
	sched := must(scheduler.New(scheduler.Config{Client: client}))
	node := must(kubelet.New(kubelet.Config{Client: client, NodeName: "node-1", Runtime: simulated.New(simulated.Config{})}))

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return api.Run(ctx) })
	g.Go(func() error { return controllers.Run(ctx) })
	g.Go(func() error { return sched.Run(ctx) })
	g.Go(func() error { return node.Run(ctx) })

	<-api.Ready()
	must(client.CoreV1().Pods("default").Create(ctx, pod("first"), metav1.CreateOptions{}))
	fmt.Println("a pod is", awaitRunning(ctx, client, "first").Status.Phase)
	stop()
	fmt.Println("ended:", g.Wait())
	// Output:
	// a pod is Running
	// ended: <nil>
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "busybox"}}},
	}
}

// awaitRunning waits for a pod to run.
func awaitRunning(ctx context.Context, client kubernetes.Interface, name string) *corev1.Pod {
	w := must(client.CoreV1().Pods("default").Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name}))
	defer w.Stop()
	for e := range w.ResultChan() {
		if p, ok := e.Object.(*corev1.Pod); ok && p.Status.Phase == corev1.PodRunning {
			return p
		}
	}
	return &corev1.Pod{}
}
