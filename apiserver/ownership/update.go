package ownership

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxUpdaters is how many managers that do not apply an object can have;
// beyond that the oldest are merged, which is not done here.
const maxUpdaters = 10

// Tracker tracks the owners of objects' fields. It is safe for concurrent use.
type Tracker struct {
	sets sets

	mu     sync.Mutex
	shaper *shaper
	shapes map[reflect.Type]*shape // nil for those that are not known
}

// New makes a tracker.
func New() *Tracker { return &Tracker{shapes: map[reflect.Type]*shape{}} }

// shape is that of a kind's Go type; nil if it is not one of k8s.io/api.
func (t *Tracker) shape(typ reflect.Type) *shape {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.shapes[typ]
	if ok {
		return s
	}
	if strings.HasPrefix(typ.PkgPath(), "k8s.io/api/") {
		if t.shaper == nil {
			t.shaper = &shaper{topology: parseTopology(topologyText), known: map[shapeKey]*shape{}}
		}
		var err error
		if s, err = t.shaper.root(typ); err != nil {
			s = nil
		}
	}
	t.shapes[typ] = s
	return s
}

// Writer is who writes, and what.
type Writer struct {
	// Manager is the name to track the write under.
	Manager string
	// APIVersion is that of both objects.
	APIVersion string
	// Subresource is what is written; empty for the object itself.
	Subresource string
	// Resets are the paths of fields, separated by dots, that the writer
	// cannot own.
	Resets []string
	// Applies, if set, are the fields of a configuration that was applied to
	// make obj, in the form of fieldsV1: the manager owns these, as one that
	// applies, and by force.
	Applies string
}

func (w *Writer) operation() metav1.ManagedFieldsOperationType {
	if w.Applies != "" {
		return metav1.ManagedFieldsOperationApply
	}
	return metav1.ManagedFieldsOperationUpdate
}

// Update returns the managed fields of obj after a write that made it of live,
// which for a create is empty but for the fields that are never left out. Both
// are pointers to the same Go type. If ok is false, the result has to be found
// another way.
func (t *Tracker) Update(live, obj metav1.Object, w Writer) (fields []metav1.ManagedFieldsEntry, ok bool) {
	l, r := reflect.ValueOf(live), reflect.ValueOf(obj)
	if l.Kind() != reflect.Pointer || l.Type() != r.Type() {
		return nil, false
	}
	typ := l.Type().Elem()
	s := t.shape(typ)
	if s == nil {
		return nil, false
	}
	before := live.GetManagedFields()
	// A writer may take the account into its own hands.
	if given := obj.GetManagedFields(); w.Subresource == "" && given != nil && (len(given) == 0 || !sameEntries(given, before)) {
		return nil, false
	}
	if len(before) == 0 && live.GetUID() != "" {
		return nil, w.Applies == "" // nobody has begun to track it
	}
	var c comparer
	change := tree{}
	c.compare(s, operandOf(l), operandOf(r), &change)
	if c.failed {
		return nil, false
	}
	for _, path := range w.Resets {
		change.prune(strings.Split(path, "."))
	}
	if change.marks|change.below == 0 && w.Applies == "" {
		return before, true
	}
	return t.account(typ, s, before, &change, w)
}

