package resourcequota

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/controller/reconcile"
	"github.com/keelson-project/keelson/internal/quota"
)

// count is what the objects of a namespace use of a quota. With errUnknown the result
// lacks what kinds use that nobody serves.
func (r *reconciler) count(ctx context.Context, q *corev1.ResourceQuota) (corev1.ResourceList, error) {
	// Evaluators ask the status what is limited, which may lag behind.
	limits := &corev1.ResourceQuota{ObjectMeta: q.ObjectMeta, Spec: q.Spec, Status: corev1.ResourceQuotaStatus{Hard: q.Spec.Hard}}
	used := corev1.ResourceList{}
	var unknown error
	for resource, list := range map[schema.GroupResource]func() ([]runtime.Object, error){
		podsResource:     func() ([]runtime.Object, error) { return objects(r.pods.Pods(q.Namespace).List) },
		servicesResource: func() ([]runtime.Object, error) { return objects(r.services.Services(q.Namespace).List) },
		claimsResource:   func() ([]runtime.Object, error) { return objects(r.claims.PersistentVolumeClaims(q.Namespace).List) },
	} {
		e := r.meter.Of(ctx, resource)
		if !measured(e, limits, used) {
			continue
		}
		all, err := list()
		if err != nil {
			return nil, err
		}
		for _, obj := range all {
			in, err := quota.Matches(e, limits, obj)
			if err != nil {
				return nil, err
			}
			if in {
				used = quota.Add(used, quota.Pick(e.Usage(obj), func(name corev1.ResourceName) bool { _, limited := q.Spec.Hard[name]; return limited }))
			}
		}
	}
	for name := range q.Spec.Hard {
		if _, done := used[name]; done {
			continue
		}
		gr, ok := counted(name)
		if !ok {
			continue
		}
		n, err := r.tallies.count(gr, q.Namespace)
		if errors.Is(err, errUnknown) {
			unknown = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if len(quota.Scopes(q)) > 0 { // what is only counted is in no scope
			n = 0
		}
		used[name] = *resource.NewQuantity(int64(n), resource.DecimalSI)
	}
	return used, unknown
}

// measured notes in used what an evaluator measures of a quota, as nothing so far, and
// reports whether that is anything.
func measured(e quota.Evaluator, q *corev1.ResourceQuota, used corev1.ResourceList) bool {
	found := false
	for name := range q.Spec.Hard {
		if e.Measures(name) {
			used[name] = *resource.NewQuantity(0, resource.DecimalSI)
			found = true
		}
	}
	return found
}

// objects makes a list of what a lister returns.
func objects[T runtime.Object](list func(labels.Selector) ([]T, error)) ([]runtime.Object, error) {
	all, err := list(labels.Everything())
	out := make([]runtime.Object, len(all))
	for i, o := range all {
		out[i] = o
	}
	return out, err
}

// counted is the resource whose objects a name in a quota counts.
func counted(name corev1.ResourceName) (schema.GroupResource, bool) {
	switch name {
	case corev1.ResourceConfigMaps, corev1.ResourceSecrets, corev1.ResourceQuotas, corev1.ResourceReplicationControllers:
		return schema.GroupResource{Resource: string(name)}, true
	}
	text, ok := strings.CutPrefix(string(name), "count/")
	if !ok {
		return schema.GroupResource{}, false
	}
	return schema.ParseGroupResource(text), true
}

// watch recounts the quotas of a namespace when an object in it is gone or uses
// something else than before. Admission has counted new ones already.
func watch[T any, P interface {
	*T
	metav1.Object
}](s *reconcile.Shared, r *reconciler, informer cache.SharedInformer, resource schema.GroupResource, changed func(old, cur P) (bool, string)) error {
	err := reconcile.Handle(s, informer, func(old, cur P) {
		switch {
		case old == nil:
		case cur == nil:
			r.recount(old.GetNamespace(), resource)
		default:
			if yes, namespace := changed(old, cur); yes {
				r.recount(namespace, resource)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("resourcequota: %w", err)
	}
	return nil
}

// changed reports whether an object uses something else than before, or may be in
// other scopes.
func (r *reconciler) changed(gr schema.GroupResource, old, cur runtime.Object) bool {
	e := r.meter.Of(context.Background(), gr)
	if !quota.Equal(e.Usage(old), e.Usage(cur)) {
		return true
	}
	before, isPod := old.(*corev1.Pod)
	after, _ := cur.(*corev1.Pod)
	return isPod && (before.Spec.ActiveDeadlineSeconds == nil) != (after.Spec.ActiveDeadlineSeconds == nil)
}

// standing is since when a quota has been as it is, and since when it should be
// written.
type standing struct {
	version   string
	unchanged time.Time
	waiting   time.Time
}

// books is what is remembered of quotas between two looks.
type books struct {
	mu    sync.Mutex
	since map[reconcile.Key]standing
}

// wait is how long to leave a quota alone before its use is written down. More use is
// written at once, less only when nothing has been reserved for a while.
func (b *books) wait(key reconcile.Key, q *corev1.ResourceQuota, used corev1.ResourceList) time.Duration {
	less := false
	for name, was := range q.Status.Used {
		is, ok := used[name]
		less = less || ok && is.Cmp(was) < 0
	}
	if !less {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	s, ok := b.since[key]
	if !ok {
		s.waiting = now
	}
	if s.version != q.ResourceVersion {
		s.version, s.unchanged = q.ResourceVersion, now
	}
	b.since[key] = s
	if now.Sub(s.waiting) >= patience {
		return 0
	}
	return max(0, settled-now.Sub(s.unchanged))
}

// done forgets a quota that is as it should be, or gone.
func (b *books) done(key reconcile.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.since, key)
}
