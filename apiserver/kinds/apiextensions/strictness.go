package apiextensions

import (
	"reflect"
	"slices"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	celgo "github.com/google/cel-go/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// strictness says which rules a definition is held to. What an old server has
// let pass may stay as it is.
type strictness struct {
	// schemas demands one for every version.
	schemas bool
	// types, structure, pruned, atomicSets and firmKeys demand types that
	// exist, structural schemas, defaults without unknown fields, sets whose
	// items are compared whole, and list keys that are always there.
	types, structure, pruned, atomicSets, firmKeys bool
	// reviews demands a version of conversion reviews that is known.
	reviews bool
	// authority demands a CA bundle that can be read.
	authority bool
	// manySelectable names versions that may have more selectable fields than
	// are allowed now; empty is what all versions have in common.
	manySelectable map[string]bool
	// unchanged are the versions whose schema is what it was: their
	// expressions may cost what they do.
	unchanged sets.Set[string]
	// rules and messages are expressions that were there before; they may use
	// what only stored expressions may.
	rules, messages sets.Set[string]
}

// strictest is for what is new. A CA bundle may come later.
func strictest() strictness {
	return strictness{schemas: true, types: true, structure: true, pruned: true, atomicSets: true, firmKeys: true, reviews: true}
}

// asBefore is for the new state of what was there before.
func asBefore(crd, old *internal.CustomResourceDefinition) strictness {
	s := strictest()
	s.rules, s.messages = sets.Set[string]{}, sets.Set[string]{}
	for _, schema := range schemasOf(&old.Spec) {
		s.structure = s.structure && isStructural(schema)
		s.pruned = s.pruned && !hasUnprunedDefaults(schema)
		for n := range within(schema) {
			s.types = s.types && (n.Type == "" || slices.Contains(types(), n.Type))
			s.atomicSets = s.atomicSets && !setOfParts(n)
			if s.firmKeys {
				e := &check.Errors{}
				firmKeys(e, n, field.NewPath(""))
				s.firmKeys = len(e.List) == 0
			}
			for i := range n.XValidations {
				s.rules.Insert(n.XValidations[i].Rule)
				s.messages.Insert(n.XValidations[i].MessageExpression)
			}
		}
	}
	s.schemas = old.Spec.Validation != nil && old.Spec.Validation.OpenAPIV3Schema != nil ||
		!slices.ContainsFunc(old.Spec.Versions, func(v internal.CustomResourceDefinitionVersion) bool { return schemaOf(v.Schema) == nil })
	if c := old.Spec.Conversion; c != nil {
		s.reviews = len(c.ConversionReviewVersions) == 0 || slices.ContainsFunc(c.ConversionReviewVersions, known)
	}
	s.authority = internal.IsCRDConditionTrue(old, internal.Established) && !brokenAuthority(old.Spec.Conversion)
	s.manySelectable = manySelectable(&crd.Spec, &old.Spec)
	s.unchanged = sets.Set[string]{}
	for _, v := range crd.Spec.Versions {
		now, err := internal.GetSchemaForVersion(crd, v.Name)
		if err != nil {
			continue
		}
		if was, err := internal.GetSchemaForVersion(old, v.Name); err == nil && equality.Semantic.DeepEqual(now, was) {
			s.unchanged.Insert(v.Name)
		}
	}
	return s
}

func brokenAuthority(c *internal.CustomResourceConversion) bool {
	if c == nil || c.WebhookClientConfig == nil || len(c.WebhookClientConfig.CABundle) == 0 {
		return false
	}
	e := &check.Errors{}
	authority(e, field.NewPath("caBundle"), c.WebhookClientConfig.CABundle)
	return len(e.List) > 0
}

func manySelectable(spec, old *internal.CustomResourceDefinitionSpec) map[string]bool {
	stays := func(now, was []internal.SelectableField) bool {
		return len(was) > mostSelectable && equality.Semantic.DeepEqual(now, was)
	}
	out := map[string]bool{"": stays(spec.SelectableFields, old.SelectableFields)}
	for _, v := range spec.Versions {
		for _, was := range old.Versions {
			if was.Name == v.Name {
				out[v.Name] = stays(v.SelectableFields, was.SelectableFields)
			}
		}
	}
	return out
}

func isStructural(schema *internal.JSONSchemaProps) bool {
	ss, err := structuralschema.NewStructural(schema)
	return err == nil && len(structuralschema.ValidateStructural(nil, ss)) == 0
}

func hasUnprunedDefaults(schema *internal.JSONSchemaProps) bool {
	ss, err := structuralschema.NewStructural(schema)
	if err != nil || !hasDefaults(schema) || len(structuralschema.ValidateStructural(nil, ss)) > 0 {
		return false
	}
	pruned := ss.DeepCopy()
	return defaulting.PruneDefaults(pruned) == nil && !reflect.DeepEqual(ss, pruned)
}

// RuleEnv implements cel.EnvLoader.
func (s *strictness) RuleEnv(all *environment.EnvSet, expression string) *celgo.Env {
	return env(all, s.rules, expression)
}

// MessageExpressionEnv implements cel.EnvLoader.
func (s *strictness) MessageExpressionEnv(all *environment.EnvSet, expression string) *celgo.Env {
	return env(all, s.messages, expression)
}

func env(all *environment.EnvSet, stored sets.Set[string], expression string) *celgo.Env {
	if stored.Has(expression) {
		return all.StoredExpressionsEnv()
	}
	return all.NewExpressionsEnv()
}
