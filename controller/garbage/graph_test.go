package garbage

import (
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

var things = resource{schema.GroupVersionResource{Version: "v1", Resource: "things"}, "Thing", true}

func thing(name string, owners ...string) *object {
	o := &object{kind: things, namespace: "ns", name: name, uid: types.UID(name), revision: "1"}
	for _, owner := range owners {
		o.owners = append(o.owners, metav1.OwnerReference{
			APIVersion: "v1", Kind: "Thing", Name: owner, UID: types.UID(owner), BlockOwnerDeletion: ptr.To(true),
		})
	}
	return o
}

func dying(o *object, finalizers ...string) *object {
	o.deleting, o.finalizers = true, finalizers
	return o
}

// show prints a decision.
func show(d decision) string {
	text := string(d.remove)
	if d.unblock {
		text += " unblock"
	}
	if len(d.dropOwners) > 0 {
		text += fmt.Sprint(" without ", d.dropOwners)
	}
	for _, o := range d.release {
		text += " release " + o.name
	}
	if d.dropFinalizer != "" {
		text += " finish " + d.dropFinalizer
	}
	if len(d.look) > 0 {
		text += fmt.Sprint(" look ", d.look)
	}
	return text
}

func TestDecide(t *testing.T) {
	const foreground, orphan = metav1.FinalizerDeleteDependents, metav1.FinalizerOrphanDependents
	tests := []struct {
		name    string
		objects []*object
		gone    []string
		of      string
		want    string
	}{
		{"no owners", []*object{thing("a")}, nil, "a", ""},
		{"owner lives", []*object{thing("a"), thing("b", "a")}, nil, "b", ""},
		{"owner unknown", []*object{thing("b", "a")}, nil, "b", ""},
		{"owner gone", []*object{thing("b", "a")}, []string{"a"}, "b", "Background"},
		{"one of two gone", []*object{thing("b"), thing("c", "a", "b")}, []string{"a"}, "c", " without [a]"},
		{"one gone, one unknown", []*object{thing("c", "a", "b")}, []string{"a"}, "c", ""},
		{"owner gone, already going", []*object{dying(thing("b", "a"))}, []string{"a"}, "b", ""},
		{"owner gone, deleted in the foreground before", []*object{{kind: things, namespace: "ns", name: "b", uid: "b", finalizers: []string{foreground}, owners: thing("b", "a").owners}}, []string{"a"}, "b", "Foreground"},
		{"owner waits", []*object{dying(thing("a"), foreground), thing("b", "a")}, nil, "b", "Background"},
		{"owner waits, has dependents itself", []*object{dying(thing("a"), foreground), thing("b", "a"), thing("c", "b")}, nil, "b", "Foreground"},
		{"owner waits, another lives", []*object{dying(thing("a"), foreground), thing("b"), thing("c", "a", "b")}, nil, "c", " without [a]"},
		{"waits for a dependent", []*object{dying(thing("a"), foreground), thing("b", "a")}, nil, "a", " look [b]"},
		{"waits for one that waits", []*object{dying(thing("a"), foreground), dying(thing("b", "a"), foreground)}, nil, "a", ""},
		{"waits no more", []*object{dying(thing("a"), foreground)}, nil, "a", " finish foregroundDeletion"},
		{"orphans", []*object{dying(thing("a"), orphan), thing("b", "a")}, nil, "a", " release b finish orphan"},
		{"a circle", []*object{dying(thing("a", "b"), foreground), thing("b", "a")}, nil, "b", "Foreground unblock"},
		{"deleted otherwise", []*object{dying(thing("a"), "other"), thing("b", "a")}, nil, "a", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := newGraph()
			for _, o := range test.objects {
				g.put(o)
			}
			for _, uid := range test.gone {
				g.markAbsent(types.UID(uid))
			}
			s, ok := g.look(types.UID(test.of))
			if !ok {
				t.Fatal("object is not in the graph")
			}
			if got := show(decide(s)); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestGraphSaysWhatToLookAt(t *testing.T) {
	const foreground = metav1.FinalizerDeleteDependents
	g := newGraph()
	step := func(what string, got []types.UID, want ...types.UID) {
		t.Helper()
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s: look at %v, want %v", what, got, want)
		}
	}
	step("an object of an unknown owner", g.put(thing("b", "a")), "b")
	step("the owner comes", g.put(thing("a")))
	step("another of its objects", g.put(thing("c", "a")))
	step("the owner is deleted in the foreground", g.put(dying(thing("a"), foreground)), "a", "b", "c")
	step("one object goes", g.remove("b"), "a")
	step("one object gets another owner", g.put(thing("c", "d")), "a", "c")
	step("the owner goes", g.remove("a"))
	step("an object whose owner is known to be gone", g.put(thing("e", "a")), "e")
	step("the owner of c, never seen, is known to be gone", g.remove("d"), "c")

	g.put(thing("x"))
	g.put(&object{kind: things, namespace: "elsewhere", name: "y", uid: "y", owners: thing("y", "x").owners})
	if s, _ := g.look("y"); s.owners[0].state != ownerUnknown || !s.owners[0].elsewhere {
		t.Errorf("an owner in another namespace is %+v", s.owners[0])
	}
}

func TestGraphForgetsOldAbsences(t *testing.T) {
	g := newGraph()
	for i := range 3 * maxAbsent {
		g.markAbsent(types.UID(fmt.Sprint(i)))
	}
	if len(g.absent) != maxAbsent || len(g.absentRing) != maxAbsent {
		t.Errorf("%d and %d absences remembered", len(g.absent), len(g.absentRing))
	}
}

func TestRefreshNeverGoesBack(t *testing.T) {
	g := newGraph()
	now := thing("a")
	now.revision = "9"
	g.put(now)
	stale := thing("a", "b")
	stale.revision = "8"
	g.refresh(stale)
	if s, _ := g.look("a"); len(s.object.owners) != 0 {
		t.Error("an older state replaced a newer one")
	}
	g.remove("a")
	fresh := thing("a")
	fresh.revision = "10"
	g.refresh(fresh)
	if _, ok := g.look("a"); ok {
		t.Error("an object seen to be gone came back")
	}
}
