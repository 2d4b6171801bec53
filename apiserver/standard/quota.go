package standard

import (
	"context"
	"errors"
	"iter"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/apiserver/admission/resourcequota"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/internal/quota"
)

// quotaManager is who the usage in the status of quotas is tracked under.
const quotaManager = "kube-apiserver"

// resourceQuota makes the step that keeps namespaces to their quotas.
func resourceQuota(r *registry.Registry) *resourcequota.Plugin {
	gvr := corev1.SchemeGroupVersion.WithResource("resourcequotas")
	quotas := registry.ObjectsOf[*corev1.ResourceQuota](r, gvr)
	return resourcequota.New(resourcequota.Config{
		Meter: quota.New(deviceLookup(r)), Quotas: quotas.All, Newest: quotas.GetNewest,
		Reserve: func(ctx context.Context, q *corev1.ResourceQuota, used corev1.ResourceList) error {
			w := registry.Write{Namespace: q.Namespace, Name: q.Name, Subresource: "status", Manager: quotaManager}
			_, err := r.Resource(gvr).Amend(ctx, w, func(_ context.Context, now kinds.Object) (kinds.Object, registry.Tracked, error) {
				if now.GetResourceVersion() != q.ResourceVersion {
					return nil, false, apierrors.NewConflict(gvr.GroupResource(), q.Name, errors.New("its usage has changed"))
				}
				next := now.DeepCopyObject().(*corev1.ResourceQuota)
				next.Status.Used = used
				return next, false, nil
			})
			return err
		},
	})
}

// extendedResources are the names by which pods ask for the devices of classes.
type extendedResources struct {
	ofClass map[string]string
	classes map[corev1.ResourceName]bool
}

func extendedResourcesOf(all iter.Seq[*resourcev1.DeviceClass]) extendedResources {
	e := extendedResources{map[string]string{}, map[corev1.ResourceName]bool{}}
	for c := range all {
		e.classes[corev1.ResourceName(resourcev1.ResourceDeviceClassPrefix+c.Name)] = true
		if name := c.Spec.ExtendedResourceName; name != nil {
			e.ofClass[c.Name] = *name
			e.classes[corev1.ResourceName(*name)] = true
		}
	}
	return e
}

// deviceLookup is what measuring claims of devices needs to know. It reads
// memory alone, which fails only when the request or the server ends.
func deviceLookup(r *registry.Registry) func(context.Context) quota.Lookup {
	classes := registry.ObjectsOf[*resourcev1.DeviceClass](r, resourcev1.SchemeGroupVersion.WithResource("deviceclasses"))
	claims := registry.ObjectsOf[*resourcev1.ResourceClaim](r, resourcev1.SchemeGroupVersion.WithResource("resourceclaims"))
	pods := registry.ObjectsOf[*corev1.Pod](r, corev1.SchemeGroupVersion.WithResource("pods"))
	extended := registry.Derive(classes, extendedResourcesOf)
	return func(ctx context.Context) quota.Lookup {
		return quota.Lookup{
			ExtendedResource: func(class string) string {
				e, err := extended(ctx)
				if err != nil {
					return ""
				}
				return e.ofClass[class]
			},
			HasClass: func(name corev1.ResourceName) bool {
				e, err := extended(ctx)
				return err == nil && e.classes[name]
			},
			Pod: func(namespace, name string) *corev1.Pod {
				pod, err := pods.Get(ctx, namespace, name)
				if err != nil {
					return nil
				}
				return pod
			},
			Owned: func(namespace string, pod types.UID) (owned []*resourcev1.ResourceClaim) {
				all, err := claims.All(ctx, namespace)
				if err != nil {
					return nil
				}
				for c := range all {
					owner := metav1.GetControllerOfNoCopy(c)
					if c.Annotations[resourcev1.ExtendedResourceClaimAnnotation] == "true" && owner != nil && owner.Kind == "Pod" && owner.UID == pod {
						owned = append(owned, c)
					}
				}
				return owned
			},
		}
	}
}
