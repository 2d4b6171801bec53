package apiextensions

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// What expressions may cost at most, by estimate, for the largest object that
// the schema lets pass: one, and all of a definition's version.
const (
	mostPerRule   = 10_000_000
	mostPerSchema = 100_000_000
	mostNamed     = 4 // of the dearest
)

// compile checks the expressions of a schema.
func (w *walk) compile(e *check.Errors, n node) {
	p := n.path.Child("x-kubernetes-validations")
	t, err := n.place.typed()
	if err != nil {
		e.Add(field.InternalError(p, fmt.Errorf("internal error: failed to construct type information for x-kubernetes-validations rules: %w", err)))
		return
	}
	set := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	results, err := cel.Compile(t.schema, t.decl, celconfig.PerCallLimit, set, &w.strict)
	if err != nil {
		e.Add(field.InternalError(p, err))
		return
	}
	for i := range results {
		w.compiled(e, n, i, &results[i], p.Index(i))
	}
}

// compiled looks at what has become of one rule.
func (w *walk) compiled(e *check.Errors, n node, i int, r *cel.CompilationResult, p *field.Path) {
	times := r.MaxCardinality
	if n.place.most != nil {
		times = *n.place.most
	}
	w.cost(e, p.Child("rule"), "estimated rule cost", multiply(r.MaxCost, times))
	rule := n.XValidations[i]
	if err := r.Error; err != nil {
		if err.Type == apiservercel.ErrorTypeRequired {
			e.Required(p.Child("rule"), err.Detail)
		} else {
			e.Invalid(p.Child("rule"), rule, err.Detail)
		}
	}
	if err := r.MessageExpressionError; err != nil {
		e.Invalid(p.Child("messageExpression"), rule, err.Detail)
	} else if r.MessageExpression != nil {
		w.cost(e, p.Child("messageExpression"), "estimated messageExpression cost", r.MessageExpressionMaxCost)
	}
	if !r.UsesOldSelf && rule.OptionalOldSelf != nil {
		e.Invalid(p.Child("optionalOldSelf"), *rule.OptionalOldSelf, "may not be set if oldSelf is not used in rule")
	}
	if r.UsesOldSelf && n.changing != nil {
		e.Invalid(p.Child("rule"), rule.Rule, fmt.Sprintf("oldSelf cannot be used on the uncorrelatable portion of the schema within %v", n.changing))
	}
}

// cost takes in what an expression costs.
func (w *walk) cost(e *check.Errors, p *field.Path, what string, cost uint64) {
	if !w.cheap && cost > mostPerRule {
		e.Forbidden(p, tooDear(what, cost, mostPerRule))
	}
	w.total.add(p, cost)
}

func tooDear(what string, cost, limit uint64) string {
	times := float64(cost) / float64(limit)
	factor := fmt.Sprintf("%.1fx", times)
	if times > 100 {
		factor = "more than 100x" // the number would mean nothing
	} else if times < 1.5 {
		factor = fmt.Sprintf("%fx", times)
	}
	return fmt.Sprintf("%s exceeds budget by factor of %s (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)", what, factor)
}

// costs are those of all expressions of a schema.
type costs struct {
	sum  uint64
	dear []dear // the dearest, none of which is small
}

type dear struct {
	path *field.Path
	cost uint64
}

func (c *costs) add(p *field.Path, cost uint64) {
	sum, over := bits.Add64(c.sum, cost, 0)
	if over > 0 {
		sum = math.MaxUint64
	}
	c.sum = sum
	if cost < mostPerSchema/100 {
		return
	}
	c.dear = append(c.dear, dear{p, cost})
	slices.SortStableFunc(c.dear, func(a, b dear) int { return cmp.Compare(b.cost, a.cost) })
	c.dear = c.dear[:min(len(c.dear), mostNamed)]
}

// judge refuses a schema whose expressions cost too much together.
func (c *costs) judge(e *check.Errors, at *field.Path) {
	if c.sum <= mostPerSchema {
		return
	}
	for _, d := range c.dear {
		e.Forbidden(d.path, "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema")
	}
	e.Forbidden(at, tooDear("x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema", c.sum, mostPerSchema))
}

// multiply is a product that stops at the largest number.
func multiply(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	if high > 0 {
		return math.MaxUint64
	}
	return low
}
