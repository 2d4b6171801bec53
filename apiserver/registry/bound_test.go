package registry

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestBounded(t *testing.T) {
	many := func(n, size int) (errs field.ErrorList) {
		for range n {
			errs = append(errs, field.Invalid(field.NewPath("a"), strings.Repeat("x", size), "bad"))
		}
		return errs
	}
	for _, c := range []struct{ n, size, want int }{
		{1, 3 << 20, 1}, {8, 1, 8}, {500, 1, 500}, {501, 1, 501}, {10000, 1, 501}, {100, 100000, 11}, {9, 3 << 20, 2},
	} {
		got := bounded(many(c.n, c.size))
		if len(got) != c.want {
			t.Errorf("%d errors of %d bytes: %d are left, want %d", c.n, c.size, len(got), c.want)
		}
		if last := got[len(got)-1]; len(got) != c.n && !strings.Contains(last.Detail, "left out") {
			t.Errorf("%d errors of %d bytes: what is left out is not told: %v", c.n, c.size, last)
		}
	}
}
