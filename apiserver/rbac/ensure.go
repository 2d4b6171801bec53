package rbac

import (
	"context"
	"errors"
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// Ensure makes the cluster have at least what p says: it creates what is
// missing and adds rules and subjects that are. It takes nothing away, and
// leaves objects alone whose annotation rbac.authorization.kubernetes.io/autoupdate
// is "false". A binding that leads to another role is made anew.
func Ensure(ctx context.Context, r *registry.Registry, p *Policy) error {
	var errs []error
	roles := to[*rbacv1.ClusterRole](r, "clusterroles", "")
	for _, want := range p.ClusterRoles {
		errs = append(errs, ensure(ctx, roles, want, nil, func(have *rbacv1.ClusterRole) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			if want.AggregationRule != nil {
				if !equality.Semantic.DeepEqual(have.AggregationRule, want.AggregationRule) {
					have.AggregationRule, changed = want.AggregationRule, true
				}
				return changed
			}
			return addRules(&have.Rules, want.Rules) || changed
		}))
	}
	bindings := to[*rbacv1.ClusterRoleBinding](r, "clusterrolebindings", "")
	for _, want := range p.ClusterRoleBindings {
		elsewhere := func(have *rbacv1.ClusterRoleBinding) bool { return have.RoleRef != want.RoleRef }
		errs = append(errs, ensure(ctx, bindings, want, elsewhere, func(have *rbacv1.ClusterRoleBinding) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			return addSubjects(&have.Subjects, want.Subjects) || changed
		}))
	}
	for _, want := range p.Roles {
		errs = append(errs, ensure(ctx, to[*rbacv1.Role](r, "roles", want.Namespace), want, nil, func(have *rbacv1.Role) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			return addRules(&have.Rules, want.Rules) || changed
		}))
	}
	for _, want := range p.RoleBindings {
		elsewhere := func(have *rbacv1.RoleBinding) bool { return have.RoleRef != want.RoleRef }
		errs = append(errs, ensure(ctx, to[*rbacv1.RoleBinding](r, "rolebindings", want.Namespace), want, elsewhere, func(have *rbacv1.RoleBinding) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			return addSubjects(&have.Subjects, want.Subjects) || changed
		}))
	}
	return errors.Join(errs...)
}

// to is the way to one of the resources.
func to[T kinds.Object](r *registry.Registry, resource, namespace string) registry.Direct[T] {
	return registry.Direct[T]{Registry: r, Resource: rbacv1.SchemeGroupVersion.WithResource(resource), Namespace: namespace, Manager: "kube-apiserver"}
}

type object[T any] interface {
	kinds.Object
	DeepCopy() T
}

// ensure creates want or completes what is there; add changes have and says
// whether it did. One that is elsewhere is deleted first, for a binding cannot
// be led to another role.
func ensure[T object[T]](ctx context.Context, client registry.Direct[T], want T, elsewhere, add func(have T) bool) error {
	// What is at hand at the start is all there is.
	version := "0"
	for ; ; version = "" {
		have, err := client.Get(ctx, want.GetName(), metav1.GetOptions{ResourceVersion: version})
		switch {
		case apierrors.IsNotFound(err):
			_, err = client.Create(ctx, want, metav1.CreateOptions{})
		case err == nil && mayUpdate(have) && elsewhere != nil && elsewhere(have):
			uid := have.GetUID()
			err = client.Delete(ctx, want.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
			if err == nil || apierrors.IsNotFound(err) {
				continue
			}
		case err == nil && mayUpdate(have):
			if next := have.DeepCopy(); add(next) {
				_, err = client.Update(ctx, next, metav1.UpdateOptions{})
			}
		}
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			continue // somebody else was faster: look again
		}
		if err != nil {
			return fmt.Errorf("rbac: default role or binding %s: %w", want.GetName(), err)
		}
		return nil
	}
}

func mayUpdate(obj metav1.Object) bool {
	return obj.GetAnnotations()[rbacv1.AutoUpdateAnnotationKey] != "false"
}

func addMeta(have, want *metav1.ObjectMeta) (changed bool) {
	add := func(have *map[string]string, want map[string]string) {
		for k, v := range want {
			if (*have)[k] == v {
				continue
			}
			if *have == nil {
				*have = map[string]string{}
			}
			(*have)[k], changed = v, true
		}
	}
	add(&have.Labels, want.Labels)
	add(&have.Annotations, want.Annotations)
	return changed
}

func addRules(have *[]rbacv1.PolicyRule, want []rbacv1.PolicyRule) (changed bool) {
	for _, rule := range want {
		if !Covers(*have, rule) {
			*have, changed = append(*have, rule), true
		}
	}
	return changed
}

func addSubjects(have *[]rbacv1.Subject, want []rbacv1.Subject) (changed bool) {
	for _, s := range want {
		if !slices.Contains(*have, s) {
			*have, changed = append(*have, s), true
		}
	}
	return changed
}
