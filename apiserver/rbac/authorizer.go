package rbac

import (
	"context"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	kind "github.com/keelson-project/keelson/apiserver/kinds/rbac"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// Authorizer allows what a role allows. Its Authorize is an
// authorizer.AuthorizerFunc.
type Authorizer struct {
	clusterRoles        *registry.Objects[*rbacv1.ClusterRole]
	roles               *registry.Objects[*rbacv1.Role]
	clusterRoleBindings *registry.Objects[*rbacv1.ClusterRoleBinding]
	roleBindings        *registry.Objects[*rbacv1.RoleBinding]
}

// New returns an Authorizer that reads roles and bindings of r.
func New(r *registry.Registry) *Authorizer {
	gv := rbacv1.SchemeGroupVersion
	return &Authorizer{
		clusterRoles:        registry.ObjectsOf[*rbacv1.ClusterRole](r, gv.WithResource("clusterroles")),
		roles:               registry.ObjectsOf[*rbacv1.Role](r, gv.WithResource("roles")),
		clusterRoleBindings: registry.ObjectsOf[*rbacv1.ClusterRoleBinding](r, gv.WithResource("clusterrolebindings")),
		roleBindings:        registry.ObjectsOf[*rbacv1.RoleBinding](r, gv.WithResource("rolebindings")),
	}
}

// Authorize decides a request: allowed, or no opinion.
func (a *Authorizer) Authorize(ctx context.Context, request authorizer.Attributes) (authorizer.Decision, string, error) {
	u := request.GetUser()
	if u == nil {
		return authorizer.DecisionNoOpinion, "", nil
	}
	allowed := ""
	err := a.visit(ctx, u, request.GetNamespace(), func(rule *rbacv1.PolicyRule, b *grant) bool {
		if !Allows(rule, request) {
			return true
		}
		allowed = "RBAC: allowed by " + b.describe(u)
		return false
	})
	if allowed != "" {
		return authorizer.DecisionAllow, allowed, nil
	}
	if err != nil {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("RBAC: %v", err), nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// RulesFor returns the rules that bind a user in a namespace (and, always, in
// the whole cluster), with the roles that could not be found as the error.
func (a *Authorizer) RulesFor(ctx context.Context, u user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	var resources []authorizer.ResourceRuleInfo
	var others []authorizer.NonResourceRuleInfo
	err := a.visit(ctx, u, namespace, func(rule *rbacv1.PolicyRule, _ *grant) bool {
		if len(rule.Resources) > 0 {
			resources = append(resources, &authorizer.DefaultResourceRuleInfo{
				Verbs: rule.Verbs, APIGroups: rule.APIGroups, Resources: rule.Resources, ResourceNames: rule.ResourceNames,
			})
		}
		if len(rule.NonResourceURLs) > 0 {
			others = append(others, &authorizer.DefaultNonResourceRuleInfo{Verbs: rule.Verbs, NonResourceURLs: rule.NonResourceURLs})
		}
		return true
	})
	return resources, others, false, err
}

// Rules returns what a user may do in a namespace.
func (a *Authorizer) Rules(ctx context.Context, u user.Info, namespace string) ([]rbacv1.PolicyRule, error) {
	var rules []rbacv1.PolicyRule
	err := a.visit(ctx, u, namespace, func(rule *rbacv1.PolicyRule, _ *grant) bool {
		rules = append(rules, *rule)
		return true
	})
	return rules, err
}

// grant is a binding of either kind.
type grant struct {
	namespace, name string // namespace is empty for the cluster
	role            rbacv1.RoleRef
	subjects        []rbacv1.Subject
}

// describe says which binding it is, and by which subject it applies to a user.
func (b *grant) describe(u user.Info) string {
	subject := ""
	if i := slices.IndexFunc(b.subjects, func(s rbacv1.Subject) bool { return is(u, s, b.namespace) }); i >= 0 {
		subject = describe(b.subjects[i], b.namespace)
	}
	if b.namespace == "" {
		return fmt.Sprintf("ClusterRoleBinding %q of %s %q to %s", b.name, b.role.Kind, b.role.Name, subject)
	}
	return fmt.Sprintf("RoleBinding %q of %s %q to %s", b.name+"/"+b.namespace, b.role.Kind, b.role.Name, subject)
}

// is reports whether a subject of a binding in a namespace is a user.
func is(u user.Info, s rbacv1.Subject, namespace string) bool {
	switch s.Kind {
	case rbacv1.UserKind:
		return s.Name == u.GetName()
	case rbacv1.GroupKind:
		return slices.Contains(u.GetGroups(), s.Name)
	case rbacv1.ServiceAccountKind:
		if s.Namespace != "" {
			namespace = s.Namespace
		}
		return namespace != "" && kind.AccountUser(namespace, s.Name) == u.GetName()
	}
	return false
}

func describe(s rbacv1.Subject, namespace string) string {
	if s.Kind != rbacv1.ServiceAccountKind {
		return fmt.Sprintf("%s %q", s.Kind, s.Name)
	}
	if s.Namespace != "" {
		namespace = s.Namespace
	}
	return fmt.Sprintf("%s %q", s.Kind, s.Name+"/"+namespace)
}

// visit calls each with the rules that bind u, until it returns false. The
// error is about roles that are missing.
func (a *Authorizer) visit(ctx context.Context, u user.Info, namespace string, each func(*rbacv1.PolicyRule, *grant) bool) error {
	v := visitor{a: a, ctx: ctx, each: each}
	v.inCluster(u)
	if namespace != "" && !v.stopped {
		v.inNamespace(u, namespace)
	}
	return utilerrors.NewAggregate(v.missing)
}

// visitor is one walk through bindings.
type visitor struct {
	a       *Authorizer
	ctx     context.Context
	each    func(*rbacv1.PolicyRule, *grant) bool
	seen    []string // names of bindings in the present scope
	missing []error
	stopped bool
}

func (v *visitor) inCluster(u user.Info) {
	v.subjects(u, "", func(term string) error {
		found, err := v.a.clusterRoleBindings.With(v.ctx, "", term)
		if err != nil {
			return err
		}
		for b := range found {
			if v.binding(&grant{"", b.Name, b.RoleRef, b.Subjects}); v.stopped {
				break
			}
		}
		return nil
	})
}

func (v *visitor) inNamespace(u user.Info, namespace string) {
	v.subjects(u, namespace, func(term string) error {
		found, err := v.a.roleBindings.With(v.ctx, namespace, term)
		if err != nil {
			return err
		}
		for b := range found {
			if v.binding(&grant{b.Namespace, b.Name, b.RoleRef, b.Subjects}); v.stopped {
				break
			}
		}
		return nil
	})
}

// subjects calls look with the terms of all that a user is, until the walk has
// been stopped.
func (v *visitor) subjects(u user.Info, namespace string, look func(term string) error) {
	v.seen = v.seen[:0]
	try := func(subjectKind, name string) {
		if v.stopped {
			return
		}
		if err := look(kind.SubjectTerm(namespace, subjectKind, name)); err != nil {
			v.missing = append(v.missing, err)
		}
	}
	try(rbacv1.UserKind, u.GetName())
	for _, g := range u.GetGroups() {
		try(rbacv1.GroupKind, g)
	}
}

// binding visits the rules of a binding, unless it has been visited before.
func (v *visitor) binding(b *grant) {
	if slices.Contains(v.seen, b.name) {
		return
	}
	v.seen = append(v.seen, b.name)
	rules, err := v.a.rulesOf(v.ctx, b.role, b.namespace)
	if err != nil {
		v.missing = append(v.missing, err)
		return
	}
	for i := range rules {
		if !v.each(&rules[i], b) {
			v.stopped = true
			return
		}
	}
}

// rulesOf returns the rules of the role that a binding in a namespace names.
func (a *Authorizer) rulesOf(ctx context.Context, ref rbacv1.RoleRef, namespace string) ([]rbacv1.PolicyRule, error) {
	switch ref.Kind {
	case "Role":
		r, err := a.roles.Get(ctx, namespace, ref.Name)
		if err != nil {
			return nil, notFound("role", ref.Name, err)
		}
		return r.Rules, nil
	case "ClusterRole":
		r, err := a.clusterRoles.Get(ctx, "", ref.Name)
		if err != nil {
			return nil, notFound("clusterrole", ref.Name, err)
		}
		return r.Rules, nil
	}
	return nil, fmt.Errorf("unsupported role reference kind: %q", ref.Kind)
}

// notFound words the error about a missing role.
func notFound(singular, name string, err error) error {
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(rbacv1.Resource(singular), name)
	}
	return err
}
