package apiserver

import (
	"context"
	"net/http"

	"k8s.io/apiserver/pkg/authentication/user"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/endpoint"
	"github.com/keelson-project/keelson/apiserver/impersonation"
)

// impersonate returns the user a request wants to be taken for, if it names one
// and its own user may do that; and the request's own user otherwise.
func (s *Server) impersonate(ctx context.Context, r *http.Request) (user.Info, error) {
	own, _ := genericrequest.UserFrom(ctx)
	wanted, err := impersonation.Requested(r.Header)
	if err != nil || wanted == nil {
		return own, err
	}
	gate := impersonation.Gate{Forbidden: endpoint.Forbidden}
	if s.plugins.Authorizer != nil && !s.isLoopback(ctx) {
		gate.Authorizer = s.plugins.Authorizer
	}
	info, _ := genericrequest.RequestInfoFrom(ctx)
	return gate.Allowed(ctx, attributes(ctx, info), wanted)
}
