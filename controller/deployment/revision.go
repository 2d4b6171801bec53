package deployment

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/keelson-project/keelson/controller/owned"
)

const (
	revisionAnnotation = "deployment.kubernetes.io/revision"
	historyAnnotation  = "deployment.kubernetes.io/revision-history"
	desiredAnnotation  = "deployment.kubernetes.io/desired-replicas"
	maxAnnotation      = "deployment.kubernetes.io/max-replicas"

	// historyLimit is the most characters kept of a set's earlier revision numbers.
	historyLimit = 2000
)

var kind = appsv1.SchemeGroupVersion.WithKind("Deployment")

// own reports whether an annotation belongs to one object and is not handed on
// between a deployment and its sets.
func ownAnnotation(key string) bool {
	switch key {
	case corev1.LastAppliedConfigAnnotation, revisionAnnotation, historyAnnotation,
		desiredAnnotation, maxAnnotation, appsv1.DeprecatedRollbackTo:
		return true
	}
	return false
}

// byAge orders sets from the oldest to the newest, then by name.
func byAge(a, b *appsv1.ReplicaSet) int {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
}

// byRevision orders sets by revision; by age where that cannot tell.
func byRevision(a, b *appsv1.ReplicaSet) int {
	x, errX := revisionOf(a)
	y, errY := revisionOf(b)
	if errX != nil || errY != nil {
		return byAge(a, b)
	}
	return cmp.Or(cmp.Compare(x, y), byAge(a, b))
}

// revisionOf reads the revision annotation; zero if there is none.
func revisionOf(set *appsv1.ReplicaSet) (int64, error) {
	text, ok := set.Annotations[revisionAnnotation]
	if !ok {
		return 0, nil
	}
	return strconv.ParseInt(text, 10, 64)
}

func maxRevision(sets []*appsv1.ReplicaSet) int64 {
	var highest int64
	for _, set := range sets {
		if n, err := revisionOf(set); err == nil {
			highest = max(highest, n)
		}
	}
	return highest
}

// sameTemplate compares templates without the hash label.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	x, y := a.DeepCopy(), b.DeepCopy()
	delete(x.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(y.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return equality.Semantic.DeepEqual(x, y)
}

// split tells the set of the current template, nil if there is none, from the others.
// Of several with that template the oldest counts.
func split(d *appsv1.Deployment, sets []*appsv1.ReplicaSet) (current *appsv1.ReplicaSet, old []*appsv1.ReplicaSet) {
	sorted := slices.SortedFunc(slices.Values(sets), byAge)
	for _, set := range sorted {
		if current == nil && sameTemplate(&set.Spec.Template, &d.Spec.Template) {
			current = set
			continue
		}
		old = append(old, set)
	}
	return current, old
}

// newSet is the set for the deployment's template, of size zero.
func newSet(d *appsv1.Deployment) *appsv1.ReplicaSet {
	hash := owned.TemplateHash(&d.Spec.Template, d.Status.CollisionCount)
	template := *d.Spec.Template.DeepCopy()
	template.Labels = with(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	selector := d.Spec.Selector.DeepCopy()
	selector.MatchLabels = with(selector.MatchLabels, appsv1.DefaultDeploymentUniqueLabelKey, hash)
	return &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Name:            setName(d.Name, hash),
			Namespace:       d.Namespace,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, kind)},
			Labels:          with(template.Labels, appsv1.DefaultDeploymentUniqueLabelKey, hash),
		},
		Spec: appsv1.ReplicaSetSpec{
			Replicas:        new(int32),
			MinReadySeconds: d.Spec.MinReadySeconds,
			Selector:        selector,
			Template:        template,
		},
	}
}

func setName(deployment, hash string) string {
	room := validation.DNS1123SubdomainMaxLength - 1 - len(hash)
	return deployment[:min(len(deployment), room)] + "-" + hash
}

func with(m map[string]string, key, value string) map[string]string {
	out := make(map[string]string, len(m)+1)
	for k, v := range m {
		out[k] = v
	}
	out[key] = value
	return out
}

// annotate brings the annotations of the current set up to date: those handed on from
// the deployment, its revision, and the revisions it had before. It reports whether
// anything changed.
func annotate(d *appsv1.Deployment, set *appsv1.ReplicaSet, revision int64) bool {
	if set.Annotations == nil {
		set.Annotations = make(map[string]string)
	}
	changed := false
	for key, value := range d.Annotations {
		if have, ok := set.Annotations[key]; !ownAnnotation(key) && (!ok || have != value) {
			set.Annotations[key] = value
			changed = true
		}
	}
	before, had := set.Annotations[revisionAnnotation]
	was, err := revisionOf(set)
	if had && before == "" {
		was, err = 0, nil
	}
	// Sets that were newer may have been deleted since; a set's number never falls.
	if err != nil || was >= revision {
		return changed
	}
	set.Annotations[revisionAnnotation] = strconv.FormatInt(revision, 10)
	if had {
		set.Annotations[historyAnnotation] = remember(set.Annotations[historyAnnotation], before)
	}
	return true
}

// remember appends a revision to a comma-separated history, dropping the earliest
// entries where it gets too long.
func remember(history, revision string) string {
	if history == "" {
		return revision
	}
	longer := history + "," + revision
	for len(longer) > historyLimit {
		_, rest, more := strings.Cut(longer, ",")
		if !more {
			return history
		}
		longer = rest
	}
	return longer
}

// annotateSize notes on the set what size the deployment had when the set was last
// sized, which is how scaling is told from rolling out. It reports a change.
func annotateSize(d *appsv1.Deployment, set *appsv1.ReplicaSet) bool {
	desired := strconv.Itoa(int(*d.Spec.Replicas))
	most := strconv.Itoa(int(*d.Spec.Replicas + maxSurge(d)))
	if set.Annotations[desiredAnnotation] == desired && set.Annotations[maxAnnotation] == most {
		return false
	}
	if set.Annotations == nil {
		set.Annotations = make(map[string]string)
	}
	set.Annotations[desiredAnnotation] = desired
	set.Annotations[maxAnnotation] = most
	return true
}

// sizeAnnotation reads a size noted by annotateSize.
func sizeAnnotation(set *appsv1.ReplicaSet, key string) (int32, bool) {
	text, ok := set.Annotations[key]
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(text, 10, 31)
	return int32(n), err == nil
}
