package registry

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unicode"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/ownership"
)

// lazyManager makes a field manager when it is first needed.
type lazyManager struct {
	once    sync.Once
	manager *managedfields.FieldManager
	err     error
}

// fieldManager keeps track of who owns which fields for writers of the
// resource itself or of a subresource.
func (r *Resource) fieldManager(subresource string) (*managedfields.FieldManager, error) {
	v, ok := r.managers.Load(subresource)
	if !ok {
		v, _ = r.managers.LoadOrStore(subresource, &lazyManager{})
	}
	l := v.(*lazyManager)
	l.once.Do(func() {
		make1 := managedfields.NewDefaultFieldManager
		if tagging(r.New()) != 0 {
			make1 = managedfields.NewDefaultCRDFieldManager
		}
		l.manager, l.err = make1(r.Types(), converter{r}, converter{r}, converter{r}, r.GVK, r.GVK.GroupVersion(), subresource, r.resetFields(subresource))
	})
	return l.manager, l.err
}

// resetFields are the fields that writers cannot own because the server takes
// their changes back.
func (r *Resource) resetFields(subresource string) map[fieldpath.APIVersion]fieldpath.Filter {
	paths := r.resets(subresource)
	if len(paths) == 0 {
		return nil
	}
	set := fieldpath.NewSet()
	for _, p := range paths {
		var path fieldpath.Path
		for name := range strings.SplitSeq(p, ".") {
			path = append(path, fieldpath.PathElement{FieldName: &name})
		}
		set.Insert(path)
	}
	return fieldpath.NewExcludeFilterSetMap(map[fieldpath.APIVersion]*fieldpath.Set{
		fieldpath.APIVersion(r.GVK.GroupVersion().String()): set,
	})
}

// resets are the paths of the fields whose changes by a writer the server takes
// back.
func (r *Resource) resets(subresource string) []string {
	paths := r.Kind.Resets[subresource]
	switch {
	case r.Kind.Status == nil:
	case subresource == "status":
		paths = append([]string{"spec"}, paths...)
	case subresource == "":
		paths = append([]string{"status"}, paths...)
	}
	return paths
}

// track writes down in obj what the manager of a write owns now. Both objects
// are in the version shown; live is nil for a create.
func (r *Resource) track(live, obj kinds.Object, w *Write) kinds.Object {
	if r.Kind.TypeConverter == nil {
		from := live
		if from == nil {
			from = r.New()
		}
		if fields, ok := r.registry.owners.Update(from, obj, ownership.Writer{
			Manager: w.Manager, APIVersion: r.GVK.GroupVersion().String(), Subresource: w.Subresource, Resets: r.resets(w.Subresource),
		}); ok {
			obj.SetManagedFields(fields)
			return obj
		}
	}
	m, err := r.fieldManager(w.Subresource)
	if err != nil {
		r.registry.log.Error("managed fields are not tracked", "kind", r.GVK, "err", err)
		return obj
	}
	isNew := live == nil
	if isNew {
		live = r.New()
	} else if unchanged(live, obj) {
		obj.SetManagedFields(live.GetManagedFields())
		return obj
	}
	before, after := r.tagged(live), r.tagged(obj)
	if tagging(obj) == 0 {
		before, after = clone(before), clone(after)
		r.leaveOut(before, after, w.Subresource, isNew)
	}
	out, err := m.Update(before, after, w.Manager)
	if err != nil { // such as repeated keys in a list: keep what is known
		r.registry.log.Debug("managed fields are not tracked", "kind", r.GVK, "name", obj.GetName(), "err", err)
		obj.SetManagedFields(live.GetManagedFields())
		return obj
	}
	obj.SetManagedFields(out.(kinds.Object).GetManagedFields())
	return obj
}

// leaveOut empties what need not be compared: fields that writers cannot own,
// and a spec that has not changed. The objects are shallow copies.
func (r *Resource) leaveOut(before, after kinds.Object, subresource string, isNew bool) {
	if r.Kind.Status == nil || (subresource != "" && subresource != "status") {
		return
	}
	a, b := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	empty := func(name string) {
		if f := a.FieldByName(name); f.IsValid() {
			f.SetZero()
			b.FieldByName(name).SetZero()
		}
	}
	if subresource == "status" {
		empty("Spec")
		return
	}
	empty("Status")
	if isNew { // even an empty list in it counts
		return
	}
	if f := a.FieldByName("Spec"); f.IsValid() && apiequality.Semantic.DeepEqual(f.Interface(), b.FieldByName("Spec").Interface()) {
		empty("Spec")
	}
}

