package rbac

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Install makes the kinds of roles and bindings among those given refuse to
// give more than whoever writes has, unless may allows them to escalate roles
// or to bind a role. Writes that come without a user, from the server's own
// process, are not asked about.
func (a *Authorizer) Install(all []*kinds.Kind, may authorizer.UnconditionalAuthorizer) {
	g := &guard{a, may}
	for _, k := range all {
		if k.Group != rbacv1.GroupName {
			continue
		}
		switch k.GroupVersionKind.Kind {
		case "Role", "ClusterRole":
			k.Permit = g.role
		case "RoleBinding", "ClusterRoleBinding":
			k.Permit = g.binding
		}
	}
}

// guard decides who may write which roles and bindings.
type guard struct {
	*Authorizer
	may authorizer.UnconditionalAuthorizer
}

// writer returns who writes; nil if nothing is to be asked about.
func writer(ctx context.Context) user.Info {
	u, ok := request.UserFrom(ctx)
	if !ok || slices.Contains(u.GetGroups(), user.SystemPrivilegedGroup) {
		return nil
	}
	return u
}

// role guards Roles and ClusterRoles.
func (g *guard) role(ctx context.Context, obj, old kinds.Object) error {
	u := writer(ctx)
	if u == nil || housekeeping(obj, old) || g.mayEscalate(ctx, u) {
		return nil
	}
	var rules []rbacv1.PolicyRule
	aggregates, resource := false, rbacv1.Resource("roles")
	switch r := obj.(type) {
	case *rbacv1.Role:
		rules = r.Rules
	case *rbacv1.ClusterRole:
		rules, resource, aggregates = r.Rules, rbacv1.Resource("clusterroles"), aggregating(r)
		if was, ok := old.(*rbacv1.ClusterRole); ok {
			aggregates = aggregates || aggregating(was)
		}
	}
	if err := g.holds(ctx, u, obj.GetNamespace(), rules); err != nil {
		return apierrors.NewForbidden(resource, obj.GetName(), err)
	}
	// Such a role can come to have any rule.
	if aggregates && g.holds(ctx, u, "", everything()) != nil {
		return apierrors.NewForbidden(resource, obj.GetName(), errors.New("must have cluster-admin privileges to use the aggregationRule"))
	}
	return nil
}

func aggregating(r *rbacv1.ClusterRole) bool {
	return r.AggregationRule != nil && len(r.AggregationRule.ClusterRoleSelectors) > 0
}

func everything() []rbacv1.PolicyRule {
	all := []string{"*"}
	return []rbacv1.PolicyRule{{Verbs: all, APIGroups: all, Resources: all}, {Verbs: all, NonResourceURLs: all}}
}

// mayEscalate asks about the role that the request is for.
func (g *guard) mayEscalate(ctx context.Context, u user.Info) bool {
	info, ok := request.RequestInfoFrom(ctx)
	if !ok || !info.IsResourceRequest || info.APIGroup != rbacv1.GroupName || info.Resource != "roles" && info.Resource != "clusterroles" {
		return false
	}
	return g.allowed(ctx, &authorizer.AttributesRecord{
		User: u, Verb: "escalate", APIGroup: info.APIGroup, APIVersion: "*", Resource: info.Resource, Name: info.Name, Namespace: info.Namespace, ResourceRequest: true,
	})
}

