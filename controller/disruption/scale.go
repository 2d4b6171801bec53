package disruption

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"
)

// discoverer finds how a kind is addressed, and asks for its scale.
type discoverer interface {
	ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error)
	RESTClient() rest.Interface
}

// wanted says what a budget demands: how many pods there should be, and how many of
// them healthy.
type wanted struct{ pods, healthy int32 }

// wanted works out what a budget demands of the pods it protects. Pods without a
// controller are not counted where it is controllers that say how many there should be.
func (s *scales) wanted(ctx context.Context, b *policyv1.PodDisruptionBudget, pods []*corev1.Pod) (w wanted, unmanaged bool, err error) {
	least, most := b.Spec.MinAvailable, b.Spec.MaxUnavailable
	if most == nil && (least == nil || least.Type == intstr.Int) {
		w.pods = int32(len(pods))
		if least != nil {
			w.healthy = least.IntVal
		}
		return w, false, nil
	}
	if w.pods, unmanaged, err = s.total(ctx, b.Namespace, pods); err != nil {
		return w, unmanaged, err
	}
	if most == nil {
		n, err := intstr.GetScaledValueFromIntOrPercent(least, int(w.pods), true)
		w.healthy = int32(n)
		return w, unmanaged, err
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(most, int(w.pods), true)
	w.healthy = max(0, w.pods-int32(n))
	return w, unmanaged, err
}

// total is the sum of what the controllers of pods want.
func (s *scales) total(ctx context.Context, namespace string, pods []*corev1.Pod) (total int32, unmanaged bool, err error) {
	seen := map[types.UID]bool{}
	for _, pod := range pods {
		ref := metav1.GetControllerOfNoCopy(pod)
		if ref == nil {
			unmanaged = true
			continue
		}
		if seen[ref.UID] {
			continue
		}
		seen[ref.UID] = true
		uid, n, err := s.of(ctx, namespace, ref)
		if err != nil {
			return 0, unmanaged, err
		}
		if uid != ref.UID { // the controller's own controller
			if seen[uid] {
				continue
			}
			seen[uid] = true
		}
		total += n
	}
	return total, unmanaged, nil
}

// of is how many pods a controller wants, or the one above it, whose UID it returns.
func (s *scales) of(ctx context.Context, namespace string, ref *metav1.OwnerReference) (types.UID, int32, error) {
	gv, err := schema.ParseGroupVersion(ref.APIVersion)
	if err != nil {
		return "", 0, err
	}
	switch gv.WithKind(ref.Kind).GroupKind() {
	case schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}:
		set, err := s.replicaSets.ReplicaSets(namespace).Get(ref.Name)
		if err != nil || set.UID != ref.UID {
			return ref.UID, 0, ignoreNotFound(err)
		}
		if above := metav1.GetControllerOfNoCopy(set); above != nil && above.Kind == "Deployment" {
			d, err := s.deployments.Deployments(namespace).Get(above.Name)
			if err == nil && d.UID == above.UID {
				return d.UID, *d.Spec.Replicas, nil
			}
		}
		return ref.UID, *set.Spec.Replicas, nil
	case schema.GroupKind{Group: "apps", Kind: "StatefulSet"}:
		set, err := s.statefulSets.StatefulSets(namespace).Get(ref.Name)
		if err != nil || set.UID != ref.UID {
			return ref.UID, 0, ignoreNotFound(err)
		}
		return ref.UID, *set.Spec.Replicas, nil
	case schema.GroupKind{Kind: "ReplicationController"}:
		rc, err := s.controllers.ReplicationControllers(namespace).Get(ref.Name)
		if err != nil || rc.UID != ref.UID {
			return ref.UID, 0, ignoreNotFound(err)
		}
		return ref.UID, *rc.Spec.Replicas, nil
	}
	n, err := s.ask(ctx, gv, namespace, ref)
	return ref.UID, n, err
}

// ask gets the scale of a controller of any other kind.
func (s *scales) ask(ctx context.Context, gv schema.GroupVersion, namespace string, ref *metav1.OwnerReference) (int32, error) {
	list, err := s.discovery.ServerResourcesForGroupVersion(ref.APIVersion)
	if err != nil {
		return 0, fmt.Errorf("finding %s %s: %w", ref.APIVersion, ref.Kind, err)
	}
	plural, scaled := "", map[string]bool{}
	for _, r := range list.APIResources {
		scaled[r.Name] = true
		if r.Kind == ref.Kind && !strings.Contains(r.Name, "/") {
			plural = r.Name
		}
	}
	if plural == "" || !scaled[plural+"/scale"] {
		return 0, fmt.Errorf("%s does not implement the scale subresource", gv.WithKind(ref.Kind))
	}
	root := "/apis/" + gv.Group + "/" + gv.Version
	if gv.Group == "" {
		root = "/api/" + gv.Version
	}
	data, err := s.discovery.RESTClient().Get().AbsPath(root, "namespaces", namespace, plural, ref.Name, "scale").DoRaw(ctx)
	if err != nil {
		return 0, ignoreNotFound(err)
	}
	var scale autoscalingv1.Scale
	if err := json.Unmarshal(data, &scale); err != nil {
		return 0, fmt.Errorf("scale of %s %s: %w", ref.Kind, ref.Name, err)
	}
	if scale.UID != ref.UID {
		return 0, nil
	}
	return scale.Spec.Replicas, nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
