package flowcontrol

import (
	"fmt"
	"slices"
	"strings"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap"
	"k8s.io/apiserver/pkg/util/shufflesharding"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

const (
	mostPrecedence = 10_000
	mostQueues     = 10_000_000
	exempt         = "exempt"
	wildcard       = "*"
)

var knownVerbs = []string{"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"}

func validateSchema(s *flowcontrolv1.FlowSchema) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	switch n, at := s.Spec.MatchingPrecedence, p.Child("matchingPrecedence"); {
	case n <= 0:
		e.Invalid(at, n, "must be a positive value")
	case n > mostPrecedence:
		e.Invalid(at, n, fmt.Sprintf("must not be greater than %d", mostPrecedence))
	case n == 1 && s.Name != exempt:
		e.Invalid(at, n, "only the schema named 'exempt' may have matchingPrecedence 1")
	}
	if m := s.Spec.DistinguisherMethod; m != nil && m.Type != flowcontrolv1.FlowDistinguisherMethodByNamespaceType && m.Type != flowcontrolv1.FlowDistinguisherMethodByUserType {
		e.NotSupported(p.Child("distinguisherMethod", "type"), m, "ByNamespace", "ByUser")
	}
	if at, name := p.Child("priorityLevelConfiguration", "name"), s.Spec.PriorityLevelConfiguration.Name; name != "" {
		e.DNSSubdomain(at, name)
	} else {
		e.Required(at, "must reference a priority level")
	}
	for i := range s.Spec.Rules {
		rule(e, p.Child("rules").Index(i), &s.Spec.Rules[i])
	}
	for _, m := range bootstrap.MandatoryFlowSchemas {
		if m.Name == s.Name && !equality.Semantic.DeepEqual(s.Spec, m.Spec) {
			e.Invalid(p, s.Spec, fmt.Sprintf("spec of '%s' must equal the fixed value", s.Name))
		}
	}
	e.Add(validateSchemaStatus(s)...)
	return e.List
}

func validateSchemaStatus(s *flowcontrolv1.FlowSchema) field.ErrorList {
	types := make([]string, len(s.Status.Conditions))
	for i, c := range s.Status.Conditions {
		types[i] = string(c.Type)
	}
	return conditionTypes(types)
}

func conditionTypes(types []string) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("status", "conditions")
	for i, t := range types {
		if slices.Contains(types[:i], t) {
			e.Duplicate(p.Index(i).Child("type"), t)
		}
		e.NotEmpty(p.Index(i).Child("type"), t)
	}
	return e.List
}

func rule(e *check.Errors, p *field.Path, r *flowcontrolv1.PolicyRulesWithSubjects) {
	if len(r.Subjects) == 0 {
		e.Required(p.Child("subjects"), "subjects must contain at least one value")
	}
	for i := range r.Subjects {
		subject(e, p.Child("subjects").Index(i), &r.Subjects[i])
	}
	if len(r.ResourceRules) == 0 && len(r.NonResourceRules) == 0 {
		e.Required(p, "at least one of resourceRules and nonResourceRules has to be non-empty")
	}
	for i := range r.ResourceRules {
		resources(e, p.Child("resourceRules").Index(i), &r.ResourceRules[i])
	}
	for i := range r.NonResourceRules {
		p, r := p.Child("nonResourceRules").Index(i), &r.NonResourceRules[i]
		verbs(e, p.Child("verbs"), r.Verbs)
		at := p.Child("nonResourceURLs")
		if every(e, at, r.NonResourceURLs, "nonResourceURLs must contain at least one value", "non-resource URLs") {
			continue
		}
		for i, u := range r.NonResourceURLs {
			if wrong := wrongURL(u); wrong != "" {
				e.Invalid(at.Index(i), u, wrong)
			}
		}
	}
}

// every reports whether a list that must not be empty stands for all others,
// which then must not be named.
func every(e *check.Errors, p *field.Path, list []string, missing, others string) bool {
	all := slices.Contains(list, wildcard)
	if len(list) == 0 {
		e.Required(p, missing)
	} else if all && len(list) > 1 {
		e.Invalid(p, list, "if '*' is present, must not specify other "+others)
	}
	return all
}

