package authn

import (
	"errors"
	"net/http"
	"strings"

	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// Config lists the ways to be known.
type Config struct {
	// ClientCAs, if set, accepts client certificates.
	ClientCAs *ClientCAs
	// Tokens are asked in order about a bearer token.
	Tokens []authenticator.Token
	// Anonymous says what a request without any credentials may be: with
	// nil it is refused with 401. Requests with wrong credentials always are;
	// an Authorization header of another kind than Bearer is none.
	Anonymous func(*http.Request) bool
}

// New returns an authenticator that tries what c lists: certificates first,
// then tokens, then nobody.
func New(c Config) authenticator.Request { return chain(c) }

type chain Config

// ErrInvalidToken is the answer to a bearer token nobody knows.
var ErrInvalidToken = errors.New("invalid bearer token")

// AuthenticateRequest implements authenticator.Request.
func (c chain) AuthenticateRequest(r *http.Request) (*authenticator.Response, bool, error) {
	var failed []error
	if c.ClientCAs != nil && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		response, err := c.ClientCAs.authenticate(r.TLS.PeerCertificates)
		if err == nil {
			return authenticated(response), true, nil
		}
		failed = append(failed, err)
	}
	if token := bearer(r); token != "" {
		for _, t := range c.Tokens {
			response, ok, err := t.AuthenticateToken(r.Context(), token)
			if ok {
				// What follows has no use for the token, and logs less with it.
				r.Header.Del("Authorization")
				return authenticated(response), true, nil
			}
			if err != nil {
				failed = append(failed, err)
			}
		}
		if len(failed) == 0 {
			failed = append(failed, ErrInvalidToken)
		}
	}
	if err := utilerrors.NewAggregate(failed); err != nil {
		return nil, false, err
	}
	if c.Anonymous != nil && c.Anonymous(r) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}}, true, nil
	}
	return nil, false, nil
}

// authenticated adds the group that everybody known is in.
func authenticated(response *authenticator.Response) *authenticator.Response {
	u := response.User
	for _, g := range u.GetGroups() {
		if g == user.AllAuthenticated {
			return response
		}
	}
	groups := append(append(make([]string, 0, len(u.GetGroups())+1), u.GetGroups()...), user.AllAuthenticated)
	return &authenticator.Response{
		Audiences: response.Audiences,
		User:      &user.DefaultInfo{Name: u.GetName(), UID: u.GetUID(), Groups: groups, Extra: u.GetExtra()},
	}
}

// bearer returns the token of the request's header, or of the WebSocket
// subprotocol that browsers, which cannot set headers there, use instead.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(strings.TrimSpace(r.Header.Get("Authorization")), " ")
	if strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	return websocketToken(r)
}
