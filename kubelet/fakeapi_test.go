package kubelet_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	clienttesting "k8s.io/client-go/testing"
)

// api is a small API in memory: client-go's object tracker, with revisions,
// UIDs and graceful deletion of pods added.
type api struct {
	*fake.Clientset
	tracker *versioned
}

type versioned struct {
	clienttesting.ObjectTracker
	mu       sync.Mutex
	revision int
}

func (v *versioned) stamp(obj runtime.Object) error {
	m, err := meta.Accessor(obj)
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.revision++
	m.SetResourceVersion(strconv.Itoa(1000 + v.revision))
	if m.GetUID() == "" {
		m.SetUID(types.UID(fmt.Sprintf("uid-%d", v.revision)))
		m.SetCreationTimestamp(metav1.NewTime(time.Now()))
	}
	return nil
}

func (v *versioned) Create(gvr schema.GroupVersionResource, obj runtime.Object, ns string, o ...metav1.CreateOptions) error {
	if err := v.stamp(obj); err != nil {
		return err
	}
	return v.ObjectTracker.Create(gvr, obj, ns, o...)
}

func (v *versioned) Update(gvr schema.GroupVersionResource, obj runtime.Object, ns string, o ...metav1.UpdateOptions) error {
	if err := v.stamp(obj); err != nil {
		return err
	}
	return v.ObjectTracker.Update(gvr, obj, ns, o...)
}

func (v *versioned) Patch(gvr schema.GroupVersionResource, obj runtime.Object, ns string, o ...metav1.PatchOptions) error {
	if err := v.stamp(obj); err != nil {
		return err
	}
	return v.ObjectTracker.Patch(gvr, obj, ns, o...)
}

func newAPI(t *testing.T) *api {
	t.Helper()
	tracker := &versioned{ObjectTracker: clienttesting.NewObjectTracker(scheme.Scheme, scheme.Codecs.UniversalDecoder())}
	client := &fake.Clientset{}
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	client.AddReactor("delete", "pods", func(action clienttesting.Action) (bool, runtime.Object, error) {
		del := action.(clienttesting.DeleteActionImpl)
		obj, err := tracker.Get(pods, del.Namespace, del.Name)
		if err != nil {
			return true, nil, err
		}
		pod := obj.(*corev1.Pod).DeepCopy()
		seconds := int64(30)
		if pod.Spec.TerminationGracePeriodSeconds != nil {
			seconds = *pod.Spec.TerminationGracePeriodSeconds
		}
		if del.DeleteOptions.GracePeriodSeconds != nil {
			seconds = *del.DeleteOptions.GracePeriodSeconds
		}
		if seconds == 0 {
			now := metav1.NewTime(time.Now())
			pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &seconds
			if err := tracker.Update(pods, pod, del.Namespace); err != nil {
				return true, nil, err
			}
			return true, nil, tracker.Delete(pods, del.Namespace, del.Name)
		}
		at := metav1.NewTime(time.Now().Add(time.Duration(seconds) * time.Second))
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &at, &seconds
		return true, pod, tracker.Update(pods, pod, del.Namespace)
	})
	client.AddReactor("*", "*", clienttesting.ObjectReaction(tracker))
	client.AddWatchReactor("*", func(action clienttesting.Action) (bool, watchInterface, error) {
		opts := metav1.ListOptions{}
		if w, ok := action.(clienttesting.WatchActionImpl); ok {
			opts = w.ListOptions
		}
		w, err := tracker.Watch(action.GetResource(), action.GetNamespace(), opts)
		return true, w, err
	})
	return &api{Clientset: client, tracker: tracker}
}

// IsWatchListSemanticsUnSupported tells client-go to list before it watches.
func (a *api) IsWatchListSemanticsUnSupported() bool { return true }