// account applies a change to the managed fields.
func (t *Tracker) account(typ reflect.Type, s *shape, before []metav1.ManagedFieldsEntry, change *tree, w Writer) ([]metav1.ManagedFieldsEntry, bool) {
	if w.Manager == "" {
		w.Manager = "unknown"
	}
	after := make([]metav1.ManagedFieldsEntry, 0, len(before)+1)
	now := metav1.NewTime(time.Now().UTC())
	takes := change.below&taken != 0 || w.Applies != ""
	done := !takes
	var applied *metav1.FieldsV1
	if w.Applies != "" {
		applied = t.sets.get(typ, metav1.NewFieldsV1(w.Applies)).fields
	}
	for i := range before {
		e := before[i]
		if e.APIVersion != w.APIVersion || e.FieldsType != "FieldsV1" || e.FieldsV1 == nil ||
			e.Operation != metav1.ManagedFieldsOperationUpdate && e.Operation != metav1.ManagedFieldsOperationApply || repeated(before[:i], &e) {
			return nil, false
		}
		v := t.sets.get(typ, e.FieldsV1)
		had := v.parsed(s)
		if had == nil {
			return nil, false
		}
		mine := e.Manager == w.Manager && e.Operation == w.operation() && e.Subresource == w.Subresource && takes
		switch {
		case mine && applied != nil:
			done, e.Time, e.FieldsV1 = true, &now, applied
		case mine && includes(had, change, taken) && !touches(had, change, removed):
			done, e.Time = true, &now
		case mine:
			left := without(had, change)
			left = union(&left, change, taken)
			done, e.Time, e.FieldsV1 = true, &now, t.encode(typ, &left, member)
		case touches(had, change, changed):
			left := without(had, change)
			if left.below == 0 {
				continue
			}
			e.FieldsV1 = t.encode(typ, &left, member)
		case had.below == 0:
			continue
		default:
			e.FieldsV1 = v.fields
		}
		after = append(after, e)
	}
	if !done {
		if applied == nil {
			applied = t.encode(typ, change, taken)
		}
		after = append(after, metav1.ManagedFieldsEntry{
			Manager: w.Manager, Operation: w.operation(), APIVersion: w.APIVersion, Subresource: w.Subresource,
			Time: &now, FieldsType: "FieldsV1", FieldsV1: applied,
		})
	}
	updaters := 0
	for i := range after {
		if after[i].Operation == metav1.ManagedFieldsOperationUpdate {
			updaters++
		}
	}
	if updaters > maxUpdaters {
		return nil, false
	}
	slices.SortFunc(after, compareEntries)
	return after, true
}

// encode is a set's text, shared with all others that are equal.
func (t *Tracker) encode(typ reflect.Type, set *tree, how mark) *metav1.FieldsV1 {
	fields := &metav1.FieldsV1{}
	fields.SetRawBytes(set.appendJSON(nil, how))
	return t.sets.get(typ, fields).fields
}

// Share lets an object that has been decoded share its sets with others.
func (t *Tracker) Share(obj metav1.Object) {
	typ := reflect.TypeOf(obj)
	if typ.Kind() != reflect.Pointer || t.shape(typ.Elem()) == nil {
		return
	}
	typ = typ.Elem()
	entries := obj.GetManagedFields()
	for i := range entries {
		if f := entries[i].FieldsV1; f != nil {
			entries[i].FieldsV1 = t.sets.get(typ, f).fields
		}
	}
}

// repeated reports whether an entry is there already.
func repeated(before []metav1.ManagedFieldsEntry, e *metav1.ManagedFieldsEntry) bool {
	return slices.ContainsFunc(before, func(o metav1.ManagedFieldsEntry) bool {
		return o.Manager == e.Manager && o.Operation == e.Operation && o.Subresource == e.Subresource
	})
}

// sameEntries reports whether managed fields are those that were read before.
func sameEntries(a, b []metav1.ManagedFieldsEntry) bool {
	return slices.EqualFunc(a, b, func(x, y metav1.ManagedFieldsEntry) bool {
		return x.Manager == y.Manager && x.Operation == y.Operation && x.APIVersion == y.APIVersion && x.Subresource == y.Subresource &&
			x.FieldsType == y.FieldsType && x.Time.Equal(y.Time) && (x.FieldsV1 == nil) == (y.FieldsV1 == nil) &&
			(x.FieldsV1 == nil || x.FieldsV1.Equal(*y.FieldsV1))
	})
}

// compareEntries is the order of managed fields.
func compareEntries(a, b metav1.ManagedFieldsEntry) int {
	seconds := func(t *metav1.Time) int64 {
		if t == nil {
			return 0
		}
		return t.Unix()
	}
	return cmp.Or(
		cmp.Compare(a.Operation, b.Operation),
		cmp.Compare(seconds(a.Time), seconds(b.Time)),
		cmp.Compare(a.Manager, b.Manager),
		cmp.Compare(a.APIVersion, b.APIVersion),
		cmp.Compare(a.Subresource, b.Subresource),
	)
}
