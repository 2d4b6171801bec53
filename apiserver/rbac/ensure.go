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
	"k8s.io/client-go/kubernetes"
)

// Ensure makes the cluster have at least what p says: it creates what is
// missing and adds rules and subjects that are. It takes nothing away, and
// leaves objects alone whose annotation rbac.authorization.kubernetes.io/autoupdate
// is "false". A binding that leads to another role is made anew.
func Ensure(ctx context.Context, client kubernetes.Interface, p *Policy) error {
	r := client.RbacV1()
	var errs []error
	for _, want := range p.ClusterRoles {
		errs = append(errs, ensure(ctx, r.ClusterRoles(), want, func(have *rbacv1.ClusterRole) bool {
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
	for _, want := range p.ClusterRoleBindings {
		c := r.ClusterRoleBindings()
		errs = append(errs, rebind(ctx, c, want.Name, func(have *rbacv1.ClusterRoleBinding) bool { return have.RoleRef != want.RoleRef }))
		errs = append(errs, ensure(ctx, c, want, func(have *rbacv1.ClusterRoleBinding) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			return addSubjects(&have.Subjects, want.Subjects) || changed
		}))
	}
	for _, want := range p.Roles {
		errs = append(errs, ensure(ctx, r.Roles(want.Namespace), want, func(have *rbacv1.Role) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			return addRules(&have.Rules, want.Rules) || changed
		}))
	}
	for _, want := range p.RoleBindings {
		c := r.RoleBindings(want.Namespace)
		errs = append(errs, rebind(ctx, c, want.Name, func(have *rbacv1.RoleBinding) bool { return have.RoleRef != want.RoleRef }))
		errs = append(errs, ensure(ctx, c, want, func(have *rbacv1.RoleBinding) bool {
			changed := addMeta(&have.ObjectMeta, &want.ObjectMeta)
			return addSubjects(&have.Subjects, want.Subjects) || changed
		}))
	}
	return errors.Join(errs...)
}

// verbs are those of the typed clients used here.
type verbs[T metav1.Object] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// ensure creates want or completes what is there; add changes have and says
// whether it did.
func ensure[T metav1.Object](ctx context.Context, client verbs[T], want T, add func(have T) bool) error {
	for {
		have, err := client.Get(ctx, want.GetName(), metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			_, err = client.Create(ctx, want, metav1.CreateOptions{})
		case err == nil && mayUpdate(have) && add(have):
			_, err = client.Update(ctx, have, metav1.UpdateOptions{})
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

// rebind deletes a binding that leads elsewhere, for that cannot be changed.
func rebind[T metav1.Object](ctx context.Context, client verbs[T], name string, elsewhere func(have T) bool) error {
	have, err := client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil && mayUpdate(have) && elsewhere(have) {
		uid := have.GetUID()
		err = client.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("rbac: default binding %s: %w", name, err)
	}
	return nil
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
