package apiserver

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/endpoint"
)

// impersonate returns the user a request wants to be taken for, if it names one
// and its own user may do that; and the request's own user otherwise.
func (s *Server) impersonate(ctx context.Context, r *http.Request) (user.Info, error) {
	own, _ := genericrequest.UserFrom(ctx)
	name := r.Header.Get(authenticationv1.ImpersonateUserHeader)
	groups := r.Header.Values(authenticationv1.ImpersonateGroupHeader)
	uid := r.Header.Get(authenticationv1.ImpersonateUIDHeader)
	extra := map[string][]string{}
	for header, values := range r.Header {
		if key, ok := cutPrefixFold(header, authenticationv1.ImpersonateUserExtraHeaderPrefix); ok {
			if plain, err := url.PathUnescape(strings.ToLower(key)); err == nil {
				key = plain
			}
			extra[key] = append(extra[key], values...)
		}
	}
	if name == "" {
		if len(groups) > 0 || len(extra) > 0 || uid != "" {
			return nil, apierrors.NewInternalError(fmt.Errorf("requested %v without impersonating a user name", []any{groups, extra, uid}))
		}
		return own, nil
	}
	may := func(a authorizer.AttributesRecord) error { return s.mayImpersonate(ctx, own, a) }
	who := &user.DefaultInfo{Name: name, UID: uid, Groups: slices.Clone(groups), Extra: extra}
	if ns, account, err := serviceaccount.SplitUsername(name); err == nil {
		if err := may(authorizer.AttributesRecord{APIVersion: "v1", Resource: "serviceaccounts", Namespace: ns, Name: account}); err != nil {
			return nil, err
		}
		if len(groups) == 0 {
			who.Groups = serviceaccount.MakeGroupNames(ns)
		}
	} else if err := may(authorizer.AttributesRecord{APIVersion: "v1", Resource: "users", Name: name}); err != nil {
		return nil, err
	}
	for _, group := range groups {
		if err := may(authorizer.AttributesRecord{APIVersion: "v1", Resource: "groups", Name: group}); err != nil {
			return nil, err
		}
	}
	const group = authenticationv1.GroupName
	if uid != "" {
		if err := may(authorizer.AttributesRecord{APIGroup: group, APIVersion: "v1", Resource: "uids", Name: uid}); err != nil {
			return nil, err
		}
	}
	for key, values := range extra {
		for _, value := range values {
			if err := may(authorizer.AttributesRecord{APIGroup: group, APIVersion: "v1", Resource: "userextras", Subresource: key, Name: value}); err != nil {
				return nil, err
			}
		}
	}
	general := user.AllAuthenticated
	if name == user.Anonymous {
		general = user.AllUnauthenticated
	}
	if !slices.Contains(who.Groups, user.AllAuthenticated) && !slices.Contains(who.Groups, user.AllUnauthenticated) {
		who.Groups = append(who.Groups, general)
	}
	for header := range r.Header {
		if _, ok := cutPrefixFold(header, "Impersonate-"); ok {
			r.Header.Del(header)
		}
	}
	return who, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

func (s *Server) mayImpersonate(ctx context.Context, own user.Info, a authorizer.AttributesRecord) error {
	if s.plugins.Authorizer == nil || s.isLoopback(ctx) {
		return nil
	}
	a.User, a.Verb, a.ResourceRequest = own, "impersonate", true
	decision, reason, err := s.plugins.Authorizer.Authorize(ctx, a)
	if decision == authorizer.DecisionAllow {
		return nil
	}
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	return endpoint.Forbidden(a, reason)
}
