// Package history keeps the past templates of DaemonSets and StatefulSets in
// ControllerRevision objects, in the form that kubectl rollout undo applies.
package history

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"

	"github.com/keelson-project/keelson/controller/owned"
)

// ErrCollision: another template has the same hash. The owner's collision count must
// be raised before the next try.
var ErrCollision = errors.New("another revision has the same hash")

// Keeper reads and writes revisions.
type Keeper struct {
	Client kubernetes.Interface
	Lister appslisters.ControllerRevisionLister
}

// Patch is the template as revision data: a patch that puts it in place of another.
func Patch(template *corev1.PodTemplateSpec) ([]byte, error) {
	data, err := json.Marshal(template)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]any)
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	fields["$patch"] = "replace"
	return json.Marshal(map[string]any{"spec": map[string]any{"template": fields}})
}

// Template is the inverse of [Patch].
func Template(revision *appsv1.ControllerRevision) (*corev1.PodTemplateSpec, error) {
	var data struct {
		Spec struct {
			Template corev1.PodTemplateSpec `json:"template"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(revision.Data.Raw, &data); err != nil {
		return nil, fmt.Errorf("reading controller revision %s/%s: %w", revision.Namespace, revision.Name, err)
	}
	return &data.Spec.Template, nil
}

// Hash names revision data by its content, as the upstream controllers do for
// StatefulSets.
func Hash(data []byte, collisions *int32) string {
	h := fnv.New32()
	h.Write(data)
	if collisions != nil {
		fmt.Fprint(h, *collisions)
	}
	return rand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}

// Of claims the revisions of an owner and returns them, the earliest first.
func (k Keeper) Of(ctx context.Context, owner metav1.Object, kind schema.GroupVersionKind, selector labels.Selector, live func(context.Context) (metav1.Object, error)) ([]*appsv1.ControllerRevision, error) {
	all, err := k.Lister.ControllerRevisions(owner.GetNamespace()).List(labels.Everything())
	if err != nil {
		return nil, err
	}
	mine, err := owned.Claim[*appsv1.ControllerRevision]{
		Owner:    owner,
		Kind:     kind,
		Selector: selector,
		Live:     live,
		Patch: func(ctx context.Context, namespace, name string, patch []byte) error {
			_, err := k.Client.AppsV1().ControllerRevisions(namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
	}.Of(ctx, all)
	slices.SortFunc(mine, func(a, b *appsv1.ControllerRevision) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	return mine, err
}

// Ensure makes the revision that want describes the latest, creating it if no other
// has its data. It returns the revision and the others. existing is in the order of
// [Keeper.Of].
func (k Keeper) Ensure(ctx context.Context, want *appsv1.ControllerRevision, existing []*appsv1.ControllerRevision) (current *appsv1.ControllerRevision, old []*appsv1.ControllerRevision, err error) {
	var highest int64
	for _, revision := range existing {
		if sameData(revision, want) {
			if current != nil {
				old = append(old, current)
			}
			current = revision
			continue
		}
		highest = max(highest, revision.Revision)
		old = append(old, revision)
	}
	client := k.Client.AppsV1().ControllerRevisions(want.Namespace)
	if current != nil {
		if current.Revision > highest {
			return current, old, nil
		}
		next := current.DeepCopy()
		next.Revision = highest + 1
		current, err = client.Update(ctx, next, metav1.UpdateOptions{})
		return current, old, err
	}
	want = want.DeepCopy()
	want.Revision = highest + 1
	current, err = client.Create(ctx, want, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		current, err = client.Get(ctx, want.Name, metav1.GetOptions{})
		if err == nil && !sameData(current, want) {
			return nil, nil, fmt.Errorf("controller revision %s/%s: %w", want.Namespace, want.Name, ErrCollision)
		}
	}
	return current, old, err
}

func sameData(a, b *appsv1.ControllerRevision) bool {
	if bytes.Equal(a.Data.Raw, b.Data.Raw) {
		return true
	}
	var x, y any
	if json.Unmarshal(a.Data.Raw, &x) != nil || json.Unmarshal(b.Data.Raw, &y) != nil {
		return false
	}
	return equality.Semantic.DeepEqual(x, y)
}

// New returns a revision of an owner, to be given to [Keeper.Ensure].
func New(owner metav1.Object, kind schema.GroupVersionKind, name string, labels map[string]string, data []byte) *appsv1.ControllerRevision {
	return &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Name:            name,
			Namespace:       owner.GetNamespace(),
			Labels:          labels,
			Annotations:     owner.GetAnnotations(),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, kind)},
		},
		Data: runtime.RawExtension{Raw: data},
	}
}

// Prune deletes the earliest of old beyond limit, sparing those in use.
func (k Keeper) Prune(ctx context.Context, old []*appsv1.ControllerRevision, limit int, inUse func(*appsv1.ControllerRevision) bool) error {
	n := len(old) - limit
	for _, revision := range old {
		if n <= 0 {
			return nil
		}
		if inUse(revision) {
			continue
		}
		err := k.Client.AppsV1().ControllerRevisions(revision.Namespace).Delete(ctx, revision.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting controller revision %s/%s: %w", revision.Namespace, revision.Name, err)
		}
		n--
	}
	return nil
}
