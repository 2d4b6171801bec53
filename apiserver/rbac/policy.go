package rbac

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// defaultPolicy are the roles and bindings that kube-apiserver v1.37 gives
// every cluster. Each role is a paragraph of its own:
//
//	role [NAMESPACE/]NAME [into ROLE]… [from ROLE]…
//	  VERBS GROUPS RESOURCES [named NAMES]
//	  VERBS url PATHS
//	  to [BINDING: ]user NAME, group NAME, account NAMESPACE/NAME
//
// "into" labels a role for aggregation, "from" makes it the aggregate. A
// binding without a name has that of the role; "nobody" stands for no subjects.
//
//go:embed policy.txt
var defaultPolicy string

// Policy is a set of roles and bindings.
type Policy struct {
	ClusterRoles        []*rbacv1.ClusterRole
	ClusterRoleBindings []*rbacv1.ClusterRoleBinding
	Roles               []*rbacv1.Role
	RoleBindings        []*rbacv1.RoleBinding
}

// DefaultPolicy returns the roles and bindings that every cluster has, fresh
// copies for the caller to change. Aggregated roles (admin, edit, view) are
// empty: a controller fills them.
func DefaultPolicy() (*Policy, error) { return parsePolicy(defaultPolicy) }

// Rules are those of a ClusterRole of the policy; none if it is not there.
func (p *Policy) Rules(clusterRole string) []rbacv1.PolicyRule {
	for _, r := range p.ClusterRoles {
		if r.Name == clusterRole {
			return r.Rules
		}
	}
	return nil
}

const aggregateTo = "rbac.authorization.k8s.io/aggregate-to-"

// parsePolicy reads the language described at defaultPolicy.
func parsePolicy(text string) (*Policy, error) {
	p := &Policy{}
	var role *paragraph
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		var err error
		switch {
		case len(words) == 0:
		case words[0] == "role":
			if role != nil {
				role.addTo(p)
			}
			role, err = newParagraph(words[1:])
		case role == nil:
			err = fmt.Errorf("a role must come first")
		case words[0] == "to":
			err = role.bind(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "to ")))
		default:
			err = role.allow(words)
		}
		if err != nil {
			return nil, fmt.Errorf("rbac: policy line %d: %w", n+1, err)
		}
	}
	if role != nil {
		role.addTo(p)
	}
	return p, nil
}

// paragraph is one role with its bindings, as read.
type paragraph struct {
	meta     metav1.ObjectMeta
	from     []string
	rules    []rbacv1.PolicyRule
	bindings []binding
}

type binding struct {
	name     string
	subjects []rbacv1.Subject
}

func defaultMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: namespace, Name: name,
		Labels:      map[string]string{"kubernetes.io/bootstrapping": "rbac-defaults"},
		Annotations: map[string]string{rbacv1.AutoUpdateAnnotationKey: "true"},
	}
}

func newParagraph(words []string) (*paragraph, error) {
	if len(words)%2 != 1 {
		return nil, fmt.Errorf("want: role NAME [into ROLE]… [from ROLE]…")
	}
	namespace, name, ok := strings.Cut(words[0], "/")
	if !ok {
		namespace, name = "", words[0]
	}
	r := &paragraph{meta: defaultMeta(namespace, name)}
	for i := 1; i < len(words); i += 2 {
		switch words[i] {
		case "into":
			r.meta.Labels[aggregateTo+words[i+1]] = "true"
		case "from":
			r.from = append(r.from, words[i+1])
		default:
			return nil, fmt.Errorf("%q is neither into nor from", words[i])
		}
	}
	return r, nil
}

func (r *paragraph) allow(words []string) error {
	if len(words) != 3 && (len(words) != 5 || words[3] != "named") {
		return fmt.Errorf("want: VERBS GROUPS RESOURCES [named NAMES]")
	}
	rule := rbacv1.PolicyRule{Verbs: strings.Split(words[0], ",")}
	if words[1] == "url" {
		rule.NonResourceURLs = strings.Split(words[2], ",")
	} else {
		rule.APIGroups = strings.Split(words[1], ",")
		if i := slices.Index(rule.APIGroups, "core"); i >= 0 {
			rule.APIGroups[i] = ""
		}
		rule.Resources = strings.Split(words[2], ",")
	}
	if len(words) == 5 {
		rule.ResourceNames = strings.Split(words[4], ",")
	}
	r.rules = append(r.rules, rule)
	return nil
}

func (r *paragraph) bind(text string) error {
	b := binding{name: r.meta.Name}
	if name, rest, ok := strings.Cut(text, ": "); ok {
		b.name, text = name, rest
	}
	if text == "nobody" {
		r.bindings = append(r.bindings, b)
		return nil
	}
	for _, subject := range strings.Split(text, ", ") {
		kind, name, _ := strings.Cut(subject, " ")
		s := rbacv1.Subject{APIGroup: rbacv1.GroupName, Name: name}
		switch kind {
		case "user":
			s.Kind = rbacv1.UserKind
		case "group":
			s.Kind = rbacv1.GroupKind
		case "account":
			s.Kind, s.APIGroup = rbacv1.ServiceAccountKind, ""
			s.Namespace, s.Name, _ = strings.Cut(name, "/")
		default:
			return fmt.Errorf("subject %q is no user, group or account", subject)
		}
		if s.Name == "" {
			return fmt.Errorf("subject %q has no name", subject)
		}
		b.subjects = append(b.subjects, s)
	}
	r.bindings = append(r.bindings, b)
	return nil
}

func (r *paragraph) addTo(p *Policy) {
	kind := "ClusterRole"
	if r.meta.Namespace != "" {
		kind = "Role"
		p.Roles = append(p.Roles, &rbacv1.Role{ObjectMeta: r.meta, Rules: r.rules})
	} else {
		role := &rbacv1.ClusterRole{ObjectMeta: r.meta, Rules: r.rules}
		for _, from := range r.from {
			if role.AggregationRule == nil {
				role.AggregationRule = &rbacv1.AggregationRule{}
			}
			role.AggregationRule.ClusterRoleSelectors = append(role.AggregationRule.ClusterRoleSelectors,
				metav1.LabelSelector{MatchLabels: map[string]string{aggregateTo + from: "true"}})
		}
		p.ClusterRoles = append(p.ClusterRoles, role)
	}
	for _, b := range r.bindings {
		meta, ref := defaultMeta(r.meta.Namespace, b.name), rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: r.meta.Name}
		if r.meta.Namespace != "" {
			p.RoleBindings = append(p.RoleBindings, &rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: b.subjects})
		} else {
			p.ClusterRoleBindings = append(p.ClusterRoleBindings, &rbacv1.ClusterRoleBinding{ObjectMeta: meta, RoleRef: ref, Subjects: b.subjects})
		}
	}
}
