package scheduler

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	coreinformers "k8s.io/client-go/informers/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"time"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// watch starts the informers and waits until they know the cluster. stop ends what was started, after ctx.
func (s *Scheduler) watch(ctx context.Context) (stop func(), err error) {
	factory := informers.NewSharedInformerFactoryWithOptions(s.cfg.Client, 0, informers.WithTransform(slim))
	pods := factory.InformerFor(&corev1.Pod{}, func(c kubernetes.Interface, resync time.Duration) cache.SharedIndexInformer {
		return coreinformers.NewFilteredPodInformer(c, metav1.NamespaceAll, resync, cache.Indexers{}, func(o *metav1.ListOptions) {
			o.FieldSelector = "status.phase!=Succeeded,status.phase!=Failed"
		})
	})
	stop = factory.Shutdown
	if err := pods.SetTransform(slim); err != nil {
		return stop, fmt.Errorf("scheduler: pod informer: %w", err)
	}
	nodes := factory.Core().V1().Nodes().Informer()
	var synced []cache.InformerSynced
	handle := func(inf cache.SharedIndexInformer, h cache.ResourceEventHandler) error {
		reg, err := inf.AddEventHandler(h)
		if err == nil {
			synced = append(synced, reg.HasSynced)
		}
		return err
	}
	err = errors.Join(
		handle(nodes, s.nodeHandler()),
		handle(pods, s.podHandler()),
		s.watchOthers(ctx, factory, handle),
	)
	if err != nil {
		return stop, fmt.Errorf("scheduler: watching the cluster: %w", err)
	}
	factory.Start(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), synced...) {
		return stop, fmt.Errorf("scheduler: the cluster's state was not read: %w", context.Cause(ctx))
	}
	return stop, nil
}

// watchOthers watches what plugins read besides nodes and pods. A server that does not
// serve one of the resources is taken to have no such objects.
func (s *Scheduler) watchOthers(ctx context.Context, factory informers.SharedInformerFactory, handle func(cache.SharedIndexInformer, cache.ResourceEventHandler) error) error {
	c, one := s.cfg.Client, metav1.ListOptions{Limit: 1}
	var errs []error
	add := func(inf func() cache.SharedIndexInformer, kind framework.Kind, quiet bool, err error) bool {
		if apierrors.IsNotFound(err) {
			return false
		}
		var h cache.ResourceEventHandler = cache.ResourceEventHandlerFuncs{}
		if !quiet {
			h = s.objectHandler(kind)
		}
		errs = append(errs, handle(inf(), h))
		return true
	}
	core, apps := factory.Core().V1(), factory.Apps().V1()
	_, err := c.CoreV1().Namespaces().List(ctx, one)
	if add(core.Namespaces().Informer, framework.Namespace, false, err) {
		s.cluster.Namespaces = core.Namespaces().Lister()
	}
	_, err = c.CoreV1().Services("").List(ctx, one)
	if add(core.Services().Informer, framework.Service, false, err) {
		s.cluster.Services = core.Services().Lister()
	}
	_, err = c.CoreV1().ReplicationControllers("").List(ctx, one)
	if add(core.ReplicationControllers().Informer, 0, true, err) {
		s.cluster.ReplicationControllers = core.ReplicationControllers().Lister()
	}
	_, err = c.AppsV1().ReplicaSets("").List(ctx, one)
	if add(apps.ReplicaSets().Informer, 0, true, err) {
		s.cluster.ReplicaSets = apps.ReplicaSets().Lister()
	}
	_, err = c.AppsV1().StatefulSets("").List(ctx, one)
	if add(apps.StatefulSets().Informer, 0, true, err) {
		s.cluster.StatefulSets = apps.StatefulSets().Lister()
	}
	_, err = c.PolicyV1().PodDisruptionBudgets("").List(ctx, one)
	if add(factory.Policy().V1().PodDisruptionBudgets().Informer, 0, true, err) {
		s.cluster.PodDisruptionBudgets = factory.Policy().V1().PodDisruptionBudgets().Lister()
	}
	_, err = c.CoreV1().PersistentVolumeClaims("").List(ctx, one)
	if add(core.PersistentVolumeClaims().Informer, framework.PersistentVolumeClaim, false, err) {
		s.cluster.Claims = core.PersistentVolumeClaims().Lister()
	}
	_, err = c.CoreV1().PersistentVolumes().List(ctx, one)
	if add(core.PersistentVolumes().Informer, framework.PersistentVolume, false, err) {
		s.cluster.Volumes = core.PersistentVolumes().Lister()
	}
	_, err = c.StorageV1().StorageClasses().List(ctx, one)
	if add(factory.Storage().V1().StorageClasses().Informer, framework.StorageClass, false, err) {
		s.cluster.StorageClasses = factory.Storage().V1().StorageClasses().Lister()
	}
	return errors.Join(errs...)
}

