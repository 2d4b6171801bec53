package apiserver_test

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/dynamic"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store/memory"
)

// Ship is a kind of the program's own.
type Ship struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Masts int32 `json:"masts,omitempty"`
}

// DeepCopyObject implements runtime.Object.
func (s *Ship) DeepCopyObject() runtime.Object {
	out := *s
	out.ObjectMeta = *s.ObjectMeta.DeepCopy()
	return &out
}

// ShipList is a list of ships.
type ShipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Ship `json:"items"`
}

// DeepCopyObject implements runtime.Object.
func (l *ShipList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = make([]Ship, len(l.Items))
	for i := range l.Items {
		out.Items[i] = *l.Items[i].DeepCopyObject().(*Ship)
	}
	return &out
}

// ship says what is particular to the kind.
func ship() *kinds.Kind {
	return kinds.Definition[*Ship]{
		GVK:        schema.GroupVersionKind{Group: "harbour.example.com", Version: "v1", Kind: "Ship"},
		Names:      kinds.Names{Resource: "ships", Singular: "ship"},
		Namespaced: true,
		StorageKey: "harbour.example.com/ships",
		New:        func() *Ship { return &Ship{} },
		NewList:    func() runtime.Object { return &ShipList{} },
		Default: func(s *Ship) {
			if s.Masts == 0 {
				s.Masts = 3
			}
		},
		Validate: func(_ context.Context, s *Ship) (errs field.ErrorList) {
			if s.Masts < 1 {
				errs = append(errs, field.Invalid(field.NewPath("masts"), s.Masts, "must be at least 1"))
			}
			return errs
		},
	}.Kind()
}

// A server of one kind, a Go type of the program's own, and nothing else.
func Example_ownKind() {
	ctx, stop := context.WithCancel(context.Background())
	st := memory.New()
	srv, err := apiserver.New(apiserver.Config{Store: st, Kinds: []*kinds.Kind{ship()}})
	if err != nil {
		panic(err)
	}
	ended := make(chan error)
	go func() { ended <- srv.Run(ctx) }()

	client := dynamic.NewForConfigOrDie(srv.LoopbackConfig())
	ships := client.Resource(schema.GroupVersionResource{Group: "harbour.example.com", Version: "v1", Resource: "ships"}).Namespace("baltic")
	create := func(name string, masts int64) {
		obj := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "harbour.example.com/v1", "kind": "Ship", "masts": masts}}
		obj.SetName(name)
		if _, err := ships.Create(ctx, obj, metav1.CreateOptions{}); err != nil {
			fmt.Println(err)
		}
	}
	create("passat", 4)
	create("sørlandet", 3)
	create("wreck", -1)
	create("gorch-fock", 0)
	list, err := ships.List(ctx, metav1.ListOptions{})
	if err != nil {
		panic(err)
	}
	for _, s := range list.Items {
		fmt.Println(s.GetName(), "has", s.Object["masts"], "masts")
	}

	stop()
	if err := <-ended; err != nil {
		panic(err)
	}
	// Output:
	// Ship.harbour.example.com "sørlandet" is invalid: metadata.name: Invalid value: "sørlandet": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
	// Ship.harbour.example.com "wreck" is invalid: masts: Invalid value: -1: must be at least 1
	// gorch-fock has 3 masts
	// passat has 4 masts
}
