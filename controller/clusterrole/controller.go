// Package clusterrole fills ClusterRoles that are made of others: view, edit, admin and
// any with an aggregation rule.
package clusterrole

import (
	"context"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	rbaclisters "k8s.io/client-go/listers/rbac/v1"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller aggregates ClusterRoles.
type Controller struct{}

// Name implements [reconcile.Controller].
func (Controller) Name() string { return "clusterroleaggregation" }

// New implements [reconcile.Controller].
func (c Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
	roles := s.Informers.Rbac().V1().ClusterRoles()
	r := &reconciler{client: s.Client, roles: roles.Lister()}
	loop := reconcile.NewLoop(s, c.Name(), r.reconcile)
	err := reconcile.Handle(s, roles.Informer(), func(_, _ *rbacv1.ClusterRole) {
		// Any role may be part of any other.
		all, err := r.roles.List(labels.Everything())
		if err != nil {
			return
		}
		for _, role := range all {
			if role.AggregationRule != nil {
				loop.Add(role.Name)
			}
		}
	})
	return loop, err
}

type reconciler struct {
	client kubernetes.Interface
	roles  rbaclisters.ClusterRoleLister
}

func (r *reconciler) reconcile(ctx context.Context, name string) error {
	role, err := r.roles.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if role.AggregationRule == nil {
		return nil
	}
	all, err := r.roles.List(labels.Everything())
	if err != nil {
		return err
	}
	rules, err := aggregate(role, all)
	if err != nil {
		return fmt.Errorf("aggregating cluster role %s: %w", name, err)
	}
	if equality.Semantic.DeepEqual(role.Rules, rules) {
		return nil
	}
	next := role.DeepCopy()
	next.Rules = rules
	_, err = r.client.RbacV1().ClusterRoles().Update(ctx, next, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// aggregate joins the rules of the roles that the aggregation rule selects: selector
// by selector, by name within one, each rule once.
func aggregate(role *rbacv1.ClusterRole, all []*rbacv1.ClusterRole) ([]rbacv1.PolicyRule, error) {
	all = slices.SortedFunc(slices.Values(all), func(a, b *rbacv1.ClusterRole) int { return strings.Compare(a.Name, b.Name) })
	rules := []rbacv1.PolicyRule{}
	for i := range role.AggregationRule.ClusterRoleSelectors {
		selector, err := metav1.LabelSelectorAsSelector(&role.AggregationRule.ClusterRoleSelectors[i])
		if err != nil {
			return nil, err
		}
		for _, part := range all {
			if part.Name == role.Name || !selector.Matches(labels.Set(part.Labels)) {
				continue
			}
			for _, rule := range part.Rules {
				if !slices.ContainsFunc(rules, func(have rbacv1.PolicyRule) bool { return equality.Semantic.DeepEqual(have, rule) }) {
					rules = append(rules, rule)
				}
			}
		}
	}
	return rules, nil
}
