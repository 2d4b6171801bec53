package garbage

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// decision is what to do with one object.
type decision struct {
	// remove deletes the object, cascading as said.
	remove metav1.DeletionPropagation
	// dropOwners are the references to take off it.
	dropOwners []types.UID
	// unblock takes blockOwnerDeletion off its references.
	unblock bool
	// dropFinalizer takes the finalizer off it.
	dropFinalizer string
	// release takes the reference to this object off these.
	release []*object
	// look are other objects to look at first.
	look []types.UID
}

// decide says what to do with an object whose owners' states are all known.
func decide(s situation) decision {
	switch {
	case s.orphansDependents():
		return decision{release: s.dependents, dropFinalizer: metav1.FinalizerOrphanDependents}
	case s.awaitsDependents():
		return decideForeground(s)
	case s.deleting || len(s.owners) == 0:
		return decision{}
	}
	var gone, waiting []types.UID
	for _, owner := range s.owners {
		switch owner.state {
		case ownerSolid:
		case ownerAwaits:
			waiting = append(waiting, owner.ref.UID)
		case ownerAbsent:
			gone = append(gone, owner.ref.UID)
		default:
			return decision{} // not known: nothing is safe to do
		}
	}
	switch {
	case len(gone)+len(waiting) < len(s.owners):
		// One solid owner keeps it; references to others are taken off, or would hold
		// those others' deletion up.
		return decision{dropOwners: append(gone, waiting...)}
	case len(waiting) > 0 && len(s.dependents) > 0:
		// A dependent that waits for its own dependents may, in a circle, wait for us.
		circle := slices.ContainsFunc(s.dependents, (*object).awaitsDependents) &&
			slices.ContainsFunc(s.object.owners, blocks)
		return decision{unblock: circle, remove: metav1.DeletePropagationForeground}
	}
	// The object's finalizers say what its own deletion was meant to do.
	switch {
	case s.has(metav1.FinalizerOrphanDependents):
		return decision{remove: metav1.DeletePropagationOrphan}
	case s.has(metav1.FinalizerDeleteDependents):
		return decision{remove: metav1.DeletePropagationForeground}
	}
	return decision{remove: metav1.DeletePropagationBackground}
}

// decideForeground lets an object go when nothing it owns blocks it any more.
func decideForeground(s situation) decision {
	var d decision
	blocked := false
	for _, dependent := range s.dependents {
		if ref := dependent.ownedBy(s.uid); ref == nil || !blocks(*ref) {
			continue
		}
		blocked = true
		if !dependent.awaitsDependents() {
			d.look = append(d.look, dependent.uid)
		}
	}
	if !blocked {
		d.dropFinalizer = metav1.FinalizerDeleteDependents
	}
	return d
}

func blocks(ref metav1.OwnerReference) bool {
	return ref.BlockOwnerDeletion != nil && *ref.BlockOwnerDeletion
}
