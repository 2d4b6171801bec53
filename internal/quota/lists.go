package quota

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// one is the quantity of a single object.
func one() resource.Quantity { return *resource.NewQuantity(1, resource.DecimalSI) }

// Add returns the sum of two lists.
func Add(a, b corev1.ResourceList) corev1.ResourceList {
	sum := make(corev1.ResourceList, len(a)+len(b))
	for name, q := range a {
		q = q.DeepCopy()
		q.Add(b[name])
		sum[name] = q
	}
	for name, q := range b {
		if _, done := sum[name]; !done {
			sum[name] = q.DeepCopy()
		}
	}
	return sum
}

// Growth is by how much is exceeds was, for each name of both; never below
// zero.
func Growth(is, was corev1.ResourceList) corev1.ResourceList {
	out := make(corev1.ResourceList, len(is)+len(was))
	for name := range was {
		out[name] = *resource.NewQuantity(0, resource.DecimalSI)
	}
	for name, q := range is {
		q = q.DeepCopy()
		q.Sub(was[name])
		if q.Sign() < 0 {
			q = *resource.NewQuantity(0, resource.DecimalSI)
		}
		out[name] = q
	}
	return out
}

// Pick returns the part of a list whose names are wanted.
func Pick(list corev1.ResourceList, wanted func(corev1.ResourceName) bool) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range list {
		if wanted(name) {
			out[name] = q.DeepCopy()
		}
	}
	return out
}

// Equal reports whether two lists have the same names and amounts.
func Equal(a, b corev1.ResourceList) bool {
	return maps.EqualFunc(a, b, func(x, y resource.Quantity) bool { return x.Cmp(y) == 0 })
}

// Names are those of a list, in order.
func Names(list corev1.ResourceList) []corev1.ResourceName { return slices.Sorted(maps.Keys(list)) }
