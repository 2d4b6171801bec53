package rbac

import (
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"
)

// Covers reports whether everything that rule allows is allowed by rules,
// taken together.
func Covers(rules []rbacv1.PolicyRule, rule rbacv1.PolicyRule) bool {
	ok, _ := validation.Covers(rules, []rbacv1.PolicyRule{rule})
	return ok
}
