// Package nodeauthorizer lets each kubelet read what the pods on its node need,
// and write what is about its node, and nothing of other nodes. What a kubelet
// may write is narrowed further by the admission step NodeRestriction, which
// sees the objects.
package nodeauthorizer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/rbac"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const userPrefix = "system:node:"

// NodeOf returns the name of the node whose kubelet a user is; false for
// other users. The name is empty for a kubelet of no node.
func NodeOf(u user.Info) (string, bool) {
	if u == nil {
		return "", false
	}
	name, ok := strings.CutPrefix(u.GetName(), userPrefix)
	return name, ok && slices.Contains(u.GetGroups(), user.NodesGroup)
}

// Authorizer decides about kubelets. Make one with New.
type Authorizer struct {
	objects objects
	rules   []rbacv1.PolicyRule
}

// New makes an Authorizer that looks in a registry for what belongs to a node.
// Rules are what every kubelet may do: those of the role system:node.
func New(r *registry.Registry, rules []rbacv1.PolicyRule) *Authorizer {
	return &Authorizer{newObjects(r), rules}
}

// RulesFor implements authorizer.RuleResolver: what a kubelet may do cannot be
// listed.
func (a *Authorizer) RulesFor(_ context.Context, u user.Info, _ string) ([]authorizer.ResourceRuleInfo, []authorizer.NonResourceRuleInfo, bool, error) {
	if _, is := NodeOf(u); is {
		return nil, nil, true, errors.New("node authorizer does not support user rule resolution")
	}
	return nil, nil, false, nil
}

// answer is a decision: allowed, or else the reason for having no opinion.
type answer struct {
	allowed bool
	reason  string
}

func yes() answer             { return answer{allowed: true} }
func no(reason string) answer { return answer{reason: reason} }

// Authorize implements authorizer.UnconditionalAuthorizer.
func (a *Authorizer) Authorize(ctx context.Context, request authorizer.Attributes) (authorizer.Decision, string, error) {
	node, is := NodeOf(request.GetUser())
	if !is {
		return authorizer.DecisionNoOpinion, "", nil
	}
	if node == "" {
		return authorizer.DecisionNoOpinion, fmt.Sprintf("unknown node for user %q", request.GetUser().GetName()), nil
	}
	q := question{a, ctx, request, node}
	if got := q.answer(); got.allowed {
		return authorizer.DecisionAllow, "", nil
	} else {
		return authorizer.DecisionNoOpinion, got.reason, nil
	}
}

// question is what a kubelet wants to do.
type question struct {
	*Authorizer
	ctx context.Context
	authorizer.Attributes
	node string
}

func (q question) answer() answer {
	if q.IsResourceRequest() {
		switch (schema.GroupResource{Group: q.GetAPIGroup(), Resource: q.GetResource()}) {
		case corev1.Resource("secrets"):
			return q.read(q.objects.secret)
		case corev1.Resource("configmaps"):
			return q.read(q.objects.configMap)
		case corev1.Resource("persistentvolumeclaims"):
			if q.GetSubresource() == "status" {
				return q.claimStatus()
			}
			return q.get(q.objects.claim)
		case corev1.Resource("persistentvolumes"):
			return q.get(q.objects.volume)
		case corev1.Resource("serviceaccounts"):
			return q.account()
		case corev1.Resource("nodes"):
			return q.ownNode()
		case corev1.Resource("pods"):
			return q.pod()
		case resourcev1.Resource("resourceclaims"):
			return q.get(q.objects.deviceClaim)
		case resourcev1.Resource("resourceslices"):
			return q.slice()
		case storagev1.Resource("volumeattachments"):
			return q.get(q.objects.attachment)
		case storagev1.Resource("csinodes"):
			return q.csiNode()
		case coordinationv1.Resource("leases"):
			return q.lease()
		case certificatesv1.Resource("podcertificaterequests"):
			return q.certificate()
		}
	}
	for i := range q.rules {
		if rbac.Allows(&q.rules[i], q.Attributes) {
			return yes()
		}
	}
	return no("")
}

// related allows what belongs to the node.
func (q question) related(belongs func(q question) bool) answer {
	switch {
	case q.GetName() == "":
		return no("No Object name found")
	case !belongs(q):
		return q.unrelated()
	}
	return yes()
}

func (q question) unrelated() answer {
	return no(fmt.Sprintf("no relationship found between node '%s' and this object", q.node))
}

// get allows to get an object that belongs to the node.
func (q question) get(belongs func(q question) bool) answer {
	switch {
	case q.GetVerb() != "get":
		return no("can only get individual resources of this type")
	case q.GetSubresource() != "":
		return no("cannot get subresource")
	}
	return q.related(belongs)
}

// read is get for what a kubelet also watches, one by one.
func (q question) read(belongs func(q question) bool) answer {
	switch {
	case !q.verb("get", "list", "watch"):
		return no("can only read resources of this type")
	case q.GetSubresource() != "":
		return no("cannot read subresource")
	case q.GetNamespace() == "":
		return no("can only read namespaced object of this type")
	}
	return q.related(belongs)
}

func (q question) verb(any ...string) bool { return slices.Contains(any, q.GetVerb()) }

// selects reports whether a list is of what a field says is the node's.
func (q question) selects(field string) bool {
	requirements, _ := q.GetFieldSelector()
	for _, r := range requirements {
		if r.Field == field && r.Operator == selection.Equals && r.Value == q.node {
			return true
		}
	}
	return false
}
