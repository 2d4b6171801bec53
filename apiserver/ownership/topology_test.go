package ownership

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/applyconfigurations"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	smd "sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

var update = flag.Bool("update", false, "write topology.txt anew")

// reader gathers the topology from the schema that structured-merge-diff uses.
type reader struct {
	t      *testing.T
	schema *smd.Schema
	lines  map[string]bool
	seen   map[reflect.Type]bool
}

// TestTopology compares topology.txt with the schema.
func TestTopology(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := kubernetesscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	types := applyconfigurations.NewTypeConverter(scheme)
	r := &reader{t: t, lines: map[string]bool{}, seen: map[reflect.Type]bool{}}
	for gvk, typ := range scheme.AllKnownTypes() {
		if u, ok := object(gvk, typ); ok {
			v, err := types.ObjectToTyped(u)
			if err != nil {
				continue // not stored, such as reviews
			}
			r.schema = v.Schema()
			r.read(typ, v.TypeRef(), "")
		}
	}
	lines := make([]string, 0, len(r.lines))
	for l := range r.lines {
		lines = append(lines, l+"\n")
	}
	sort.Strings(lines)
	want := strings.Join(lines, "")
	if *update {
		if err := os.WriteFile("topology.txt", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != topologyText {
		t.Error("topology.txt is not fresh: go test ./apiserver/ownership -run TestTopology -update")
	}
}

// object is an empty one of a kind of k8s.io/api.
func object(gvk schema.GroupVersionKind, typ reflect.Type) (*unstructured.Unstructured, bool) {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(gvk)
	return u, strings.HasPrefix(typ.PkgPath(), "k8s.io/api/") && !strings.HasSuffix(gvk.Kind, "List")
}

func (r *reader) read(typ reflect.Type, ref smd.TypeRef, at string) {
	atom, ok := r.schema.Resolve(ref)
	if !ok {
		r.t.Errorf("%s has no schema", at)
		return
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	cached := value.TypeReflectEntryOf(typ)
	switch {
	case cached.CanConvertToUnstructured():
		if atom.Map != nil && atom.Map.ElementRelationship != smd.Atomic {
			r.t.Errorf("%s is a %s, whose parts can be owned", at, typ)
		}
	case typ.Kind() == reflect.Struct:
		if atom.Map.ElementRelationship == smd.Atomic {
			r.lines[at+" atomic"] = true
			return
		}
		if r.seen[typ] {
			return
		}
		r.seen[typ] = true
		names := map[string]bool{}
		s := &shaper{topology: topology{}, known: map[shapeKey]*shape{}}
		fields, err := s.fields(typ, typ, nil)
		if err != nil {
			r.t.Error(err)
		}
		for _, f := range fields {
			names[f.name] = true
			sf, ok := atom.Map.FindField(f.name)
			if !ok {
				r.t.Errorf("%s has no %s in the schema", typ, f.name)
				continue
			}
			r.read(typ.FieldByIndex(f.index).Type, sf.Type, typeName(typ)+"."+f.name)
		}
		for _, f := range atom.Map.Fields {
			if !names[f.Name] {
				r.t.Errorf("%s has no %s but in the schema", typ, f.Name)
			}
		}
	case typ.Kind() == reflect.Map:
		if atom.Map.ElementRelationship == smd.Atomic {
			r.lines[at+" atomic"] = true
			return
		}
		r.read(typ.Elem(), atom.Map.ElementType, at+"[]")
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8:
		if atom.List.ElementRelationship == smd.Atomic {
			return
		}
		if len(atom.List.Keys) == 0 {
			r.lines[at+" set"] = true
			return
		}
		keys := slices.Clone(atom.List.Keys)
		elem, _ := r.schema.Resolve(atom.List.ElementType)
		for i, k := range keys {
			if f, _ := elem.Map.FindField(k); f.Default != nil {
				data, err := json.Marshal(f.Default)
				if err != nil {
					r.t.Fatal(err)
				}
				keys[i] += "=" + string(data)
			}
		}
		r.lines[at+" map "+strings.Join(keys, " ")] = true
		r.read(typ.Elem(), atom.List.ElementType, at+"[]")
	}
}
