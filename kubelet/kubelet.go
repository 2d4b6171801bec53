package kubelet

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"

	"github.com/keelson-project/keelson/kubelet/cgroup"
)

// Kubelet runs the pods of one node. Make one by [New].
type Kubelet struct {
	cfg     Config
	log     *slog.Logger
	runtime Runtime
	hostIPs []string
	machine machine
	files   *podFiles

	ready     chan struct{}
	readyOnce sync.Once
	cidrKnown chan struct{}
	cidrOnce  sync.Once
	nudge     chan struct{} // asks for the node's status to be looked at

	// The rest is made by Run.
	ctx      context.Context
	tasks    *group
	recorder *recorder
	observer *observer
	pods     *feed[*corev1.Pod]
	services *feed[*corev1.Service]
	objects  *objects
	cgroups  *cgroup.Manager
	started  time.Time

	mu       sync.Mutex
	running  bool
	serving  bool
	name     string // of the runtime, such as "containerd"
	node     *corev1.Node
	podCIDRs []string
	workers  map[types.UID]*worker
	admitted map[types.UID]*corev1.Pod
}

// New checks the configuration and returns a Kubelet that does nothing yet.
func New(cfg Config) (*Kubelet, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	k := &Kubelet{
		cfg: cfg, log: cfg.Logger.With("node", cfg.NodeName), runtime: cfg.Runtime,
		machine: newMachine(cfg),
		files:   &podFiles{root: cfg.RootDir, logs: cfg.LogDir},
		ready:   make(chan struct{}), cidrKnown: make(chan struct{}), nudge: make(chan struct{}, 1),
		workers: make(map[types.UID]*worker), admitted: make(map[types.UID]*corev1.Pod),
	}
	for _, ip := range cfg.NodeIPs {
		k.hostIPs = append(k.hostIPs, ip.String())
	}
	return k, nil
}

// Ready is closed when the node is registered and was reported ready: the
// runtime answers, and the network can take pods.
func (k *Kubelet) Ready() <-chan struct{} { return k.ready }

// simulated reports whether the node writes no files.
func (k *Kubelet) simulated() bool { return k.cfg.RootDir == "" }

// runtimeName is the scheme of container IDs.
func (k *Kubelet) runtimeName() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.name
}

// Run registers the node and runs its pods until ctx ends. Then it returns
// nil, with every goroutine gone; the containers run on, and the next Run over
// the same Runtime adopts them. Run can be called once.
func (k *Kubelet) Run(ctx context.Context) error {
	k.mu.Lock()
	again := k.running
	k.running = true
	k.mu.Unlock()
	if again {
		return fmt.Errorf("kubelet of node %s: Run was called before", k.cfg.NodeName)
	}
	version, err := k.runtime.Version(ctx)
	if err != nil && ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kubelet of node %s: asking the container runtime for its version: %w", k.cfg.NodeName, err)
	}
	name, _, _ := strings.Cut(version, "://")

	parent := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = klog.NewContext(ctx, logr.FromSlogHandler(k.log.Handler()))
	k.ctx, k.tasks, k.started = ctx, &group{}, time.Now()
	k.observer = newObserver(ctx, k.runtime)
	k.recorder = &recorder{
		client: k.cfg.Client, ctx: ctx, tasks: k.tasks,
		source: corev1.EventSource{Component: "kubelet", Host: k.cfg.NodeName},
	}
	k.pods = k.podFeed()
	k.objects = &objects{k: k, by: make(map[objectKey]*watchedObject)}
	if !k.simulated() {
		k.cgroups = cgroup.New(cgroup.Mount, k.cfg.CgroupRoot)
		k.services = k.serviceFeed()
	}

	k.mu.Lock()
	k.name, k.serving = name, true
	k.mu.Unlock()
	if k.cfg.Server.Listener != nil {
		k.tasks.start(func() { k.serve(ctx) })
	}
	err = k.start(ctx)
	if err == nil {
		<-ctx.Done()
	}
	cancel()
	k.mu.Lock()
	workers := make([]*worker, 0, len(k.workers))
	for _, w := range k.workers {
		workers = append(workers, w)
	}
	k.mu.Unlock()
	for _, w := range workers {
		w.stop()
	}
	k.tasks.close()
	if parent.Err() != nil {
		return nil // whatever failed did so because it was ended
	}
	return err
}

// start brings everything up that then runs until ctx ends.
func (k *Kubelet) start(ctx context.Context) error {
	events, err := k.runtime.Events(ctx)
	if err != nil {
		return fmt.Errorf("kubelet of node %s: events of the container runtime: %w", k.cfg.NodeName, err)
	}
	if err := k.observer.refresh(ctx); err != nil {
		return fmt.Errorf("kubelet of node %s: listing what the container runtime has: %w", k.cfg.NodeName, err)
	}
	k.tasks.start(func() { k.follow(ctx, events) })
	if err := k.register(ctx); err != nil {
		return err
	}
	k.recorder.event(k.nodeRef(), corev1.EventTypeNormal, "Starting", "Starting kubelet.")
	k.tasks.start(func() { k.heartbeat(ctx) })
	k.tasks.start(func() { k.nodeFeed().run(ctx, k.cfg.Client) })
	if k.services != nil {
		k.tasks.start(func() { k.services.run(ctx, k.cfg.Client) })
		select {
		case <-k.services.synced:
		case <-ctx.Done():
			return nil
		}
	}
	if err := k.collectNetwork(ctx); err != nil {
		k.log.Warn("collecting lost network attachments failed", "err", err)
	}
	k.tasks.start(func() { k.pods.run(ctx, k.cfg.Client) })
	select {
	case <-k.pods.synced:
	case <-ctx.Done():
		return nil
	}
	k.tasks.start(func() { k.prune(ctx) })
	if !k.simulated() {
		k.tasks.start(func() { k.rotateLogs(ctx) })
		if k.cfg.ImageGC.HighPercent < 100 {
			k.tasks.start(func() { k.collectImages(ctx) })
		}
	}
	return nil
}

