// Package admissiontest tries admission steps on writes that are written down
// as YAML.
package admissiontest

import (
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Case is one write and what a step is to make of it.
type Case struct {
	Name string
	// Op defaults to Create, without Object to Delete, with Old to Update.
	Op admission.Operation
	// Object and Old are YAML with apiVersion and kind.
	Object, Old string
	// Group and Resource are those of the kind unless set, the group "-" is the
	// core's; Subresource is that of the write.
	Group, Resource, Subresource string
	User                         user.Info
	DryRun                       bool

	// Want is what the step changes, as a JSON merge patch; empty is nothing.
	Want string
	// Refused is part of the error; empty if there is to be none.
	Refused string
	// Warned is part of the warnings; empty if there are to be none.
	Warned string
	// Annotated are the audit annotations, as a JSON object; empty is none.
	Annotated string
}

// Run asks the step about each case, as mutator and then as validator.
func Run(t *testing.T, step admission.Plugin, cases []Case) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t, step) })
	}
}

// Decode makes an object of YAML; "" is nil.
func Decode(t testing.TB, text string) runtime.Object {
	t.Helper()
	if text == "" {
		return nil
	}
	obj, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(text), nil, nil)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return obj
}

// Attributes are those of the write.
func (c *Case) Attributes(t testing.TB) *admission.Attributes {
	t.Helper()
	a := &admission.Attributes{
		Operation: c.Op, Subresource: c.Subresource, Object: Decode(t, c.Object), OldObject: Decode(t, c.Old), User: c.User, DryRun: c.DryRun,
	}
	subject := a.Object
	if subject == nil {
		subject = a.OldObject
	}
	if a.Operation == "" {
		switch {
		case a.Object == nil:
			a.Operation = admission.Delete
		case a.OldObject != nil:
			a.Operation = admission.Update
		default:
			a.Operation = admission.Create
		}
	}
	a.Kind = subject.GetObjectKind().GroupVersionKind()
	a.Resource, _ = meta.UnsafeGuessKindToResource(a.Kind)
	if c.Group != "" {
		a.Resource.Group = strings.TrimPrefix(c.Group, "-")
	}
	if c.Resource != "" {
		a.Resource.Resource = c.Resource
	}
	m, err := meta.Accessor(subject)
	if err != nil {
		t.Fatal(err)
	}
	a.Namespace, a.Name = m.GetNamespace(), m.GetName()
	if a.Kind.Kind == "Namespace" {
		a.Namespace = a.Name
	}
	return a
}

func (c *Case) run(t *testing.T, step admission.Plugin) {
	a := c.Attributes(t)
	before, err := json.Marshal(a.Object)
	if err != nil {
		t.Fatal(err)
	}
	heard := &warnings{}
	ctx := warning.WithWarningRecorder(t.Context(), heard)
	chain := admission.Chain{step}
	err = chain.Admit(ctx, a)
	if err == nil {
		err = chain.Validate(ctx, a)
	}
	switch {
	case err == nil && c.Refused != "":
		t.Errorf("allowed, want it refused with %q", c.Refused)
	case err != nil && (c.Refused == "" || !strings.Contains(err.Error(), c.Refused)):
		t.Errorf("refused with %q, want %q", err, c.Refused)
	}
	after, err := json.Marshal(a.Object)
	if err != nil {
		t.Fatal(err)
	}
	changed, err := jsonpatch.CreateMergePatch(before, after)
	if err != nil {
		t.Fatal(err)
	}
	c.compare(t, "changed", changed, c.Want)
	if text := strings.Join(heard.texts, "\n"); text != "" && c.Warned == "" || !strings.Contains(text, c.Warned) {
		t.Errorf("warned with %q, want %q", text, c.Warned)
	}
	notes, err := json.Marshal(a.Annotations)
	if err != nil {
		t.Fatal(err)
	}
	if a.Annotations == nil {
		notes = []byte("{}")
	}
	c.compare(t, "noted", notes, c.Annotated)
}

func (c *Case) compare(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if want == "" {
		want = "{}"
	}
	if c.Refused == "" && !jsonpatch.Equal(got, []byte(want)) {
		t.Errorf("%s %s, want %s", what, got, want)
	}
}

type warnings struct{ texts []string }

func (w *warnings) AddWarning(_, text string) { w.texts = append(w.texts, text) }
