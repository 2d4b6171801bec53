package builtin

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kubernetesscheme "k8s.io/client-go/kubernetes/scheme"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// scheme has the types of all kinds.
var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{kubernetesscheme.AddToScheme, apiextensionsv1.AddToScheme, apiregistrationv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}()

// made checks that what New and NewList make is of the kind that is claimed.
func made(t *testing.T, gvk schema.GroupVersionKind, obj kinds.Object, list runtime.Object) {
	t.Helper()
	for want, v := range map[schema.GroupVersionKind]runtime.Object{
		gvk: obj, gvk.GroupVersion().WithKind(gvk.Kind + "List"): list,
	} {
		is, _, err := scheme.ObjectKinds(v)
		if err != nil || !slices.Contains(is, want) {
			t.Errorf("%v: made a %T, which is %v, %v", want, v, is, err)
		}
	}
}

func TestDefinitionsAreConsistent(t *testing.T) {
	resources, keys := map[schema.GroupVersionResource]bool{}, map[string]bool{}
	// Whether a name of these is valid depends on the rest of the object.
	named := []string{"CertificateSigningRequest", "ClusterTrustBundle", "APIService", "Event"}
	for _, k := range Kinds() {
		t.Run(k.Kind, func(t *testing.T) {
			made(t, k.GroupVersionKind, k.New(), k.NewList())
			gvr := k.GroupVersion().WithResource(k.Resource)
			if resources[gvr] || keys[k.StorageKey] {
				t.Errorf("resource %v or storage key %q is taken", gvr, k.StorageKey)
			}
			resources[gvr], keys[k.StorageKey] = true, true
			if k.Singular != strings.ToLower(k.Kind) {
				t.Errorf("singular %q of %s", k.Singular, k.Kind)
			}
			if k.ValidName("Not/A..Name", false) == nil && !slices.Contains(named, k.Kind) {
				t.Error("any name is valid")
			}
			if (k.Columns == nil) != (k.Cells == nil) {
				t.Error("columns without cells, or the reverse")
			}
			obj := k.New()
			obj.SetName("it")
			exercise(t, k, obj)
			for i := range k.Views {
				v := &k.Views[i]
				made(t, v.GroupVersionKind, v.New(), v.NewList())
				if !k.Is(v.GroupVersion().WithResource(v.Resource)) {
					t.Errorf("does not serve its view %v", v.GroupVersionKind)
				}
				for name, known := range v.FieldNames {
					if !slices.Contains(k.FieldNames, known) {
						t.Errorf("%s calls a field %q that is not listed", name, known)
					}
				}
				seen, err := v.FromStored(obj)
				if err != nil {
					t.Fatal(err)
				}
				if v.Default != nil {
					v.Default(seen)
				}
				back, err := v.ToStored(seen)
				if err != nil || back.GetName() != "it" {
					t.Errorf("lost on the way through %v: %v, %v", v.GroupVersionKind, back, err)
				}
			}
		})
	}
	if len(resources) < 44 {
		t.Errorf("only %d kinds", len(resources))
	}
}

// exercise runs an object with a name and nothing else through all that a
// kind does with it; nothing may panic, whatever is left out.
func exercise(t *testing.T, k *kinds.Kind, obj kinds.Object) {
	t.Helper()
	ctx := context.Background()
	if k.Default != nil {
		k.Default(obj)
		once := obj.DeepCopyObject()
		k.Default(obj)
		if !same(once, obj) {
			t.Error("defaulting twice changes more than once")
		}
	}
	if k.PrepareCreate != nil {
		k.PrepareCreate(ctx, obj)
	}
	old := obj.DeepCopyObject().(kinds.Object)
	if k.Validate != nil {
		k.Validate(ctx, obj)
	}
	if k.PrepareUpdate != nil {
		k.PrepareUpdate(ctx, obj, old)
		if obj.GetGeneration() != old.GetGeneration() {
			t.Error("an update without a change counts the generation")
		}
	}
	if k.ValidateUpdate != nil {
		k.ValidateUpdate(ctx, obj, old)
	}
	if k.Warnings != nil {
		k.Warnings(ctx, obj, nil)
		k.Warnings(ctx, obj, old)
	}
	if s := k.Status; s != nil {
		s.PrepareUpdate(ctx, obj, old)
		if s.ValidateUpdate != nil {
			s.ValidateUpdate(ctx, obj, old)
		}
	}
	if k.Canonicalize != nil {
		k.Canonicalize(obj)
	}
	if k.GracefulDelete != nil {
		k.GracefulDelete(ctx, obj, &metav1.DeleteOptions{})
	}
	if k.Cells != nil {
		more := 0
		if k.Kind == "IPAddress" {
			more = 1 // in Kubernetes too
		}
		if got := k.Cells(obj); len(got) != len(k.Columns)+more {
			t.Errorf("%d cells for %d columns", len(got), len(k.Columns))
		}
	}
	if k.Fields != nil {
		for name := range k.Fields(obj) {
			if !slices.Contains(k.FieldNames, name) {
				t.Errorf("field %q is not listed", name)
			}
		}
	}
}

func same(a, b runtime.Object) bool {
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}
