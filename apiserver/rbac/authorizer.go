package rbac

import (
	"context"
	"errors"
	"fmt"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"
	"k8s.io/client-go/tools/cache"
)

// Authorizer allows what a role allows. Its Authorize is an
// authorizer.AuthorizerFunc.
// Until Run has read the roles it allows system:masters only.
type Authorizer struct {
	factory             informers.SharedInformerFactory
	clusterRoles        rbaclisters.ClusterRoleLister
	roles               rbaclisters.RoleLister
	clusterRoleBindings rbaclisters.ClusterRoleBindingLister
	roleBindings        rbaclisters.RoleBindingLister

	ready chan struct{}

	// The bindings by subject and namespace ("" for the whole cluster), made
	// again when a binding has changed since.
	mu    sync.Mutex
	index map[subjectKey]map[string][]boundRole
}

// subjectKey names a user, a group or a service account (as user).
type subjectKey struct{ kind, name string }

// boundRole is a role that a binding gives.
type boundRole struct {
	// namespace is that of the role, empty for a ClusterRole.
	namespace, name string
	// binding is shown in the reason for allowing.
	binding string
}

// New returns an Authorizer that reads roles and bindings through client.
func New(client kubernetes.Interface) *Authorizer {
	factory := informers.NewSharedInformerFactory(client, 0)
	r := factory.Rbac().V1()
	return &Authorizer{
		factory:             factory,
		clusterRoles:        r.ClusterRoles().Lister(),
		roles:               r.Roles().Lister(),
		clusterRoleBindings: r.ClusterRoleBindings().Lister(),
		roleBindings:        r.RoleBindings().Lister(),
		ready:               make(chan struct{}),
	}
}

// Ready is closed when the roles have been read.
func (a *Authorizer) Ready() <-chan struct{} { return a.ready }

// Run follows roles and bindings until ctx ends. It may be called once.
func (a *Authorizer) Run(ctx context.Context) error {
	r := a.factory.Rbac().V1()
	stale := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { a.forget() },
		UpdateFunc: func(_, _ any) { a.forget() },
		DeleteFunc: func(any) { a.forget() },
	}
	for _, informer := range []cache.SharedIndexInformer{r.ClusterRoleBindings().Informer(), r.RoleBindings().Informer()} {
		if _, err := informer.AddEventHandler(stale); err != nil {
			return fmt.Errorf("rbac: following bindings: %w", err)
		}
	}
	r.ClusterRoles().Informer()
	r.Roles().Informer()
	a.factory.StartWithContext(ctx)
	defer a.factory.Shutdown()
	if synced := a.factory.WaitForCacheSyncWithContext(ctx); synced.Err == nil {
		close(a.ready)
	}
	<-ctx.Done()
	return nil
}

func (a *Authorizer) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index = nil
}

// bound returns the roles given to subject in namespace.
func (a *Authorizer) bound(subject subjectKey, namespace string) []boundRole {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.index == nil {
		a.index = a.build()
	}
	return a.index[subject][namespace]
}

func (a *Authorizer) build() map[subjectKey]map[string][]boundRole {
	index := map[subjectKey]map[string][]boundRole{}
	add := func(s rbacv1.Subject, namespace string, role boundRole) {
		key := subjectKey{kind: s.Kind, name: s.Name}
		if s.Kind == rbacv1.ServiceAccountKind {
			in := s.Namespace
			if in == "" {
				in = namespace
			}
			if in == "" {
				return
			}
			key = subjectKey{kind: rbacv1.UserKind, name: "system:serviceaccount:" + in + ":" + s.Name}
		}
		if index[key] == nil {
			index[key] = map[string][]boundRole{}
		}
		index[key][namespace] = append(index[key][namespace], role)
	}
	// The listers read from memory: they cannot fail.
	cluster, _ := a.clusterRoleBindings.List(labels.Everything())
	for _, b := range cluster {
		for _, s := range b.Subjects {
			add(s, "", boundRole{name: b.RoleRef.Name, binding: fmt.Sprintf("ClusterRoleBinding %q of ClusterRole %q to %s", b.Name, b.RoleRef.Name, describe(s))})
		}
	}
	namespaced, _ := a.roleBindings.List(labels.Everything())
	for _, b := range namespaced {
		for _, s := range b.Subjects {
			role := boundRole{name: b.RoleRef.Name, binding: fmt.Sprintf("RoleBinding %q of %s %q to %s", b.Name+"/"+b.Namespace, b.RoleRef.Kind, b.RoleRef.Name, describe(s))}
			if b.RoleRef.Kind == "Role" {
				role.namespace = b.Namespace
			}
			add(s, b.Namespace, role)
		}
	}
	return index
}