// binding guards RoleBindings and ClusterRoleBindings.
func (g *guard) binding(ctx context.Context, obj, old kinds.Object) error {
	u := writer(ctx)
	if u == nil || housekeeping(obj, old) {
		return nil
	}
	var ref rbacv1.RoleRef
	resource, namespace := rbacv1.Resource("rolebindings"), obj.GetNamespace()
	switch b := obj.(type) {
	case *rbacv1.RoleBinding:
		ref = b.RoleRef
	case *rbacv1.ClusterRoleBinding:
		ref, resource = b.RoleRef, rbacv1.Resource("clusterrolebindings")
	}
	roles := map[string]string{"Role": "roles", "ClusterRole": "clusterroles"}[ref.Kind]
	if roles == "" {
		return nil // is no valid binding at all
	}
	if g.allowed(ctx, &authorizer.AttributesRecord{
		User: u, Verb: "bind", APIGroup: ref.APIGroup, APIVersion: "*", Resource: roles, Name: ref.Name, Namespace: namespace, ResourceRequest: true,
	}) {
		return nil
	}
	rules, err := g.rulesOf(ctx, ref, namespace)
	if apierrors.IsNotFound(err) {
		return apierrors.NewNotFound(resource, ref.Name)
	}
	if err != nil {
		return err
	}
	if err := g.holds(ctx, u, namespace, rules); err != nil {
		return apierrors.NewForbidden(resource, obj.GetName(), err)
	}
	return nil
}

func (g *guard) allowed(ctx context.Context, a *authorizer.AttributesRecord) bool {
	decision, _, _ := g.may.Authorize(ctx, a)
	return decision == authorizer.DecisionAllow
}

// holds returns an error that lists what of the rules u has not in a namespace.
func (g *guard) holds(ctx context.Context, u user.Info, namespace string, rules []rbacv1.PolicyRule) error {
	own, unresolved := g.Rules(ctx, u, namespace)
	covered, missing := validation.Covers(own, rules)
	if covered {
		return nil
	}
	text := fmt.Sprintf("user %q (groups=%q) is attempting to grant RBAC permissions not currently held:\n%s", u.GetName(), u.GetGroups(), strings.Join(lines(missing), "\n"))
	if unresolved != nil {
		text += fmt.Sprintf("; resolution errors: %v", []error{unresolved})
	}
	return errors.New(text)
}

// housekeeping reports whether an update changes nothing but owners,
// finalizers and who manages which fields, which must always be possible.
func housekeeping(obj, old kinds.Object) bool {
	if old == nil || reflect.ValueOf(old).IsNil() {
		return false
	}
	changed := obj.DeepCopyObject().(kinds.Object)
	changed.SetOwnerReferences(old.GetOwnerReferences())
	changed.SetFinalizers(old.GetFinalizers())
	changed.SetManagedFields(old.GetManagedFields())
	return apiequality.Semantic.DeepEqual(changed, old)
}

// lines writes rules down, in order, with the verbs for one and the same
// resource together.
func lines(rules []rbacv1.PolicyRule) []string {
	type single struct {
		group, resource, name string
		named                 bool
	}
	verbs := map[single][]string{}
	seen := map[string]bool{}
	for _, r := range rules {
		if len(r.NonResourceURLs) > 0 || len(r.APIGroups) != 1 || len(r.Resources) != 1 || len(r.ResourceNames) > 1 {
			seen[line(&r)] = true
			continue
		}
		s := single{group: r.APIGroups[0], resource: r.Resources[0], named: len(r.ResourceNames) == 1}
		if s.named {
			s.name = r.ResourceNames[0]
		}
		verbs[s] = append(verbs[s], r.Verbs...)
	}
	for s, v := range verbs {
		r := rbacv1.PolicyRule{APIGroups: []string{s.group}, Resources: []string{s.resource}, Verbs: v}
		if s.named {
			r.ResourceNames = []string{s.name}
		}
		seen[line(&r)] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

func line(r *rbacv1.PolicyRule) string {
	var parts []string
	for _, p := range []struct {
		name string
		list []string
	}{{"APIGroups", r.APIGroups}, {"Resources", r.Resources}, {"NonResourceURLs", r.NonResourceURLs}, {"ResourceNames", r.ResourceNames}, {"Verbs", r.Verbs}} {
		if len(p.list) > 0 {
			parts = append(parts, fmt.Sprintf("%s:%q", p.name, p.list))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}
