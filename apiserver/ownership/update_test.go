package ownership_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	apimetafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/randfill"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/apiserver/ownership"
)

var from = flag.Int64("seed", 0, "of TestUpdate; zero means another one each time")

// upstream tracks as kube-apiserver does.
type upstream struct {
	t      *testing.T
	types  managedfields.TypeConverter
	gvk    schema.GroupVersionKind
	newObj func() kinds.Object
}

// ConvertToVersion implements runtime.ObjectConvertor: there is one version.
func (u upstream) ConvertToVersion(in runtime.Object, _ runtime.GroupVersioner) (runtime.Object, error) {
	return in, nil
}
func (u upstream) Convert(_, _, _ any) error { return nil }
func (u upstream) ConvertFieldLabel(_ schema.GroupVersionKind, l, v string) (string, string, error) {
	return l, v, nil
}
func (u upstream) Default(runtime.Object)                              {}
func (u upstream) New(schema.GroupVersionKind) (runtime.Object, error) { return u.newObj(), nil }

func (u upstream) update(live, obj kinds.Object, w ownership.Writer) []metav1.ManagedFieldsEntry {
	u.t.Helper()
	exclude := fieldpath.NewSet()
	for _, p := range w.Resets {
		var path fieldpath.Path
		for name := range strings.SplitSeq(p, ".") {
			path = append(path, fieldpath.PathElement{FieldName: &name})
		}
		exclude.Insert(path)
	}
	var resets map[fieldpath.APIVersion]fieldpath.Filter
	if len(w.Resets) > 0 {
		resets = fieldpath.NewExcludeFilterSetMap(map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(w.APIVersion): exclude})
	}
	m, err := managedfields.NewDefaultFieldManager(u.types, u, u, u, u.gvk, u.gvk.GroupVersion(), w.Subresource, resets)
	if err != nil {
		u.t.Fatal(err)
	}
	live, obj = live.DeepCopyObject().(kinds.Object), obj.DeepCopyObject().(kinds.Object)
	live.GetObjectKind().SetGroupVersionKind(u.gvk)
	obj.GetObjectKind().SetGroupVersionKind(u.gvk)
	out, err := m.Update(live, obj, w.Manager)
	if err != nil {
		return nil
	}
	return out.(kinds.Object).GetManagedFields()
}

// TestUpdate lets several writers change objects of every kind at random and
// compares the account with upstream's after each step.
func TestUpdate(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := kubernetesscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	types := applyconfigurations.NewTypeConverter(scheme)
	seed := *from
	if seed == 0 {
		seed = rand.Int63()
	}
	t.Log("seed", seed)
	random := rand.New(rand.NewSource(seed))
	fill := fuzzer.FuzzerFor(apimetafuzzer.Funcs, random, serializer.NewCodecFactory(scheme)).NilChance(0.3).NumElements(0, 3).Funcs(
		func(r *runtime.RawExtension, c randfill.Continue) { r.Raw = fmt.Appendf(nil, `{"a":%d}`, c.Intn(3)) },
	)
	tracker := ownership.New()
	writers := []ownership.Writer{
		{Manager: "kubectl"}, {Manager: "kubelet", Subresource: "status", Resets: []string{"spec", "metadata.labels"}},
		{Manager: "controller", Resets: []string{"status"}}, {Manager: "kubectl", Subresource: "status", Resets: []string{"spec"}},
	}
	tracked, all := 0, 0
	for _, k := range builtin.Kinds() {
		if k.TypeConverter != nil {
			continue
		}
		gvk := k.GroupVersionKind
		u := upstream{t: t, types: types, gvk: gvk, newObj: k.New}
		if !strings.HasPrefix(reflect.TypeOf(k.New()).Elem().PkgPath(), "k8s.io/api/") {
			continue
		}
		for range 5 {
			live := k.New()
			for step := range 6 {
				w := writers[random.Intn(len(writers))]
				if step == 0 {
					w = writers[0]
				}
				w.APIVersion = gvk.GroupVersion().String()
				obj := k.New()
				fill.Fill(obj)
				if step > 0 {
					obj = mix(live, obj, random)
				}
				obj.SetManagedFields(nil)
				if random.Intn(2) == 0 {
					obj.SetManagedFields(live.GetManagedFields())
				}
				want := u.update(live, obj, w)
				got, ok := tracker.Update(live, obj, w)
				all++
				if !ok {
					got = want
				} else {
					tracked++
				}
				if a, b := text(t, got), text(t, want); !slices.Equal(a, b) {
					t.Fatalf("%s, step %d, %+v\ngot  %s\nwant %s\nlive %s\nobj %s", gvk.Kind, step, w, strings.Join(a, "\n     "), strings.Join(b, "\n     "), dump(live), dump(obj))
				}
				live = obj
				live.SetManagedFields(got)
				live.SetUID("x")
			}
		}
	}
	if tracked < all*9/10 {
		t.Errorf("only %d of %d updates were tracked", tracked, all)
	}
}

