package apiextensions

import (
	"context"
	"strings"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// judge collects what is wrong with one definition.
type judge struct {
	*check.Errors
	ctx    context.Context // of the request; defaults are checked by rules, which it can end
	strict strictness
}

// joined requires a name of a form; all that is wrong with it is one error.
func (j *judge) joined(p *field.Path, value, prefix string, msgs []string) {
	joined(j.Errors, p, value, prefix, msgs)
}

func joined(e *check.Errors, p *field.Path, value, prefix string, msgs []string) {
	if len(msgs) > 0 {
		e.Invalid(p, value, prefix+strings.Join(msgs, ","))
	}
}

func (j *judge) spec(s *internal.CustomResourceDefinitionSpec, p *field.Path) {
	if group := p.Child("group"); s.Group == "" {
		j.Required(group, "")
	} else if msgs := validation.IsDNS1123Subdomain(s.Group); len(msgs) > 0 {
		j.joined(group, s.Group, "", msgs)
	} else if !strings.Contains(s.Group, ".") {
		j.Invalid(group, s.Group, "should be a domain with at least one dot")
	}
	check.RequiredOneOf(j.Errors, p.Child("scope"), s.Scope, internal.ClusterScoped, internal.NamespaceScoped)
	j.presence(s, p)
	j.versions(s, p)
	j.apart(s, p)

	named := p.Child("names")
	j.NotEmpty(named.Child("plural"), s.Names.Plural)
	j.NotEmpty(named.Child("singular"), s.Names.Singular)
	j.NotEmpty(named.Child("kind"), s.Names.Kind)
	j.NotEmpty(named.Child("listKind"), s.Names.ListKind)
	names(j.Errors, &s.Names, named)

	j.validation(s.Validation, anyStatus(s), s.Version, p.Child("validation"))
	j.subresources(s.Subresources, p.Child("subresources"))
	j.columns(s.AdditionalPrinterColumns, p.Child("additionalPrinterColumns"))
	if len(s.SelectableFields) > 0 {
		if s.Validation == nil {
			j.Invalid(p.Child("selectableFields"), "", "may only be set when validations.schema is included")
		} else {
			j.selectable(s.SelectableFields, s.Validation.OpenAPIV3Schema, p.Child("schema.openAPIV3Schema"), p.Child("selectableFields"), "")
		}
	}
	j.conversion(s, p.Child("conversion"))
}

// presence requires schemas where there have to be some, and finds out whether
// they have to be structural.
func (j *judge) presence(s *internal.CustomResourceDefinitionSpec, p *field.Path) {
	prunes := !isTrue(s.PreserveUnknownFields)
	j.strict.structure = j.strict.structure || prunes
	if schemaOf(s.Validation) == nil {
		for i := range s.Versions {
			if schemaOf(s.Versions[i].Schema) != nil {
				continue
			}
			p := p.Child("versions").Index(i).Child("schema", "openAPIV3Schema")
			if j.strict.schemas {
				j.Required(p, "")
			} else if prunes && s.Versions[i].Served {
				j.Required(p, "because otherwise all fields are pruned")
			}
		}
	}
	defaults := false
	for _, schema := range schemasOf(s) {
		defaults = defaults || hasDefaults(schema)
		j.strict.structure = j.strict.structure || hasExtensions(schema)
	}
	if defaults {
		j.strict.structure = true
		if s.PreserveUnknownFields == nil || *s.PreserveUnknownFields {
			j.Invalid(p.Child("preserveUnknownFields"), true, "must be false in order to use defaults in the schema")
		}
	}
}

func (j *judge) versions(s *internal.CustomResourceDefinitionSpec, p *field.Path) {
	for i := range s.Versions {
		v, p := &s.Versions[i], p.Child("versions").Index(i)
		j.joined(p.Child("name"), v.Name, "", validation.IsDNS1035Label(v.Name))
		j.version(v, hasStatus(subresourcesOf(s, v.Name)), p)
	}
}

// apart requires that what all versions have in common stands at the top and
// nothing else, that versions are told apart by their names, and that objects
// are stored as one of them.
func (j *judge) apart(s *internal.CustomResourceDefinitionSpec, p *field.Path) {
	var schemas, subresources, columns int // versions that have their own
	sameSchemas, sameSubresources, sameColumns := len(s.Versions) > 0, len(s.Versions) > 0, len(s.Versions) > 0
	unique, storage, seen := true, 0, map[string]bool{}
	for i := range s.Versions {
		v, first := &s.Versions[i], &s.Versions[0]
		count(&schemas, &sameSchemas, v.Schema != nil, equality.Semantic.DeepEqual(v.Schema, first.Schema))
		count(&subresources, &sameSubresources, v.Subresources != nil, equality.Semantic.DeepEqual(v.Subresources, first.Subresources))
		count(&columns, &sameColumns, len(v.AdditionalPrinterColumns) > 0, equality.Semantic.DeepEqual(v.AdditionalPrinterColumns, first.AdditionalPrinterColumns))
		unique = unique && !seen[v.Name]
		seen[v.Name] = true
		if v.Storage {
			storage++
		}
	}
	if s.Validation != nil && schemas > 0 {
		j.Forbidden(p.Child("validation"), "top-level and per-version schemas are mutually exclusive")
	}
	if s.Subresources != nil && subresources > 0 {
		j.Forbidden(p.Child("subresources"), "top-level and per-version subresources are mutually exclusive")
	}
	if len(s.AdditionalPrinterColumns) > 0 && columns > 0 {
		j.Forbidden(p.Child("additionalPrinterColumns"), "top-level and per-version additionalPrinterColumns are mutually exclusive")
	}
	versions := p.Child("versions")
	if sameSchemas {
		j.Invalid(versions, s.Versions, "per-version schemas may not all be set to identical values (top-level validation should be used instead)")
	}
	if sameSubresources {
		j.Invalid(versions, s.Versions, "per-version subresources may not all be set to identical values (top-level subresources should be used instead)")
	}
	if sameColumns {
		j.Invalid(versions, s.Versions, "per-version additionalPrinterColumns may not all be set to identical values (top-level additionalPrinterColumns should be used instead)")
	}
	if !unique {
		j.Invalid(versions, s.Versions, "must contain unique version names")
	}
	if storage != 1 {
		j.Invalid(versions, s.Versions, "must have exactly one version marked as storage version")
	}
	if s.Version == "" {
		return
	}
	j.joined(p.Child("version"), s.Version, "", validation.IsDNS1035Label(s.Version))
	if len(s.Versions) > 0 && s.Versions[0].Name != s.Version {
		j.Invalid(p.Child("version"), s.Version, "must match the first version in spec.versions")
	}
}

// count takes one version into account: whether it has something of its own,
// and whether that is the same for all.
func count(n *int, same *bool, has, equal bool) {
	if has {
		*n++
	}
	*same = *same && has && equal
}

// subresourcesOf are those of a version.
func subresourcesOf(s *internal.CustomResourceDefinitionSpec, version string) *internal.CustomResourceSubresources {
	own := false
	var found *internal.CustomResourceSubresources
	for i := len(s.Versions) - 1; i >= 0; i-- { // the first of that name counts
		v := &s.Versions[i]
		own = own || v.Subresources != nil
		if v.Name == version {
			found = v.Subresources
		}
	}
	if own {
		return found
	}
	return s.Subresources
}

func hasStatus(s *internal.CustomResourceSubresources) bool { return s != nil && s.Status != nil }

func anyStatus(s *internal.CustomResourceDefinitionSpec) bool {
	if hasStatus(s.Subresources) {
		return true
	}
	for i := range s.Versions {
		if hasStatus(s.Versions[i].Subresources) {
			return true
		}
	}
	return false
}

// names checks those that are given; which have to be is the caller's matter.
func names(e *check.Errors, n *internal.CustomResourceDefinitionNames, p *field.Path) {
	label := func(p *field.Path, value string) { joined(e, p, value, "", validation.IsDNS1035Label(value)) }
	mixed := func(p *field.Path, value string) {
		joined(e, p, value, "may have mixed case, but should otherwise match: ", validation.IsDNS1035Label(strings.ToLower(value)))
	}
	for _, c := range []struct {
		name, value string
		check       func(*field.Path, string)
	}{{"plural", n.Plural, label}, {"singular", n.Singular, label}, {"kind", n.Kind, mixed}, {"listKind", n.ListKind, mixed}} {
		if c.value != "" {
			c.check(p.Child(c.name), c.value)
		}
	}
	for i, s := range n.ShortNames {
		label(p.Child("shortNames").Index(i), s)
	}
	if n.Kind != "" && n.Kind == n.ListKind {
		e.Invalid(p.Child("listKind"), n.ListKind, "kind and listKind may not be the same")
	}
	for i, s := range n.Categories {
		label(p.Child("categories").Index(i), s)
	}
}
