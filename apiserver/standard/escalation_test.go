package standard_test

import (
	"context"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/apiserver/standard"
)

// Nobody gives others, or themselves, more than they have.
func TestNoEscalation(t *testing.T) {
	rule := func(verbs, resources string) rbacv1.PolicyRule {
		return rbacv1.PolicyRule{Verbs: strings.Split(verbs, ","), APIGroups: []string{"", rbacv1.GroupName}, Resources: strings.Split(resources, ",")}
	}
	withConfig(t, standard.Admission{}, func(t *testing.T, config *rest.Config, admin kubernetes.Interface) {
		ctx := t.Context()
		for _, r := range []*rbacv1.ClusterRole{
			{ObjectMeta: metav1.ObjectMeta{Name: "manager"}, Rules: []rbacv1.PolicyRule{rule("get,list", "pods"), rule("create,update,patch,get", "roles,rolebindings,clusterroles")}},
			{ObjectMeta: metav1.ObjectMeta{Name: "more"}, Rules: []rbacv1.PolicyRule{rule("get,delete", "pods,secrets")}},
			{ObjectMeta: metav1.ObjectMeta{Name: "escalator"}, Rules: []rbacv1.PolicyRule{rule("escalate", "roles"), {Verbs: []string{"bind"}, APIGroups: []string{rbacv1.GroupName}, Resources: []string{"clusterroles"}, ResourceNames: []string{"more"}}}},
		} {
			if _, err := admin.RbacV1().ClusterRoles().Create(ctx, r, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		bind := func(role, user string) {
			if _, err := admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: role + "-" + user}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
				Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: user}},
			}, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		bind("manager", "ann")
		bind("manager", "eve")
		bind("escalator", "eve")
		as := func(name string) kubernetes.Interface {
			c := rest.CopyConfig(config)
			c.Impersonate = rest.ImpersonationConfig{UserName: name}
			client, err := kubernetes.NewForConfig(c)
			if err != nil {
				t.Fatal(err)
			}
			return client
		}
		role := func(who, name string, rules ...rbacv1.PolicyRule) error {
			_, err := as(who).RbacV1().Roles("default").Create(ctx, &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}, metav1.CreateOptions{})
			return err
		}
		binding := func(who, name, kind, to string) error {
			_, err := as(who).RbacV1().RoleBindings("default").Create(ctx, &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: to},
			}, metav1.CreateOptions{})
			return err
		}
		for _, c := range []struct {
			name string
			err  error
			want string
		}{
			{"what she has", role("ann", "some", rule("get", "pods")), ""},
			{"more than she has", role("ann", "all", rule("get,delete", "pods")), "user \"ann\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}\n{APIGroups:[\"rbac.authorization.k8s.io\"], Resources:[\"pods\"], Verbs:[\"delete\"]}"},
			{"who may escalate", role("eve", "all", rule("get,delete", "pods")), ""},
			{"a role she covers", binding("ann", "some", "ClusterRole", "manager"), ""},
			{"a role she does not cover", binding("ann", "more", "ClusterRole", "more"), `rolebindings.rbac.authorization.k8s.io "more" is forbidden: user "ann"`},
			{"a role she may bind", binding("eve", "more", "ClusterRole", "more"), ""},
			{"a role that is not there", binding("ann", "none", "Role", "none"), `rolebindings.rbac.authorization.k8s.io "none" not found`},
			{"aggregation", func() error {
				_, err := as("ann").RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "agg"}, AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{}}}}, metav1.CreateOptions{})
				return err
			}(), "must have cluster-admin privileges to use the aggregationRule"},
			{"housekeeping", update(ctx, as("ann"), "all", func(r *rbacv1.Role) { r.Finalizers = []string{"example.com/x"} }), ""},
			{"a change of a role she does not cover", update(ctx, as("ann"), "all", func(r *rbacv1.Role) { r.Labels = map[string]string{"a": "b"} }), "not currently held"},
		} {
			switch {
			case c.want == "" && c.err != nil:
				t.Errorf("%s: %v", c.name, c.err)
			case c.want != "" && (c.err == nil || !strings.Contains(c.err.Error(), c.want) || !apierrors.IsForbidden(c.err) && !apierrors.IsNotFound(c.err)):
				t.Errorf("%s: %v, want %q", c.name, c.err, c.want)
			}
		}
	})
}

func update(ctx context.Context, client kubernetes.Interface, name string, change func(*rbacv1.Role)) error {
	r, err := client.RbacV1().Roles("default").Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	change(r)
	_, err = client.RbacV1().Roles("default").Update(ctx, r, metav1.UpdateOptions{})
	return err
}