func describe(s rbacv1.Subject) string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return fmt.Sprintf("ServiceAccount %q", s.Name+"/"+s.Namespace)
	}
	return fmt.Sprintf("%s %q", s.Kind, s.Name)
}

// Authorize decides a request: allowed, or no opinion.
func (a *Authorizer) Authorize(ctx context.Context, request authorizer.Attributes) (authorizer.Decision, string, error) {
	u := request.GetUser()
	if u == nil {
		return authorizer.DecisionNoOpinion, "", nil
	}
	for _, g := range u.GetGroups() {
		if g == user.SystemPrivilegedGroup {
			return authorizer.DecisionAllow, "", nil
		}
	}
	reason := ""
	err := a.visit(u, request.GetNamespace(), func(rule *rbacv1.PolicyRule, binding string) bool {
		if !Allows(rule, request) {
			return true
		}
		reason = "RBAC: allowed by " + binding
		return false
	})
	if reason != "" {
		return authorizer.DecisionAllow, reason, nil
	}
	if err != nil {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("RBAC: %v", err), nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

// RulesFor returns the rules that bind a user in a namespace (and, always, in
// the whole cluster), with the roles that could not be found as the error.
func (a *Authorizer) RulesFor(_ context.Context, u user.Info, namespace string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	var resources []authorizer.ResourceRuleInfo
	var others []authorizer.NonResourceRuleInfo
	err := a.visit(u, namespace, func(rule *rbacv1.PolicyRule, _ string) bool {
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

// Rules returns what a user may do in a namespace, for escalation checks.
func (a *Authorizer) Rules(u user.Info, namespace string) ([]rbacv1.PolicyRule, error) {
	var rules []rbacv1.PolicyRule
	err := a.visit(u, namespace, func(rule *rbacv1.PolicyRule, _ string) bool {
		rules = append(rules, *rule)
		return true
	})
	return rules, err
}

// visit calls each with the rules that bind u, until it returns false.
func (a *Authorizer) visit(u user.Info, namespace string, each func(rule *rbacv1.PolicyRule, binding string) bool) error {
	subjects := make([]subjectKey, 0, 1+len(u.GetGroups()))
	subjects = append(subjects, subjectKey{kind: rbacv1.UserKind, name: u.GetName()})
	for _, g := range u.GetGroups() {
		subjects = append(subjects, subjectKey{kind: rbacv1.GroupKind, name: g})
	}
	scopes := []string{""}
	if namespace != "" {
		scopes = append(scopes, namespace)
	}
	var missing error
	for _, scope := range scopes {
		for _, subject := range subjects {
			for _, role := range a.bound(subject, scope) {
				rules, err := a.rulesOf(role)
				if err != nil {
					missing = errors.Join(missing, err)
					continue
				}
				for i := range rules {
					if !each(&rules[i], role.binding) {
						return missing
					}
				}
			}
		}
	}
	return missing
}

func (a *Authorizer) rulesOf(role boundRole) ([]rbacv1.PolicyRule, error) {
	if role.namespace != "" {
		r, err := a.roles.Roles(role.namespace).Get(role.name)
		if err != nil {
			return nil, err
		}
		return r.Rules, nil
	}
	r, err := a.clusterRoles.Get(role.name)
	if err != nil {
		return nil, err
	}
	return r.Rules, nil
}
