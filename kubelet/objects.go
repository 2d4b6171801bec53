package kubelet

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// objectTimeout is how long to wait for the API's first answer on an object.
const objectTimeout = 10 * time.Second

// objectKey names a config map or secret.
type objectKey struct{ kind, namespace, name string }

// objects watches the config maps and secrets that pods of this node refer to,
// each one as long as there is such a pod.
type objects struct {
	k  *Kubelet
	mu sync.Mutex
	by map[objectKey]*watchedObject
}

type watchedObject struct {
	users  map[types.UID]bool
	get    func() (object, bool)
	synced <-chan struct{}
	cancel context.CancelFunc
}

// get returns an object, and has the pod woken when it changes.
func (o *objects) get(ctx context.Context, user types.UID, key objectKey) (object, error) {
	o.mu.Lock()
	w, ok := o.by[key]
	if !ok {
		w = o.watch(key)
		o.by[key] = w
	}
	w.users[user] = true
	o.mu.Unlock()

	timer := time.NewTimer(objectTimeout)
	defer timer.Stop()
	select {
	case <-w.synced:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, fmt.Errorf("failed to sync %s cache: timed out waiting for the condition", key.kind)
	}
	obj, ok := w.get()
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: key.kind}, key.name)
	}
	return obj, nil
}

// watch begins to watch an object; o.mu is held.
func (o *objects) watch(key objectKey) *watchedObject {
	ctx, cancel := context.WithCancel(o.k.ctx)
	w := &watchedObject{users: make(map[types.UID]bool), cancel: cancel}
	selector := fields.OneTermEqualSelector("metadata.name", key.name).String()
	if key.kind == "secret" {
		secrets := o.k.cfg.Client.CoreV1().Secrets(key.namespace)
		f := newFeed(
			func(ctx context.Context, l metav1.ListOptions) (kruntime.Object, error) { return secrets.List(ctx, l) },
			func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) { return secrets.Watch(ctx, l) },
			selector, func(*corev1.Secret, bool) { o.changed(key) })
		w.get = func() (object, bool) { return f.get(key.namespace, key.name) }
		w.synced = f.synced
		o.k.tasks.start(func() { f.run(ctx, o.k.cfg.Client) })
		return w
	}
	maps := o.k.cfg.Client.CoreV1().ConfigMaps(key.namespace)
	f := newFeed(
		func(ctx context.Context, l metav1.ListOptions) (kruntime.Object, error) { return maps.List(ctx, l) },
		func(ctx context.Context, l metav1.ListOptions) (watch.Interface, error) { return maps.Watch(ctx, l) },
		selector, func(*corev1.ConfigMap, bool) { o.changed(key) })
	w.get = func() (object, bool) { return f.get(key.namespace, key.name) }
	w.synced = f.synced
	o.k.tasks.start(func() { f.run(ctx, o.k.cfg.Client) })
	return w
}

// changed wakes the pods that refer to an object.
func (o *objects) changed(key objectKey) {
	o.mu.Lock()
	var users []types.UID
	if w, ok := o.by[key]; ok {
		for uid := range w.users {
			users = append(users, uid)
		}
	}
	o.mu.Unlock()
	for _, uid := range users {
		if w := o.k.worker(uid); w != nil {
			w.refresh()
		}
	}
}

// release ends a pod's interest in all objects.
func (o *objects) release(user types.UID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, w := range o.by {
		delete(w.users, user)
		if len(w.users) == 0 {
			w.cancel()
			delete(o.by, key)
		}
	}
}

// podReferences looks up objects for one pod. A simulated node asks the API
// each time instead of watching.
type podReferences struct {
	k   *Kubelet
	uid types.UID
}

func (r podReferences) getConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error) {
	if r.k.simulated() {
		return r.k.cfg.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
	}
	obj, err := r.k.objects.get(ctx, r.uid, objectKey{"configmap", namespace, name})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.ConfigMap), nil
}

func (r podReferences) getSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	if r.k.simulated() {
		return r.k.cfg.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
	}
	obj, err := r.k.objects.get(ctx, r.uid, objectKey{"secret", namespace, name})
	if err != nil {
		return nil, err
	}
	return obj.(*corev1.Secret), nil
}

// serviceVariables are a pod's service variables. A simulated node has none:
// it would have to watch all services for the sake of containers that do not
// read them.
func (k *Kubelet) serviceVariables(pod *corev1.Pod) map[string]string {
	if k.services == nil {
		return nil
	}
	links := pod.Spec.EnableServiceLinks == nil || *pod.Spec.EnableServiceLinks
	return serviceVariables(k.services.list(), pod.Namespace, links)
}

// runtimeHandler is the runtime's handler for a pod's RuntimeClass.
func (k *Kubelet) runtimeHandler(pod *corev1.Pod) (string, error) {
	if pod.Spec.RuntimeClassName == nil || *pod.Spec.RuntimeClassName == "" {
		return "", nil
	}
	class, err := k.cfg.Client.NodeV1().RuntimeClasses().Get(k.ctx, *pod.Spec.RuntimeClassName, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("runtime class %q of the pod: %w", *pod.Spec.RuntimeClassName, err)
	}
	return class.Handler, nil
}
