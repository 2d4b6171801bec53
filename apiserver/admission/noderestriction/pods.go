package noderestriction

import (
	"maps"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// pod allows to make mirror pods and to remove pods of the node.
func (w write) pod() error {
	switch w.Operation {
	case admission.Create:
		pod, ok := w.Object.(*corev1.Pod)
		if !ok {
			return w.no("unexpected type %T", w.Object)
		}
		return w.mirrorPod(pod)
	case admission.Delete:
		pod, err := w.p.Pod(w.ctx, w.Namespace, w.Name)
		switch {
		case apierrors.IsNotFound(err):
			return err
		case err != nil:
			return w.no("%w", err)
		case pod.Spec.NodeName != w.node:
			return w.no("node %q can only delete pods with spec.nodeName set to itself", w.node)
		}
		return nil
	}
	return w.no("unexpected operation %q, node %q can only create and delete mirror pods", w.Operation, w.node)
}

func (w write) mirrorPod(pod *corev1.Pod) error {
	if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; !mirror {
		return w.no("pod does not have %q annotation, node %q can only create mirror pods", corev1.MirrorPodAnnotationKey, w.node)
	}
	if pod.Spec.NodeName != w.node {
		return w.no("node %q can only create pods with spec.nodeName set to itself", w.node)
	}
	if len(pod.OwnerReferences) > 1 {
		return w.no("node %q can only create pods with a single owner reference set to itself", w.node)
	}
	if len(pod.OwnerReferences) == 0 {
		return w.no("node %q can only create pods with an owner reference set to itself", w.node)
	}
	owner := pod.OwnerReferences[0]
	switch {
	case owner.APIVersion != "v1" || owner.Kind != "Node" || owner.Name != w.node:
		return w.no("node %q can only create pods with an owner reference set to itself", w.node)
	case owner.Controller == nil || !*owner.Controller:
		return w.no("node %q can only create pods with a controller owner reference set to itself", w.node)
	case owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion:
		return w.no("node %q must not set blockOwnerDeletion on an owner reference", w.node)
	}
	node, err := w.p.Node(w.ctx, w.node)
	switch {
	case apierrors.IsNotFound(err):
		return err
	case err != nil:
		return w.no("error looking up node %s to verify uid: %w", w.node, err)
	case owner.UID != node.UID:
		return w.no("node %s UID mismatch: expected %s got %s", w.node, owner.UID, node.UID)
	}
	if what := refersTo(pod); what != "" {
		return w.no("node %q can not create pods that reference %s", w.node, what)
	}
	return nil
}

// refersTo names a kind of objects that a pod gives access to, if any.
func refersTo(pod *corev1.Pod) string {
	if pod.Spec.ServiceAccountName != "" {
		return "serviceaccounts"
	}
	for range podspec.Secrets(pod) {
		return "secrets"
	}
	for range podspec.ConfigMaps(pod) {
		return "configmaps"
	}
	if len(pod.Spec.ResourceClaims) > 0 {
		return "resourceclaims"
	}
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.ConfigMap != nil:
			return "configmaps (via configmap volumes)"
		case v.Secret != nil:
			return "secrets (via secret volumes)"
		case v.CSI != nil:
			return "csidrivers (via CSI volumes)"
		case v.Glusterfs != nil:
			return "endpoints (via glusterFS volumes)"
		case v.PersistentVolumeClaim != nil:
			return "persistentvolumeclaims"
		case v.Ephemeral != nil:
			return "persistentvolumeclaims (via ephemeral volumes)"
		case v.AzureFile != nil:
			return "secrets (via azureFile volumes)"
		case v.Projected != nil:
			for _, s := range v.Projected.Sources {
				if what := projected(&s); what != "" {
					return what
				}
			}
		}
	}
	return ""
}

func projected(s *corev1.VolumeProjection) string {
	switch {
	case s.ConfigMap != nil:
		return "configmaps (via projected volumes)"
	case s.Secret != nil:
		return "secrets (via projected volumes)"
	case s.ServiceAccountToken != nil:
		return "serviceaccounts (via projected volumes)"
	case s.ClusterTrustBundle != nil:
		return "clustertrustbundles"
	case s.PodCertificate != nil:
		return "podcertificates"
	}
	return ""
}

// podStatus allows to report on the pods of the node, but not about what
// others decide.
func (w write) podStatus() error {
	if w.Operation != admission.Update {
		return w.no("unexpected operation %q", w.Operation)
	}
	old, wasOne := w.OldObject.(*corev1.Pod)
	pod, ok := w.Object.(*corev1.Pod)
	if !ok || !wasOne {
		return w.no("unexpected type %T", w.Object)
	}
	same := apiequality.Semantic.DeepEqual
	switch {
	case old.Spec.NodeName != w.node:
		return w.no("node %q can only update pod status for pods with spec.nodeName set to itself", w.node)
	case !maps.Equal(old.Labels, pod.Labels):
		return w.no("node %q cannot update labels through pod status", w.node)
	case !same(old.Status.ResourceClaimStatuses, pod.Status.ResourceClaimStatuses):
		return w.no("node %q cannot update resource claim statues", w.node)
	case !same(old.Status.ExtendedResourceClaimStatus, pod.Status.ExtendedResourceClaimStatus):
		return w.no("node %q cannot update extended resource claim status", w.node)
	case !same(old.Status.NodeAllocatableResourceClaimStatuses, pod.Status.NodeAllocatableResourceClaimStatuses):
		return w.no("node %q cannot update node allocatable resource claim statuses", w.node)
	}
	return nil
}

// eviction allows to evict pods of the node.
func (w write) eviction() error {
	if w.Operation != admission.Create {
		return w.no("unexpected operation %s", w.Operation)
	}
	name := w.Name
	if e, ok := w.Object.(*policyv1.Eviction); ok && name == "" {
		name = e.Name
	}
	if name == "" {
		return w.no("could not determine pod from request data")
	}
	pod, err := w.p.Pod(w.ctx, w.Namespace, name)
	switch {
	case apierrors.IsNotFound(err):
		return err
	case err != nil:
		return w.no("%w", err)
	case pod.Spec.NodeName != w.node:
		return w.no("node %s can only evict pods with spec.nodeName set to itself", w.node)
	}
	return nil
}
