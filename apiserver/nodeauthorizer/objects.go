package nodeauthorizer

import (
	"iter"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/keelson-project/keelson/apiserver/kinds/core"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// objects say what belongs to a node: what its pods name, directly or by their
// claims' volumes. They look at the pods of the node, never at all pods.
type objects struct {
	pods         *registry.Objects[*corev1.Pod]
	volumes      *registry.Objects[*corev1.PersistentVolume]
	attachments  *registry.Objects[*storagev1.VolumeAttachment]
	slices       *registry.Objects[*resourcev1.ResourceSlice]
	certificates *registry.Objects[*certificatesv1.PodCertificateRequest]
}

func newObjects(r *registry.Registry) objects {
	return objects{
		pods:         registry.ObjectsOf[*corev1.Pod](r, corev1.SchemeGroupVersion.WithResource("pods")),
		volumes:      registry.ObjectsOf[*corev1.PersistentVolume](r, corev1.SchemeGroupVersion.WithResource("persistentvolumes")),
		attachments:  registry.ObjectsOf[*storagev1.VolumeAttachment](r, storagev1.SchemeGroupVersion.WithResource("volumeattachments")),
		slices:       registry.ObjectsOf[*resourcev1.ResourceSlice](r, resourcev1.SchemeGroupVersion.WithResource("resourceslices")),
		certificates: registry.ObjectsOf[*certificatesv1.PodCertificateRequest](r, certificatesv1.SchemeGroupVersion.WithResource("podcertificaterequests")),
	}
}

// named reports whether a pod on the node, in a namespace, has a name among
// those that of picks. Mirror pods give no access: a kubelet makes them itself.
func (o objects) named(q question, namespace, name string, of func(*corev1.Pod) iter.Seq[string]) bool {
	all, err := o.pods.OnNode(q.ctx, q.node)
	if err != nil {
		return false
	}
	for pod := range all {
		if _, mirror := pod.Annotations[corev1.MirrorPodAnnotationKey]; mirror || pod.Namespace != namespace {
			continue
		}
		for n := range of(pod) {
			if n == name {
				return true
			}
		}
	}
	return false
}

func (o objects) secret(q question) bool {
	if o.named(q, q.GetNamespace(), q.GetName(), podspec.Secrets) {
		return true
	}
	volumes, err := o.volumes.With(q.ctx, "", core.VolumeWithSecret(q.GetNamespace(), q.GetName()))
	if err != nil {
		return false
	}
	for v := range volumes {
		if o.mounts(q, v) {
			return true
		}
	}
	return false
}

// mounts reports whether a pod on the node uses a volume.
func (o objects) mounts(q question, v *corev1.PersistentVolume) bool {
	claim := v.Spec.ClaimRef
	return claim != nil && o.named(q, claim.Namespace, claim.Name, claims)
}

func (o objects) configMap(q question) bool {
	return o.named(q, q.GetNamespace(), q.GetName(), podspec.ConfigMaps)
}

func (o objects) claim(q question) bool { return o.named(q, q.GetNamespace(), q.GetName(), claims) }

func (o objects) deviceClaim(q question) bool {
	return o.named(q, q.GetNamespace(), q.GetName(), deviceClaims)
}

func (o objects) account(q question) bool {
	return o.named(q, q.GetNamespace(), q.GetName(), func(pod *corev1.Pod) iter.Seq[string] {
		return func(yield func(string) bool) { yield(pod.Spec.ServiceAccountName) }
	})
}

func (o objects) volume(q question) bool {
	v, err := o.volumes.Get(q.ctx, "", q.GetName())
	return err == nil && o.mounts(q, v)
}

func (o objects) attachment(q question) bool {
	a, err := o.attachments.Get(q.ctx, "", q.GetName())
	return err == nil && a.Spec.NodeName == q.node
}

func (o objects) slice(q question) bool {
	s, err := o.slices.Get(q.ctx, "", q.GetName())
	return err == nil && s.Spec.NodeName != nil && *s.Spec.NodeName == q.node
}

func (o objects) certificate(q question) bool {
	c, err := o.certificates.Get(q.ctx, q.GetNamespace(), q.GetName())
	return err == nil && string(c.Spec.NodeName) == q.node
}

func (o objects) pod(q question) bool {
	pod, err := o.pods.Get(q.ctx, q.GetNamespace(), q.GetName())
	return err == nil && pod.Spec.NodeName == q.node
}

// claims are the names of the volume claims of a pod.
func claims(pod *corev1.Pod) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range pod.Spec.Volumes {
			v := &pod.Spec.Volumes[i]
			name := ""
			switch {
			case v.PersistentVolumeClaim != nil:
				name = v.PersistentVolumeClaim.ClaimName
			case v.Ephemeral != nil:
				name = pod.Name + "-" + v.Name
			}
			if name != "" && !yield(name) {
				return
			}
		}
	}
}

// deviceClaims are the names of the resource claims of a pod: those that it
// names, and those that have been made for it.
func deviceClaims(pod *corev1.Pod) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range pod.Spec.ResourceClaims {
			if c.ResourceClaimName != nil && !yield(*c.ResourceClaimName) {
				return
			}
			if c.ResourceClaimTemplateName == nil {
				continue
			}
			for _, s := range pod.Status.ResourceClaimStatuses {
				if s.Name == c.Name && s.ResourceClaimName != nil && !yield(*s.ResourceClaimName) {
					return
				}
			}
		}
		if s := pod.Status.ExtendedResourceClaimStatus; s != nil && s.ResourceClaimName != "" {
			yield(s.ResourceClaimName)
		}
	}
}