// clone copies an object of a Go type, but nothing that it points to.
func clone(obj kinds.Object) kinds.Object {
	v := reflect.ValueOf(obj).Elem()
	c := reflect.New(v.Type())
	c.Elem().Set(v)
	return c.Interface().(kinds.Object)
}

// TrackNew writes down in a new object of a computed resource what the one who
// sends it owns, if the kind's fields are known.
func (r *Registry) TrackNew(gvk schema.GroupVersionKind, subresource string, obj kinds.Object, manager string) {
	empty := clone(obj)
	reflect.ValueOf(empty).Elem().SetZero()
	one := single{gvk: gvk, empty: empty}
	m, err := managedfields.NewDefaultFieldManager(r.converter, one, one, one, gvk, gvk.GroupVersion(), subresource, nil)
	if err != nil {
		r.log.Debug("managed fields are not tracked", "kind", gvk, "err", err)
		return
	}
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	if _, err := m.Update(tag(empty, gvk), obj, manager); err != nil {
		r.log.Debug("managed fields are not tracked", "kind", gvk, "err", err)
	}
}

// unchanged reports whether a write changes nothing but what no manager owns.
func unchanged(live, obj kinds.Object) bool {
	if m := obj.GetManagedFields(); m != nil && (len(m) == 0 || !apiequality.Semantic.DeepEqual(m, live.GetManagedFields())) {
		return false
	}
	managed, version := obj.GetManagedFields(), obj.GetResourceVersion()
	obj.SetManagedFields(live.GetManagedFields())
	obj.SetResourceVersion(live.GetResourceVersion())
	same := apiequality.Semantic.DeepEqual(live, obj)
	obj.SetManagedFields(managed)
	obj.SetResourceVersion(version)
	return same
}

// keepTimes gives obj the managed fields of old if they differ only in their
// times and nothing else differs, so that a write without effect is none.
func keepTimes(old, obj kinds.Object) {
	was, is := old.GetManagedFields(), obj.GetManagedFields()
	if len(was) != len(is) || len(is) == 0 {
		return
	}
	timesDiffer := false
	for i := range is {
		a, b := was[i], is[i]
		if !a.Time.Equal(b.Time) {
			timesDiffer = true
		}
		a.Time, b.Time = nil, nil
		if !reflect.DeepEqual(a, b) {
			return
		}
	}
	if timesDiffer && unchanged(old, withManaged(obj, nil)) {
		obj.SetManagedFields(was)
	} else {
		obj.SetManagedFields(is)
	}
}

func withManaged(obj kinds.Object, m []metav1.ManagedFieldsEntry) kinds.Object {
	obj.SetManagedFields(m)
	return obj
}

// tagged returns a shallow copy of an object of the version shown that says
// what it is; the copy is not to be changed further.
func (r *Resource) tagged(obj kinds.Object) kinds.Object {
	return tag(obj, r.GVK)
}

func tag(obj kinds.Object, gvk schema.GroupVersionKind) kinds.Object {
	if obj.GetObjectKind().GroupVersionKind() == gvk {
		return obj
	}
	if u, ok := obj.(*unstructured.Unstructured); ok {
		u = u.DeepCopy()
		u.SetGroupVersionKind(gvk)
		return u
	}
	out := clone(obj)
	out.GetObjectKind().SetGroupVersionKind(gvk)
	return out
}

// untagged takes kind and version off an object again, in place.
func (r *Resource) untagged(obj kinds.Object) kinds.Object {
	if tagging(obj) == 0 {
		obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	}
	return obj
}

