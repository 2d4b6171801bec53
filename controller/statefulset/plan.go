package statefulset

import (
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/keelson-project/keelson/controller/owned"
)

// view is a set, the templates of its revisions, and its pods.
type view struct {
	set *appsv1.StatefulSet
	// current and update name the revisions being left and being moved to.
	current, update                 string
	currentTemplate, updateTemplate *corev1.PodTemplateSpec
	pods                            []*corev1.Pod
	now                             time.Time
}

// plan is the next step. Pods to create are complete.
type plan struct {
	create []*corev1.Pod
	remove []*corev1.Pod
	// identify are pods whose labels or volumes must be put right.
	identify []*corev1.Pod
}

// ordinalOf is the number in the name of a pod of the set, -1 if it is none.
func ordinalOf(set *appsv1.StatefulSet, name string) int {
	text, ok := strings.CutPrefix(name, set.Name+"-")
	if !ok || text == "" || (len(text) > 1 && text[0] == '0') {
		return -1
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

func start(set *appsv1.StatefulSet) int {
	if set.Spec.Ordinals != nil {
		return int(set.Spec.Ordinals.Start)
	}
	return 0
}

func revisionOf(pod *corev1.Pod) string { return pod.Labels[appsv1.StatefulSetRevisionLabel] }

func partition(set *appsv1.StatefulSet) int {
	if set.Spec.UpdateStrategy.RollingUpdate == nil {
		return 0
	}
	return int(ptr.Deref(set.Spec.UpdateStrategy.RollingUpdate.Partition, 0))
}

func maxUnavailable(set *appsv1.StatefulSet) int {
	if set.Spec.UpdateStrategy.RollingUpdate == nil {
		return 1
	}
	limit := intstr.ValueOrDefault(set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
	n, err := intstr.GetScaledValueFromIntOrPercent(limit, int(*set.Spec.Replicas), false)
	if err != nil {
		return 1
	}
	return max(1, n)
}

func (v *view) isParallel() bool {
	return v.set.Spec.PodManagementPolicy == appsv1.ParallelPodManagement
}

func (v *view) isAvailable(pod *corev1.Pod) bool {
	return pod != nil && pod.DeletionTimestamp == nil && owned.IsAvailable(pod, v.set.Spec.MinReadySeconds, v.now)
}

// slots returns the pods by their place, nil where one is missing, and those beyond
// the set's size, the highest ordinal first.
func (v *view) slots() (slots, condemned []*corev1.Pod) {
	slots = make([]*corev1.Pod, *v.set.Spec.Replicas)
	for _, pod := range v.pods {
		ordinal := ordinalOf(v.set, pod.Name)
		if i := ordinal - start(v.set); ordinal >= 0 && i >= 0 && i < len(slots) {
			slots[i] = pod
		} else if ordinal >= 0 {
			condemned = append(condemned, pod)
		}
	}
	slices.SortFunc(condemned, func(a, b *corev1.Pod) int { return ordinalOf(v.set, b.Name) - ordinalOf(v.set, a.Name) })
	return slots, condemned
}

// next plans the next step: the set gets complete, then shrinks, then is updated. In
// order means one pod at a time, each available before the next.
func (v *view) next() plan {
	var p plan
	slots, condemned := v.slots()
	inOrder := !v.isParallel()
	for i, pod := range slots {
		switch {
		case pod == nil:
			p.create = append(p.create, v.newPod(start(v.set)+i))
			if inOrder {
				return p
			}
			continue
		case owned.IsFinished(pod):
			if pod.DeletionTimestamp == nil {
				p.remove = append(p.remove, pod)
			}
			if inOrder {
				return p
			}
			continue
		case inOrder && !v.isAvailable(pod):
			return p
		}
		if pod.DeletionTimestamp == nil && !v.identityMatches(pod) {
			p.identify = append(p.identify, pod)
		}
	}
	if stop := v.shrink(&p, slots, condemned); stop {
		return p
	}
	if v.set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
		v.roll(&p, slots)
	}
	return p
}

// shrink removes pods beyond the size. It reports whether, in order, nothing more may
// be done now.
func (v *view) shrink(p *plan, slots, condemned []*corev1.Pod) bool {
	inOrder := !v.isParallel()
	// The lowest pod that is not available may be removed for that.
	var broken *corev1.Pod
	for _, pod := range slices.Backward(condemned) {
		if broken == nil && !v.isAvailable(pod) {
			broken = pod
		}
	}
	if i := slices.IndexFunc(slots, func(pod *corev1.Pod) bool { return !v.isAvailable(pod) }); i >= 0 {
		broken = slots[i]
	}
	for _, pod := range condemned {
		switch {
		case pod.DeletionTimestamp != nil:
			if inOrder {
				return true
			}
		case inOrder && !v.isAvailable(pod) && pod != broken:
			return true
		default:
			p.remove = append(p.remove, pod)
			if inOrder {
				return true
			}
		}
	}
	return false
}

// roll removes pods of older revisions, from the highest ordinal down to the
// partition, as far as the limit on unavailable pods allows.
func (v *view) roll(p *plan, slots []*corev1.Pod) {
	unavailable := 0
	for _, pod := range slots {
		if !v.isAvailable(pod) {
			unavailable++
		}
	}
	outdated := func(pod *corev1.Pod) bool {
		return pod != nil && pod.DeletionTimestamp == nil && revisionOf(pod) != v.update
	}
	budget := maxUnavailable(v.set) - unavailable
	lowest := partition(v.set)
	for i := len(slots) - 1; i >= lowest; i-- {
		pod := slots[i]
		switch {
		case !outdated(pod):
		case v.isParallel() && !v.isAvailable(pod):
			p.remove = append(p.remove, pod) // costs nothing
		case budget > 0:
			p.remove = append(p.remove, pod)
			budget--
		}
	}
}

// identityMatches: the pod has the labels and volumes of its place.
func (v *view) identityMatches(pod *corev1.Pod) bool {
	if pod.Labels[appsv1.StatefulSetPodNameLabel] != pod.Name {
		return false
	}
	for _, template := range v.set.Spec.VolumeClaimTemplates {
		want := claimName(v.set, template.Name, ordinalOf(v.set, pod.Name))
		if !slices.ContainsFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool {
			return volume.Name == template.Name && volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == want
		}) {
			return false
		}
	}
	return true
}

// newPod is the pod of that ordinal, of the revision that belongs there: below the
// partition the current one.
func (v *view) newPod(ordinal int) *corev1.Pod {
	template, revision := v.updateTemplate, v.update
	below := ordinal < start(v.set)+partition(v.set)
	if v.set.Spec.UpdateStrategy.RollingUpdate == nil && v.set.Spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		below = ordinal < start(v.set)+int(v.set.Status.CurrentReplicas)
	}
	if below {
		template, revision = v.currentTemplate, v.current
	}
	pod := owned.NewPod(template, v.set, metav1.NewControllerRef(v.set, kind))
	pod.GenerateName = ""
	pod.Name = v.set.Name + "-" + strconv.Itoa(ordinal)
	pod.Namespace = v.set.Namespace
	pod.Labels[appsv1.StatefulSetRevisionLabel] = revision
	pod.Spec.Hostname = pod.Name
	pod.Spec.Subdomain = v.set.Spec.ServiceName
	identify(v.set, pod)
	return pod
}