// mix is an object with some parts of two.
func mix(live, obj kinds.Object, random *rand.Rand) kinds.Object {
	out := live.DeepCopyObject().(kinds.Object)
	var blend func(a, b reflect.Value, depth int)
	blend = func(a, b reflect.Value, depth int) {
		switch {
		case a.Kind() == reflect.Struct && depth > 0 && !reflect.PointerTo(a.Type()).Implements(reflect.TypeFor[json.Marshaler]()):
			for i := range a.NumField() {
				if a.Field(i).CanSet() {
					blend(a.Field(i), b.Field(i), depth-1)
				}
			}
		case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil() && depth > 0:
			blend(a.Elem(), b.Elem(), depth-1)
		case a.Kind() == reflect.Slice && a.Len() > 0 && b.Len() > 0 && depth > 0:
			for i := range min(a.Len(), b.Len()) {
				blend(a.Index(i), b.Index(i), depth-1)
			}
			if random.Intn(3) == 0 {
				a.Set(reflect.Append(a, b.Index(0)))
			}
		case random.Intn(4) == 0:
			a.Set(b)
		}
	}
	blend(reflect.ValueOf(out).Elem(), reflect.ValueOf(obj).Elem(), 5)
	return out
}

// text is an account in lines, without times.
func text(t *testing.T, fields []metav1.ManagedFieldsEntry) []string {
	t.Helper()
	var out []string
	for _, f := range fields {
		var v any
		if err := json.Unmarshal(f.FieldsV1.GetRawBytes(), &v); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %s %s %s %v %s", f.Manager, f.Operation, f.Subresource, f.APIVersion, f.Time != nil, data))
	}
	slices.Sort(out) // a second may have begun between the two
	return out
}

func dump(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// BenchmarkUpdate tracks a new pod, and then the status that a kubelet sets.
func BenchmarkUpdate(b *testing.B) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"app": "a", "tier": "b"}}}
	for i := range 3 {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: fmt.Sprint("c", i), Image: "image", Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}},
			Ports: []corev1.ContainerPort{{ContainerPort: 80, Protocol: corev1.ProtocolTCP}}, VolumeMounts: []corev1.VolumeMount{{Name: "v", MountPath: "/v"}},
		})
	}
	running := pod.DeepCopy()
	running.UID = "x"
	for _, c := range []corev1.PodConditionType{corev1.PodReady, corev1.PodInitialized, corev1.ContainersReady, corev1.PodScheduled} {
		running.Status.Conditions = append(running.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue})
	}
	t := ownership.New()
	create := func() []metav1.ManagedFieldsEntry {
		fields, ok := t.Update(&corev1.Pod{}, pod, ownership.Writer{Manager: "kubectl", APIVersion: "v1", Resets: []string{"status"}})
		if !ok {
			b.Fatal("not tracked")
		}
		return fields
	}
	b.Run("create", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			create()
		}
	})
	b.Run("status", func(b *testing.B) {
		live := pod.DeepCopy()
		live.UID = "x"
		live.ManagedFields = create()
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := t.Update(live, running, ownership.Writer{Manager: "kubelet", APIVersion: "v1", Subresource: "status", Resets: []string{"spec"}}); !ok {
				b.Fatal("not tracked")
			}
		}
	})
}
