package expression

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/cel-go/common/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestCompile(t *testing.T) {
	for _, c := range []struct {
		cfg   Config
		use   Use
		text  string
		wrong string
	}{
		{Config{}, MatchCondition, "object.a == 1", ""},
		{Config{}, MatchCondition, "1", "must evaluate to bool but got int"},
		{Config{}, MatchCondition, "params == null", "undeclared reference to 'params'"},
		{Config{Params: true}, MatchCondition, "params == null", ""},
		{Config{Variables: true}, MatchCondition, "variables.a", "undeclared reference to 'variables'"},
		{Config{}, Validation, "authorizer.requestResource.check('get').allowed()", ""},
		{Config{}, Message, "'a' + 'b'", ""},
		{Config{}, Message, "authorizer == null ? '' : ''", "undeclared reference to 'authorizer'"},
		{Config{}, AuditAnnotation, "null", ""},
		{Config{}, AuditAnnotation, "1", "must evaluate to one of [string null_type] but got int"},
		{Config{}, ApplyConfiguration, "Object{a: 1}", ""},
		{Config{}, Validation, "Object{a: 1} != null", "undeclared reference to 'Object'"},
		{Config{}, JSONPatch, "[JSONPatch{op: 'add', path: jsonpatch.escapeKey('/a'), value: 1}]", ""},
		{Config{Variables: true}, Validation, "variables.a", "undefined field 'a'"},
	} {
		err := Problem(field.NewPath("p"), NewCompiler(c.cfg).Compile(c.use, c.text, New))
		if (err != nil) != (c.wrong != "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %s", c.text, err, c.wrong)
		}
	}
}

func TestVariables(t *testing.T) {
	c := NewCompiler(Config{Variables: true})
	for _, v := range [][2]string{{"a", "object.x + 1"}, {"b", "variables.a * 2"}, {"bad", "object.none"}} {
		if r := c.Variable(v[0], v[1], Stored); r.Error != nil {
			t.Fatal(r.Error)
		}
	}
	sum := c.Compile(Validation, "variables.a + variables.b == 9", Stored)
	bad := c.Compile(Validation, "variables.bad == 1", Stored)
	if sum.Error != nil || bad.Error != nil {
		t.Fatal(sum.Error, bad.Error)
	}
	run := c.Run(t.Context(), Values{Object: types.DefaultTypeAdapter.NativeToValue(map[string]any{"x": 2})}, 1000)
	if v, err := run.Eval(sum); err != nil || v != types.True {
		t.Error(v, err)
	}
	spent := 1000 - run.Left()
	if _, err := run.Eval(bad); err == nil || !strings.Contains(err.Error(), `composited variable "bad" fails to evaluate: no such key: none`) {
		t.Error(err)
	}
	if spent <= 0 || run.Left() >= 1000-spent {
		t.Errorf("%d are left after %d were spent", run.Left(), spent)
	}
}

func TestBudget(t *testing.T) {
	c := NewCompiler(Config{})
	p := c.Compile(Validation, "[1, 2, 3, 4].all(a, a > 0)", New)
	run := c.Run(t.Context(), Values{}, 5)
	if _, err := run.Eval(p); !errors.Is(err, ErrBudget) {
		t.Error(err)
	}
}

func TestNothingIsNull(t *testing.T) {
	c := NewCompiler(Config{Params: true})
	run := c.Run(t.Context(), Values{}, 1_000_000)
	if v, err := run.Eval(c.Compile(Validation, "object == null && oldObject == null && params == null", New)); err != nil || v != types.True {
		t.Error(v, err)
	}
	if _, err := run.Eval(c.Compile(Validation, "authorizer.path('/').check('get').allowed()", New)); err == nil || !strings.Contains(err.Error(), "no such attribute") {
		t.Error(err)
	}
	if _, err := run.Eval(c.Compile(Validation, "!", New)); err == nil || !strings.Contains(err.Error(), "compilation error") {
		t.Error(err)
	}
}