// identify gives the pod the labels and volumes of its place.
func identify(set *appsv1.StatefulSet, pod *corev1.Pod) {
	if pod.Labels == nil {
		pod.Labels = make(map[string]string)
	}
	ordinal := ordinalOf(set, pod.Name)
	pod.Labels[appsv1.StatefulSetPodNameLabel] = pod.Name
	pod.Labels[appsv1.PodIndexLabel] = strconv.Itoa(ordinal)
	var volumes []corev1.Volume
	templated := make(map[string]bool)
	for _, template := range set.Spec.VolumeClaimTemplates {
		templated[template.Name] = true
		volumes = append(volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName(set, template.Name, ordinal)},
		}})
	}
	for _, volume := range pod.Spec.Volumes {
		if !templated[volume.Name] {
			volumes = append(volumes, volume)
		}
	}
	pod.Spec.Volumes = volumes
}

// status counts the pods, as they are after the plan was carried out.
func (v *view) status() appsv1.StatefulSetStatus {
	s := appsv1.StatefulSetStatus{
		ObservedGeneration: v.set.Generation,
		CurrentRevision:    v.current,
		UpdateRevision:     v.update,
		CollisionCount:     v.set.Status.CollisionCount,
		Conditions:         v.set.Status.Conditions,
	}
	for _, pod := range v.pods {
		if ordinalOf(v.set, pod.Name) < 0 {
			continue
		}
		s.Replicas++
		if pod.Status.Phase == corev1.PodRunning && owned.IsReady(pod) {
			s.ReadyReplicas++
			if owned.IsAvailable(pod, v.set.Spec.MinReadySeconds, v.now) {
				s.AvailableReplicas++
			}
		}
		if pod.DeletionTimestamp != nil {
			continue
		}
		if revisionOf(pod) == v.current {
			s.CurrentReplicas++
		}
		if revisionOf(pod) == v.update {
			s.UpdatedReplicas++
		}
	}
	if want := *v.set.Spec.Replicas; s.UpdatedReplicas == want && s.ReadyReplicas == want && s.Replicas == want {
		s.CurrentReplicas, s.CurrentRevision = s.UpdatedReplicas, s.UpdateRevision
	}
	return s
}