// slim drops what no plugin reads.
func slim(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil && len(m.GetManagedFields()) > 0 {
		m.SetManagedFields(nil)
	}
	return obj, nil
}

func (s *Scheduler) nodeHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if n, ok := obj.(*corev1.Node); ok {
				s.cache.SetNode(n)
				s.queue.Event(framework.Event{Kind: framework.Node, Action: framework.Added, New: n})
			}
		},
		UpdateFunc: func(was, obj any) {
			old, _ := was.(*corev1.Node)
			n, ok := obj.(*corev1.Node)
			if !ok || old == nil {
				return
			}
			s.cache.SetNode(n)
			if nodeDiffers(old, n) {
				s.queue.Event(framework.Event{Kind: framework.Node, Action: framework.Updated, Old: old, New: n})
			}
		},
		DeleteFunc: func(obj any) {
			if n, ok := last(obj).(*corev1.Node); ok {
				s.cache.RemoveNode(n.Name)
				s.queue.Event(framework.Event{Kind: framework.Node, Action: framework.Deleted, Old: n})
			}
		},
	}
}

// nodeDiffers reports whether an update is more than a heartbeat.
func nodeDiffers(a, b *corev1.Node) bool {
	return !equality.Semantic.DeepEqual(a.Labels, b.Labels) ||
		!equality.Semantic.DeepEqual(a.Annotations, b.Annotations) ||
		!equality.Semantic.DeepEqual(&a.Spec, &b.Spec) ||
		!equality.Semantic.DeepEqual(a.Status.Allocatable, b.Status.Allocatable)
}

func (s *Scheduler) podHandler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if pod, ok := obj.(*corev1.Pod); ok {
				s.podSeen(nil, pod)
			}
		},
		UpdateFunc: func(was, obj any) {
			old, _ := was.(*corev1.Pod)
			pod, ok := obj.(*corev1.Pod)
			if !ok {
				return
			}
			if old != nil && old.UID != pod.UID {
				s.podGone(old)
				old = nil
			}
			s.podSeen(old, pod)
		},
		DeleteFunc: func(obj any) {
			if pod, ok := last(obj).(*corev1.Pod); ok {
				s.podGone(pod)
			}
		},
	}
}

// podSeen files a pod where it belongs: on its node, in the queue, or nowhere.
func (s *Scheduler) podSeen(old, pod *corev1.Pod) {
	switch {
	case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
		s.podGone(pod)
	case pod.Spec.NodeName != "":
		s.podAssigned(old, pod)
	case pod.DeletionTimestamp != nil:
		s.queue.Delete(pod.UID)
		s.cache.Nominate(framework.NewPodInfo(pod), "")
	case pod.Spec.SchedulerName == s.cfg.Name:
		info := framework.NewPodInfo(pod)
		if node := pod.Status.NominatedNodeName; node != "" || old != nil && old.Status.NominatedNodeName != "" {
			s.cache.Nominate(info, node)
		}
		s.queue.Set(info)
	}
}

func (s *Scheduler) podAssigned(old, pod *corev1.Pod) {
	info := framework.NewPodInfo(pod)
	if old == nil || old.Spec.NodeName == "" {
		s.cache.SetPod(info)
		s.queue.Delete(pod.UID)
		s.queue.Event(framework.Event{Kind: framework.AssignedPod, Action: framework.Added, New: pod})
		return
	}
	if info.SameDemand(framework.NewPodInfo(old)) {
		return
	}
	s.cache.SetPod(info)
	s.queue.Event(framework.Event{Kind: framework.AssignedPod, Action: framework.Updated, Old: old, New: pod})
}

func (s *Scheduler) podGone(pod *corev1.Pod) {
	s.cache.RemovePod(pod.UID)
	s.queue.Delete(pod.UID)
	if pod.Spec.NodeName != "" {
		s.queue.Event(framework.Event{Kind: framework.AssignedPod, Action: framework.Deleted, Old: pod})
	}
}

func (s *Scheduler) objectHandler(kind framework.Kind) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			s.queue.Event(framework.Event{Kind: kind, Action: framework.Added, New: obj})
		},
		UpdateFunc: func(was, obj any) {
			s.queue.Event(framework.Event{Kind: kind, Action: framework.Updated, Old: was, New: obj})
		},
		DeleteFunc: func(obj any) {
			s.queue.Event(framework.Event{Kind: kind, Action: framework.Deleted, Old: last(obj)})
		},
	}
}

// last unwraps the final state of an object whose deletion was missed.
func last(obj any) any {
	if d, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		return d.Obj
	}
	return obj
}
