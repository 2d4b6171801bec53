package admission_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// recorder makes steps that write down when they are asked.
type recorder struct{ asked []string }

func (r *recorder) step(name string, f func(a *admission.Attributes) error) admission.Func {
	return func(_ context.Context, a *admission.Attributes) error {
		if a.Again {
			name += " again"
		}
		r.asked = append(r.asked, name)
		if f == nil {
			return nil
		}
		return f(a)
	}
}

func TestChain(t *testing.T) {
	refuse := func(*admission.Attributes) error { return errors.New("no") }
	for _, c := range []struct {
		name  string
		op    admission.Operation
		build func(r *recorder) admission.Chain
		want  string
		fails bool
	}{
		{"mutators first, validators when all is done", admission.Create, func(r *recorder) admission.Chain {
			return admission.Chain{admission.Validate("v", r.step("v", nil)), admission.Mutate("m", r.step("m", nil))}
		}, "m v", false},
		{"only about what they want", admission.Delete, func(r *recorder) admission.Chain {
			return admission.Chain{admission.Mutate("write", r.step("write", nil)), admission.Mutate("delete", r.step("delete", nil), admission.Delete)}
		}, "delete", false},
		{"the first error is the last word", admission.Update, func(r *recorder) admission.Chain {
			return admission.Chain{admission.Mutate("a", r.step("a", refuse)), admission.Mutate("b", r.step("b", nil)), admission.Validate("c", r.step("c", nil))}
		}, "a", true},
		{"asked again once", admission.Create, func(r *recorder) admission.Chain {
			return admission.Chain{admission.Mutate("a", r.step("a", nil)), admission.Mutate("b", r.step("b", func(a *admission.Attributes) error {
				a.AskAgain()
				return nil
			}))}
		}, "a b a again b again", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{}
			chain, a := c.build(r), &admission.Attributes{Operation: c.op}
			err := chain.Admit(t.Context(), a)
			if err == nil {
				err = chain.Validate(t.Context(), a)
			}
			if (err != nil) != c.fails {
				t.Errorf("error is %v", err)
			}
			if got := strings.Join(r.asked, " "); got != c.want {
				t.Errorf("asked %q, want %q", got, c.want)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	a := &admission.Attributes{}
	if a.Noted("x") != nil {
		t.Error("notes of nobody")
	}
	a.Note("x", 1)
	a.Note("y", 2)
	a.Annotate("example.com/why", "because")
	if a.Noted("x") != 1 || a.Noted("y") != 2 || a.Annotations["example.com/why"] != "because" {
		t.Errorf("noted %v, %v, %v", a.Noted("x"), a.Noted("y"), a.Annotations)
	}
}

func TestForbiddenNames(t *testing.T) {
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	for _, c := range []struct{ name, named, generate, want string }{
		{"of the request", "p", "", `pods "p" is forbidden: no`},
		{"to be generated", "", "p-", `pods "p-" is forbidden: no`},
		{"none", "", "", `pods "Unknown" is forbidden: no`},
	} {
		a := &admission.Attributes{Resource: pods, Name: c.named, Object: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: c.generate}}}
		if got := admission.Forbidden(a, errors.New("no")); got.Error() != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	first := apierrors.NewForbidden(pods.GroupResource(), "q", errors.New("first"))
	if got := admission.Forbidden(&admission.Attributes{Resource: pods, Name: "p"}, first); got != error(first) {
		t.Errorf("a refusal is wrapped in another: %v", got)
	}
}