// ManagerName is who a write is tracked under: the manager it names, or the
// first part of the user agent.
func ManagerName(fieldManager, userAgent string) string {
	if fieldManager != "" {
		return fieldManager
	}
	const limit = 128
	name, _, _ := strings.Cut(userAgent, "/")
	var b strings.Builder
	for _, c := range name {
		if !unicode.IsPrint(c) {
			continue
		}
		if b.Len()+len(string(c)) > limit {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// converter makes the objects of all versions of a resource's kind.
type converter struct{ r *Resource }

// ConvertToVersion implements runtime.ObjectConvertor.
func (c converter) ConvertToVersion(in runtime.Object, to runtime.GroupVersioner) (runtime.Object, error) {
	target, ok := to.(schema.GroupVersion)
	if !ok {
		return nil, fmt.Errorf("cannot convert to %v", to)
	}
	gvk := in.GetObjectKind().GroupVersionKind()
	if gvk.Empty() {
		gvk = c.r.GVK
	}
	obj, err := c.typed(in, gvk)
	if err != nil {
		return nil, err
	}
	if gvk.GroupVersion() == target {
		return tag(obj, gvk), nil
	}
	from, dest := c.version(gvk.GroupVersion()), c.version(target)
	if from == nil || dest == nil {
		return nil, runtime.NewNotRegisteredErrForTarget("keelson", reflect.TypeOf(in), target)
	}
	if f := c.r.base.Between; f != nil {
		return f(obj, target)
	}
	stored, err := from.ToStored(obj)
	if err != nil {
		return nil, err
	}
	out, err := dest.FromStored(stored)
	if err != nil {
		return nil, err
	}
	return tag(out, dest.GVK), nil
}

// typed makes the Go type of an unstructured object of a kind that has one.
func (c converter) typed(in runtime.Object, gvk schema.GroupVersionKind) (kinds.Object, error) {
	u, ok := in.(*unstructured.Unstructured)
	if !ok {
		return in.(kinds.Object), nil
	}
	res := c.version(gvk.GroupVersion())
	if res == nil || gvk.Kind != res.GVK.Kind {
		return nil, runtime.NewNotRegisteredErrForKind("keelson", gvk)
	}
	obj := res.New()
	if tagging(obj) != 0 {
		return u, nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, obj); err != nil {
		return nil, fmt.Errorf("unable to convert unstructured object to %v: %w", gvk, err)
	}
	obj.GetObjectKind().SetGroupVersionKind(gvk)
	return obj, nil
}

// version is the resource that shows the kind in a group and version.
func (c converter) version(gv schema.GroupVersion) *Resource {
	if gv == c.r.GVK.GroupVersion() {
		return c.r
	}
	for _, res := range c.r.registry.Resources() {
		if res.base == c.r.base && res.GVK.GroupVersion() == gv {
			return res
		}
	}
	return nil
}

// Convert implements runtime.ObjectConvertor; nothing calls it.
func (c converter) Convert(in, out, _ any) error {
	return fmt.Errorf("cannot convert %T into %T", in, out)
}

// ConvertFieldLabel implements runtime.ObjectConvertor.
func (c converter) ConvertFieldLabel(_ schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}

// Default implements runtime.ObjectDefaulter.
func (c converter) Default(obj runtime.Object) {
	if o, ok := obj.(kinds.Object); ok {
		c.r.Default(o)
	}
}

// New implements runtime.ObjectCreater.
func (c converter) New(gvk schema.GroupVersionKind) (runtime.Object, error) {
	res := c.version(gvk.GroupVersion())
	if res == nil {
		return nil, runtime.NewNotRegisteredErrForKind("keelson", gvk)
	}
	return tag(res.New(), gvk), nil
}

// Force says whether an apply takes fields over from other managers.
type Force bool

// Apply merges an applied configuration into an object of the version shown,
// which is kept unchanged; nil is an object that does not exist. The result
// has its managed fields up to date.
func (r *Resource) Apply(live kinds.Object, config *unstructured.Unstructured, subresource, manager string, force Force) (kinds.Object, error) {
	m, err := r.fieldManager(subresource)
	if err != nil {
		return nil, err
	}
	if live == nil {
		live = r.New()
	} else {
		live = live.DeepCopyObject().(kinds.Object)
	}
	out, err := m.Apply(r.tagged(live), config, manager, bool(force))
	if err != nil {
		return nil, err
	}
	obj, err := converter{r}.typed(out, r.GVK)
	if err != nil {
		return nil, err
	}
	return r.Settle(r.untagged(obj))
}
