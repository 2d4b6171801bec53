package impersonation

import (
	"context"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
)

// Forbidden makes the answer to a user who may not do something.
type Forbidden func(a authorizer.Attributes, reason string) error

// Gate decides who may act as whom.
type Gate struct {
	Authorizer authorizer.UnconditionalAuthorizer
	Forbidden  Forbidden
}

// Allowed returns the user that the sender of a request, described by a, may
// be taken for: the one wanted, completed with the groups that go with it. Its
// error is that of the first of the modes of impersonation that could do.
func (g Gate) Allowed(ctx context.Context, a authorizer.Attributes, wanted *user.DefaultInfo) (user.Info, error) {
	var first error
	for _, m := range modes {
		if !m.fits(wanted, a.GetUser()) {
			continue
		}
		got, err := g.try(ctx, m, a, wanted)
		if err == nil {
			return got, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// mode is one of the ways to act as somebody.
type mode struct {
	// name is empty for the oldest of them, which allows all requests.
	name string
	fits func(wanted *user.DefaultInfo, requestor user.Info) bool
}

// modes stand in the order in which they are tried; the last fits everybody.
var modes = [...]mode{
	{"associated-node", func(w *user.DefaultInfo, requestor user.Info) bool { return nameAlone(w) && onNode(requestor, w.Name) }},
	{"arbitrary-node", func(w *user.DefaultInfo, _ user.Info) bool { return nameAlone(w) && node(w.Name) != "" }},
	{"serviceaccount", func(w *user.DefaultInfo, _ user.Info) bool { return nameAlone(w) && isAccount(w.Name) }},
	{"user-info", func(w *user.DefaultInfo, _ user.Info) bool { return node(w.Name) == "" && !isAccount(w.Name) }},
	{"", func(*user.DefaultInfo, user.Info) bool { return true }},
}

// nameAlone reports whether a user has nothing but a name.
func nameAlone(u *user.DefaultInfo) bool {
	return u.UID == "" && len(u.Groups) == 0 && len(u.Extra) == 0
}

// node is the name of the node whose kubelet a user is; empty for others.
func node(username string) string {
	name, ok := strings.CutPrefix(username, "system:node:")
	if !ok || len(validation.NameIsDNSSubdomain(name, false)) > 0 {
		return ""
	}
	return name
}

func isAccount(username string) bool {
	_, _, err := serviceaccount.SplitUsername(username)
	return err == nil
}

// onNode reports whether a service account's token is of a pod on the node
// whose kubelet is wanted.
func onNode(u user.Info, username string) bool {
	on := u.GetExtra()[serviceaccount.NodeNameKey]
	return isAccount(u.GetName()) && len(on) == 1 && on[0] != "" && on[0] == node(username)
}

func (m mode) constrained() bool { return m.name != "" }

// verb is what is asked about all that the wanted user is.
func (m mode) verb() string {
	if m.constrained() {
		return "impersonate:" + m.name
	}
	return "impersonate"
}

// on is a request as somebody else, with a verb that says so.
type on struct {
	authorizer.Attributes
	mode string
}

func (o on) GetVerb() string { return "impersonate-on:" + o.mode + ":" + o.Attributes.GetVerb() }

func (g Gate) try(ctx context.Context, m mode, a authorizer.Attributes, wanted *user.DefaultInfo) (user.Info, error) {
	if m.constrained() {
		if err := g.ask(ctx, on{a, m.name}); err != nil {
			return nil, err
		}
	}
	q := question{g, ctx, m, a.GetUser()}
	got := *wanted
	got.Groups = slices.Clone(wanted.Groups)
	if err := q.name(&got); err != nil {
		return nil, err
	}
	if wanted.UID != "" {
		if err := q.ask("uids", "", wanted.UID); err != nil {
			return nil, err
		}
	}
	if err := q.groups(wanted.Groups); err != nil {
		return nil, err
	}
	if err := q.extra(wanted.Extra); err != nil {
		return nil, err
	}
	general := user.AllAuthenticated
	switch {
	case got.Name == user.Anonymous:
		general = user.AllUnauthenticated
	case slices.Contains(got.Groups, user.AllUnauthenticated):
		return &got, nil
	}
	if !slices.Contains(got.Groups, general) {
		got.Groups = append(got.Groups, general)
	}
	return &got, nil
}

// ask turns a decision into an error.
func (g Gate) ask(ctx context.Context, a authorizer.Attributes) error {
	if g.Authorizer == nil {
		return nil
	}
	decision, reason, err := g.Authorizer.Authorize(ctx, a)
	switch {
	case decision == authorizer.DecisionAllow:
		return nil
	case apierrors.IsForbidden(err):
		return err
	case err != nil && reason != "":
		reason = err.Error() + ": " + reason
	case err != nil:
		reason = err.Error()
	}
	return g.Forbidden(a, reason)
}

// question is whether a requestor may be somebody in a mode.
type question struct {
	Gate
	ctx       context.Context
	mode      mode
	requestor user.Info
}

// attributes are those of one thing that the wanted user is.
func (q question) attributes(resource, subresource, name string) *authorizer.AttributesRecord {
	gv := authenticationv1.SchemeGroupVersion
	if !q.mode.constrained() && resource != "uids" && resource != "userextras" {
		gv = schema.GroupVersion(corev1.SchemeGroupVersion)
	}
	return &authorizer.AttributesRecord{
		User: q.requestor, Verb: q.mode.verb(), APIGroup: gv.Group, APIVersion: gv.Version,
		Resource: resource, Subresource: subresource, Name: name, ResourceRequest: true,
	}
}

func (q question) ask(resource, subresource, name string) error {
	return q.Gate.ask(q.ctx, q.attributes(resource, subresource, name))
}

// name asks about the name of a user, and completes its groups.
func (q question) name(u *user.DefaultInfo) error {
	a := q.attributes("users", "", u.Name)
	if name := node(u.Name); name != "" && q.mode.constrained() {
		a.Resource, a.Name = "nodes", name
		if q.mode.name == "associated-node" {
			a.Name = "*" // whichever node it is on
		}
		u.Groups = []string{user.NodesGroup}
	}
	if namespace, name, err := serviceaccount.SplitUsername(u.Name); err == nil {
		a.Resource, a.Namespace, a.Name = "serviceaccounts", namespace, name
		if len(u.Groups) == 0 {
			u.Groups = serviceaccount.MakeGroupNames(namespace)
		}
	}
	return q.Gate.ask(q.ctx, a)
}