func verbs(e *check.Errors, p *field.Path, list []string) {
	if every(e, p, list, "verbs must contain at least one value", "verbs") {
		return
	}
	if slices.ContainsFunc(list, func(v string) bool { return !slices.Contains(knownVerbs, v) }) {
		e.NotSupported(p, list, knownVerbs...)
	}
}

func resources(e *check.Errors, p *field.Path, r *flowcontrolv1.ResourcePolicyRule) {
	verbs(e, p.Child("verbs"), r.Verbs)
	every(e, p.Child("apiGroups"), r.APIGroups, "resource rules must supply at least one api group", "api groups")
	every(e, p.Child("resources"), r.Resources, "resource rules must supply at least one resource", "resources")
	at := p.Child("namespaces")
	if r.ClusterScope && len(r.Namespaces) == 0 ||
		every(e, at, r.Namespaces, "resource rules that are not cluster scoped must supply at least one namespace", "namespaces") {
		return
	}
	for i, ns := range r.Namespaces {
		for _, msg := range validation.IsDNS1123Label(ns) {
			e.Invalid(at.Index(i), ns, "each member of this list must be '*' or a DNS-1123 label; "+msg)
		}
	}
}

func wrongURL(u string) string {
	switch n := strings.Count(u, wildcard); {
	case u == "":
		return "must not be empty"
	case u == "/":
		return ""
	case !strings.HasPrefix(u, "/"):
		return "must start with slash"
	case strings.Contains(u, " "):
		return "must not contain white-space"
	case strings.Contains(u, "//"):
		return "must not contain double slash"
	case n > 1 || n == 1 && !strings.HasSuffix(u, "/*"):
		return "wildcard can only do suffix matching"
	}
	return ""
}

func subject(e *check.Errors, p *field.Path, s *flowcontrolv1.Subject) {
	parts := []struct {
		kind flowcontrolv1.SubjectKind
		name string
		set  bool
	}{
		{flowcontrolv1.SubjectKindServiceAccount, "serviceAccount", s.ServiceAccount != nil},
		{flowcontrolv1.SubjectKindUser, "user", s.User != nil},
		{flowcontrolv1.SubjectKindGroup, "group", s.Group != nil},
	}
	known := false
	for _, part := range parts {
		known = known || part.kind == s.Kind
	}
	if !known {
		check.OneOf(e, p.Child("kind"), s.Kind, flowcontrolv1.SubjectKindGroup, flowcontrolv1.SubjectKindServiceAccount, flowcontrolv1.SubjectKindUser)
		return
	}
	for _, part := range parts {
		switch at := p.Child(part.name); {
		case part.kind == s.Kind && !part.set:
			e.Required(at, fmt.Sprintf("%s is required when subject kind is '%s'", part.name, part.kind))
		case part.kind != s.Kind && part.set:
			e.Forbidden(at, fmt.Sprintf("%s is forbidden when subject kind is not '%s'", part.name, part.kind))
		}
	}
	switch {
	case s.Kind == flowcontrolv1.SubjectKindUser && s.User != nil:
		e.NotEmpty(p.Child("user", "name"), s.User.Name)
	case s.Kind == flowcontrolv1.SubjectKindGroup && s.Group != nil:
		e.NotEmpty(p.Child("group", "name"), s.Group.Name)
	case s.Kind == flowcontrolv1.SubjectKindServiceAccount && s.ServiceAccount != nil:
		p, a := p.Child("serviceAccount"), s.ServiceAccount
		e.NotEmpty(p.Child("name"), a.Name)
		if a.Name != "" && a.Name != wildcard {
			e.Messages(p.Child("name"), a.Name, apivalidation.ValidateServiceAccountName(a.Name, false))
		}
		if a.Namespace == "" {
			e.Required(p.Child("namespace"), "must specify namespace for service account")
		} else {
			e.DNSLabel(p.Child("namespace"), a.Namespace)
		}
	}
}

