package owned

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

const (
	byController = "keelson/controller"
	byNode       = "keelson/node"
)

// Pods finds pods in the shared cache by who controls them or where they run.
type Pods struct{ indexer cache.Indexer }

// IndexPods adds the indices to the shared pod informer, once per factory.
func IndexPods(factory informers.SharedInformerFactory) (Pods, error) {
	informer := factory.Core().V1().Pods().Informer()
	if _, have := informer.GetIndexer().GetIndexers()[byController]; !have {
		err := informer.AddIndexers(cache.Indexers{byController: controllerKey, byNode: nodeKey})
		if err != nil {
			return Pods{}, fmt.Errorf("indexing pods: %w", err)
		}
	}
	return Pods{indexer: informer.GetIndexer()}, nil
}

// ControlledBy returns the pods whose controller has that UID.
func (p Pods) ControlledBy(owner types.UID) []*corev1.Pod {
	return p.find(byController, string(owner))
}

// Orphans returns the namespace's pods that have no controller.
func (p Pods) Orphans(namespace string) []*corev1.Pod {
	return p.find(byController, "orphan/"+namespace)
}

// OnNode returns the pods bound to the node.
func (p Pods) OnNode(node string) []*corev1.Pod {
	return p.find(byNode, node)
}

func (p Pods) find(index, value string) []*corev1.Pod {
	objects, err := p.indexer.ByIndex(index, value)
	if err != nil {
		return nil // only for an index that does not exist; IndexPods made it
	}
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, o := range objects {
		if pod, ok := o.(*corev1.Pod); ok {
			pods = append(pods, pod)
		}
	}
	return pods
}

func controllerKey(obj any) ([]string, error) {
	o, ok := obj.(metav1.Object)
	if !ok {
		return nil, nil
	}
	if ref := metav1.GetControllerOfNoCopy(o); ref != nil {
		return []string{string(ref.UID)}, nil
	}
	return []string{"orphan/" + o.GetNamespace()}, nil
}

func nodeKey(obj any) ([]string, error) {
	pod, ok := obj.(*corev1.Pod)
	if !ok || pod.Spec.NodeName == "" {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}
