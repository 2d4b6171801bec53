package proxy

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// labelServiceProxyName on a Service gives it to another proxy.
const labelServiceProxyName = "service.kubernetes.io/service-proxy-name"

// notOurs leaves out services that another proxy serves, and headless ones.
const notOurs = "!" + labelServiceProxyName + ",!" + corev1.IsHeadlessService

// byService is the index of EndpointSlices by the service they belong to.
const byService = "service"

// watch is the proxy's view of the API.
type watch struct {
	proxy     *Proxy
	factories []informers.SharedInformerFactory
	services  cache.SharedIndexInformer
	slices    cache.SharedIndexInformer
	node      cache.SharedIndexInformer
}

func (p *Proxy) newWatch() *watch {
	rules := informers.NewSharedInformerFactoryWithOptions(p.config.Client, 0,
		informers.WithTransform(trim),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = notOurs }))
	node := informers.NewSharedInformerFactoryWithOptions(p.config.Client, 0,
		informers.WithTransform(trim),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) {
			o.FieldSelector = fields.OneTermEqualSelector(metav1.ObjectNameField, p.config.NodeName).String()
		}))
	return &watch{
		proxy: p, factories: []informers.SharedInformerFactory{rules, node},
		services: rules.Core().V1().Services().Informer(),
		slices:   rules.Discovery().V1().EndpointSlices().Informer(),
		node:     node.Core().V1().Nodes().Informer(),
	}
}

// start fills the caches; events of later changes touch the proxy.
func (w *watch) start(ctx context.Context) error {
	if err := w.slices.AddIndexers(cache.Indexers{byService: func(object any) ([]string, error) {
		key, ok := serviceOf(object)
		if !ok {
			return nil, nil
		}
		return []string{key.String()}, nil
	}}); err != nil {
		return fmt.Errorf("index endpoint slices: %w", err)
	}
	var synced []cache.DoneChecker
	for informer, touch := range map[cache.SharedIndexInformer]func(object any){
		w.services: func(object any) {
			if s, ok := object.(*corev1.Service); ok {
				w.proxy.touch(types.NamespacedName{Namespace: s.Namespace, Name: s.Name})
			}
		},
		w.slices: func(object any) {
			if key, ok := serviceOf(object); ok {
				w.proxy.touch(key)
			}
		},
		w.node: w.nodeSeen,
	} {
		registration, err := informer.AddEventHandler(handler(touch))
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		synced = append(synced, registration.HasSyncedChecker())
	}
	for _, factory := range w.factories {
		factory.StartWithContext(ctx)
	}
	if !cache.WaitFor(ctx, "", synced...) {
		return fmt.Errorf("fill the caches: %w", context.Cause(ctx))
	}
	return nil
}

// stop waits until the informers are gone; their context must have ended.
func (w *watch) stop() {
	for _, factory := range w.factories {
		factory.Shutdown()
	}
}

// nodeSeen looks at all services again when the node has moved.
func (w *watch) nodeSeen(object any) {
	node, ok := object.(*corev1.Node)
	if !ok || node.Name != w.proxy.config.NodeName || !w.proxy.setNode(node) {
		return
	}
	for _, key := range w.serviceKeys() {
		w.proxy.touch(key)
	}
}

func (w *watch) serviceKeys() []types.NamespacedName {
	var keys []types.NamespacedName
	for _, object := range w.services.GetStore().List() {
		if s, ok := object.(*corev1.Service); ok {
			keys = append(keys, types.NamespacedName{Namespace: s.Namespace, Name: s.Name})
		}
	}
	return keys
}

func (w *watch) service(key types.NamespacedName) *corev1.Service {
	object, exists, err := w.services.GetStore().GetByKey(cache.NewObjectName(key.Namespace, key.Name).String())
	if err != nil || !exists {
		return nil
	}
	service, _ := object.(*corev1.Service)
	return service
}

func (w *watch) endpointSlices(key types.NamespacedName) []*discoveryv1.EndpointSlice {
	objects, err := w.slices.GetIndexer().ByIndex(byService, key.String())
	if err != nil {
		return nil
	}
	found := make([]*discoveryv1.EndpointSlice, 0, len(objects))
	for _, object := range objects {
		if slice, ok := object.(*discoveryv1.EndpointSlice); ok {
			found = append(found, slice)
		}
	}
	return found
}

func serviceOf(object any) (types.NamespacedName, bool) {
	slice, ok := object.(*discoveryv1.EndpointSlice)
	if !ok {
		return types.NamespacedName{}, false
	}
	name := slice.Labels[discoveryv1.LabelServiceName]
	return types.NamespacedName{Namespace: slice.Namespace, Name: name}, name != ""
}

// handler calls touch with every object that an event is about; both the old
// and the new one, as a slice may change hands.
func handler(touch func(object any)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: touch,
		UpdateFunc: func(before, after any) {
			touch(before)
			touch(after)
		},
		DeleteFunc: func(object any) {
			if tombstone, ok := object.(cache.DeletedFinalStateUnknown); ok {
				object = tombstone.Obj
			}
			touch(object)
		},
	}
}

// trim drops what the proxy never reads, before it is cached.
func trim(object any) (any, error) {
	if accessor, ok := object.(metav1.ObjectMetaAccessor); ok {
		accessor.GetObjectMeta().SetManagedFields(nil)
	}
	if node, ok := object.(*corev1.Node); ok {
		node.Status = corev1.NodeStatus{}
	}
	return object, nil
}