func validateLevel(l *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
	e, p, s := &check.Errors{}, field.NewPath("spec"), &l.Spec
	if (l.Name == exempt) != (s.Type == flowcontrolv1.PriorityLevelEnablementExempt) {
		e.Invalid(p.Child("type"), s.Type, "must be 'Exempt' if and only if `name` is 'exempt'")
	}
	switch s.Type {
	case flowcontrolv1.PriorityLevelEnablementExempt:
		if x := s.Exempt; x != nil {
			shares(e, p.Child("exempt"), x.NominalConcurrencyShares, x.LendablePercent)
		}
	case flowcontrolv1.PriorityLevelEnablementLimited:
		if s.Limited != nil {
			limited(e, p.Child("limited"), s.Limited)
		}
	case "":
	default:
		check.OneOf(e, p.Child("type"), s.Type, flowcontrolv1.PriorityLevelEnablementExempt, flowcontrolv1.PriorityLevelEnablementLimited)
	}
	mandatory(e, p, l)
	e.Add(validateLevelStatus(l)...)
	return e.List
}

// mandatory refuses changes of the levels that every server has, other than
// of how much the exempt one lends.
func mandatory(e *check.Errors, p *field.Path, l *flowcontrolv1.PriorityLevelConfiguration) {
	for _, m := range bootstrap.MandatoryPriorityLevelConfigurations {
		if m.Name != l.Name {
			continue
		}
		want, but := m.Spec, ""
		if l.Name == exempt {
			want.Exempt, but = l.Spec.Exempt, " except the 'spec.exempt' field"
		}
		if !equality.Semantic.DeepEqual(l.Spec, want) {
			e.Invalid(p, l.Spec, fmt.Sprintf("spec of '%s'%s must equal the fixed value", l.Name, but))
		}
	}
}

func shares(e *check.Errors, p *field.Path, n, lendable *int32) {
	if n != nil && *n < 0 {
		e.Invalid(p.Child("nominalConcurrencyShares"), *n, "must be a non-negative integer")
	}
	if lendable != nil && (*lendable < 0 || *lendable > 100) {
		e.Invalid(p.Child("lendablePercent"), *lendable, "must be between 0 and 100, inclusive")
	}
}

func limited(e *check.Errors, p *field.Path, l *flowcontrolv1.LimitedPriorityLevelConfiguration) {
	shares(e, p, l.NominalConcurrencyShares, l.LendablePercent)
	if n := l.BorrowingLimitPercent; n != nil && *n < 0 {
		e.Invalid(p.Child("borrowingLimitPercent"), *n, "if specified, must be a non-negative integer")
	}
	p = p.Child("limitResponse")
	r := &l.LimitResponse
	if r.Type != "" {
		check.OneOf(e, p.Child("type"), r.Type, flowcontrolv1.LimitResponseTypeQueue, flowcontrolv1.LimitResponseTypeReject)
	}
	if r.Type == flowcontrolv1.LimitResponseTypeQueue && r.Queuing != nil {
		queuing(e, p.Child("queuing"), r.Queuing)
	}
}

func queuing(e *check.Errors, p *field.Path, q *flowcontrolv1.QueuingConfiguration) {
	positive := func(name string, n int32) bool {
		if n <= 0 {
			e.Invalid(p.Child(name), n, "must be positive")
		}
		return n > 0
	}
	positive("queueLengthLimit", q.QueueLengthLimit)
	if positive("queues", q.Queues) && q.Queues > mostQueues {
		e.Invalid(p.Child("queues"), q.Queues, fmt.Sprintf("must not be greater than %d", mostQueues))
	}
	if !positive("handSize", q.HandSize) {
		return
	}
	if at := p.Child("handSize"); q.HandSize > q.Queues {
		e.Invalid(at, q.HandSize, fmt.Sprintf("should not be greater than queues (%d)", q.Queues))
	} else if bits := shufflesharding.RequiredEntropyBits(int(q.Queues), int(q.HandSize)); bits > shufflesharding.MaxHashBits {
		e.Invalid(at, q.HandSize, fmt.Sprintf("required entropy bits of deckSize %d and handSize %d should not be greater than %d",
			q.Queues, q.HandSize, shufflesharding.MaxHashBits))
	}
}

func validateLevelStatus(l *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
	types := make([]string, len(l.Status.Conditions))
	for i, c := range l.Status.Conditions {
		types[i] = string(c.Type)
	}
	return conditionTypes(types)
}
