package deployment

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rollBack carries out a rollback asked for by annotation, the way of API versions
// that are gone, and takes the annotation off. (kubectl rollout undo writes the old
// template itself.)
func (r *reconciler) rollBack(ctx context.Context, d *appsv1.Deployment, sets []*appsv1.ReplicaSet) error {
	next := d.DeepCopy()
	delete(next.Annotations, appsv1.DeprecatedRollbackTo)
	wanted, err := strconv.ParseInt(d.Annotations[appsv1.DeprecatedRollbackTo], 10, 64)
	message := "Unable to find the revision to rollback to."
	if err == nil && wanted == 0 {
		wanted = lastRevision(sets)
		message = "Unable to find last revision."
	}
	var to *appsv1.ReplicaSet
	for _, set := range sets {
		if n, err := revisionOf(set); err == nil && n == wanted && wanted != 0 {
			to = set
		}
	}
	switch {
	case to == nil:
		r.recorder.Event(d, corev1.EventTypeWarning, "DeploymentRollbackRevisionNotFound", message)
	case sameTemplate(&to.Spec.Template, &d.Spec.Template):
		r.recorder.Eventf(d, corev1.EventTypeWarning, "DeploymentRollbackTemplateUnchanged",
			"The rollback revision contains the same template as current deployment %q", d.Name)
	default:
		next.Spec.Template = *to.Spec.Template.DeepCopy()
		delete(next.Spec.Template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		for key := range next.Annotations {
			if !ownAnnotation(key) {
				delete(next.Annotations, key)
			}
		}
		for key, value := range to.Annotations {
			if !ownAnnotation(key) {
				next.Annotations[key] = value
			}
		}
	}
	updated, err := r.client.AppsV1().Deployments(d.Namespace).Update(ctx, next, metav1.UpdateOptions{})
	if err != nil {
		return fmt.Errorf("rolling back: %w", err)
	}
	if to != nil && !sameTemplate(&to.Spec.Template, &d.Spec.Template) {
		r.recorder.Eventf(d, corev1.EventTypeNormal, "DeploymentRollback", "Rolled back deployment %q to revision %d", d.Name, wanted)
	}
	// The status is written against what was just stored.
	d.ObjectMeta, d.Spec = updated.ObjectMeta, updated.Spec
	return nil
}

// lastRevision is the highest revision but one, zero if there is none.
func lastRevision(sets []*appsv1.ReplicaSet) int64 {
	var revisions []int64
	for _, set := range sets {
		if n, err := revisionOf(set); err == nil {
			revisions = append(revisions, n)
		}
	}
	slices.Sort(revisions)
	if len(revisions) < 2 {
		return 0
	}
	return revisions[len(revisions)-2]
}