// follow wakes the pods that the runtime has events of.
func (k *Kubelet) follow(ctx context.Context, events <-chan Event) {
	for {
		select {
		case <-ctx.Done():
			return
		case event, ok := <-events:
			if !ok {
				return
			}
			if w := k.worker(types.UID(event.PodUID)); w != nil {
				w.wake()
			}
		}
	}
}

func (k *Kubelet) worker(uid types.UID) *worker {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.workers[uid]
}

// forget removes a worker that has nothing left to do.
func (k *Kubelet) forget(w *worker) {
	w.stop()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.workers[w.uid] == w {
		delete(k.workers, w.uid)
	}
}

// podChanged hands a pod to its worker.
func (k *Kubelet) podChanged(pod *corev1.Pod, deleted bool) {
	k.mu.Lock()
	w, ok := k.workers[pod.UID]
	if !ok {
		if deleted {
			k.mu.Unlock()
			return
		}
		w = newWorker(k, pod)
		k.workers[pod.UID] = w
	}
	k.mu.Unlock()
	w.update(pod, deleted)
}

// prune removes what the runtime has of pods that the API no longer has: those
// deleted while no kubelet ran.
func (k *Kubelet) prune(ctx context.Context) {
	for uid, sandboxes := range k.observer.all() {
		if k.worker(uid) != nil {
			continue
		}
		for _, s := range sandboxes {
			if err := k.removeOrphan(ctx, s); err != nil && ctx.Err() == nil {
				k.log.Warn("removing a sandbox without a pod failed", "sandbox", s.ID, "err", err)
			}
		}
	}
	if !k.simulated() {
		k.pruneFiles()
	}
}

// collectNetwork frees attachments whose sandboxes are gone. It must not run
// while sandboxes are made.
func (k *Kubelet) collectNetwork(ctx context.Context) error {
	if k.cfg.Network == nil {
		return nil
	}
	var keep []string
	for _, sandboxes := range k.observer.all() {
		for _, s := range sandboxes {
			keep = append(keep, s.ID)
		}
	}
	return k.cfg.Network.GC(ctx, keep)
}

// removeOrphan stops a sandbox that has no pod and removes it.
func (k *Kubelet) removeOrphan(ctx context.Context, s Sandbox) error {
	var wg sync.WaitGroup
	for _, c := range s.Containers {
		if c.State == StateRunning {
			wg.Go(func() {
				if err := k.runtime.StopContainer(ctx, c.ID, minimumGrace); err != nil && ctx.Err() == nil {
					k.log.Warn("stopping a container without a pod failed", "container", c.ID, "err", err)
				}
			})
		}
	}
	wg.Wait()
	if err := k.stopSandbox(ctx, s); err != nil {
		return err
	}
	return k.runtime.RemoveSandbox(ctx, s.ID)
}

func (k *Kubelet) podFeed() *feed[*corev1.Pod] {
	pods := k.cfg.Client.CoreV1().Pods(metav1.NamespaceAll)
	return newFeed(
		func(ctx context.Context, o metav1.ListOptions) (kruntime.Object, error) { return pods.List(ctx, o) },
		func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return pods.Watch(ctx, o) },
		fields.OneTermEqualSelector("spec.nodeName", k.cfg.NodeName).String(),
		k.podChanged)
}

func (k *Kubelet) serviceFeed() *feed[*corev1.Service] {
	services := k.cfg.Client.CoreV1().Services(metav1.NamespaceAll)
	return newFeed(
		func(ctx context.Context, o metav1.ListOptions) (kruntime.Object, error) { return services.List(ctx, o) },
		func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return services.Watch(ctx, o)
		},
		"", func(*corev1.Service, bool) {})
}

func (k *Kubelet) nodeFeed() *feed[*corev1.Node] {
	nodes := k.cfg.Client.CoreV1().Nodes()
	return newFeed(
		func(ctx context.Context, o metav1.ListOptions) (kruntime.Object, error) { return nodes.List(ctx, o) },
		func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) { return nodes.Watch(ctx, o) },
		fields.OneTermEqualSelector("metadata.name", k.cfg.NodeName).String(),
		func(node *corev1.Node, deleted bool) {
			if !deleted && node.Name == k.cfg.NodeName {
				k.setNode(node)
				return
			}
			k.nodeStatusSoon()
		})
}

// nodeStatusSoon has the node's status looked at before the next heartbeat.
func (k *Kubelet) nodeStatusSoon() {
	select {
	case k.nudge <- struct{}{}:
	default:
	}
}

// podList returns the pods of this node as last seen in the API.
func (k *Kubelet) podList() []*corev1.Pod {
	if k.pods == nil {
		return nil
	}
	return k.pods.list()
}
