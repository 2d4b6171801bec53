package view

import (
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Memory is what a step whose judges change objects remembers of a write that
// it may be asked about again; K tells the judges apart.
type Memory[K comparable] struct {
	// asked are the judges that want to be asked again if a later one changes
	// the object, again those for which one has.
	asked, again map[K]bool
	left         runtime.Object // the object as the step has left it
}

// Remember returns what a step remembers of a write, or a new memory of it.
func Remember[K comparable](a *admission.Attributes, step string) *Memory[K] {
	m, _ := a.Noted(step).(*Memory[K])
	if m == nil {
		m = &Memory[K]{asked: map[K]bool{}, again: map[K]bool{}}
		a.Note(step, m)
	}
	if a.Again && !equality.Semantic.DeepEqual(m.left, a.Object) {
		m.Changed()
	}
	return m
}

// Changed notes that the object has changed since those asked so far saw it.
func (m *Memory[K]) Changed() {
	for key := range m.asked {
		m.again[key] = true
	}
	clear(m.asked)
}

// Asked notes that a judge wants to know of changes by later ones.
func (m *Memory[K]) Asked(key K) { m.asked[key] = true }

// Due reports whether a judge is to be asked again.
func (m *Memory[K]) Due(key K) bool { return m.again[key] }

// Leave notes how the step leaves the object.
func (m *Memory[K]) Leave(obj runtime.Object) {
	m.left = nil
	if obj != nil {
		m.left = obj.DeepCopyObject()
	}
}
