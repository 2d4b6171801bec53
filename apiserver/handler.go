package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/endpoint"
)

// requestTimeout bounds requests that are not long-running.
const requestTimeout = 60 * time.Second

// enter notes a request under way; false means that the server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.requests.Add(1)
	return true
}

// serve is the way of a request up to knowing who asks.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		s.endpoint.Error(w, r, apierrors.NewServiceUnavailable("the server is shutting down"))
		return
	}
	defer s.requests.Done()
	defer s.recover(w, r)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.killed, cancel)()
	select {
	case <-s.started:
	case <-s.stopping:
		s.endpoint.Error(w, r, apierrors.NewServiceUnavailable("the server is shutting down"))
		return
	case <-ctx.Done():
		return
	}
	info, err := s.infos.NewRequestInfo(r)
	if err != nil {
		s.endpoint.Error(w, r, apierrors.NewBadRequest(fmt.Sprintf("failed to create RequestInfo: %v", err)))
		return
	}
	header := w.Header()
	header.Set("Audit-Id", string(uuid.NewUUID()))
	header.Set("Cache-Control", "no-cache, private")
	ctx = genericrequest.WithRequestInfo(ctx, info)
	who, err := s.authenticate(r)
	if err != nil {
		s.endpoint.Error(w, r.WithContext(ctx), err)
		return
	}
	ctx = genericrequest.WithUser(ctx, who)
	if who, err = s.impersonate(ctx, r); err != nil {
		s.endpoint.Error(w, r.WithContext(ctx), err)
		return
	}
	ctx = genericrequest.WithUser(ctx, who)
	ctx = warning.WithWarningRecorder(ctx, &warnings{header: header})
	if !longRunning(r, info) {
		timeout, err := timeoutOf(r)
		if err != nil {
			s.endpoint.Error(w, r.WithContext(ctx), err)
			return
		}
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, timeout)
		defer stop()
	}
	done := s.metrics.begin(info)
	rec := &recorder{ResponseWriter: w}
	defer func() { done(rec.code) }()
	s.handler.ServeHTTP(rec.wrap(w), r.WithContext(ctx))
}

// recover keeps a panic in one request from ending the server.
func (s *Server) recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	s.log.Error("panic while answering a request", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	s.endpoint.Error(w, r, apierrors.NewInternalError(fmt.Errorf("this request caused apiserver to panic: %v", p)))
}

// authenticate finds out who asks.
func (s *Server) authenticate(r *http.Request) (user.Info, error) {
	if u, ok := r.Context().Value(loopbackKey{}).(user.Info); ok {
		return u, nil
	}
	if s.plugins.Authenticator == nil {
		return &user.DefaultInfo{Name: user.Anonymous, Groups: []string{user.AllUnauthenticated}}, nil
	}
	resp, ok, err := s.plugins.Authenticator.AuthenticateRequest(r)
	if err != nil || !ok {
		if err != nil {
			s.log.Debug("request is not authenticated", "path", r.URL.Path, "err", err)
		}
		return nil, apierrors.NewUnauthorized("Unauthorized")
	}
	r.Header.Del("Authorization")
	return resp.User, nil
}

// serveAuthenticated is the way of a request from authorization on.
func (s *Server) serveAuthenticated(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	info, _ := genericrequest.RequestInfoFrom(ctx)
	if err := s.authorize(ctx, info); err != nil {
		s.endpoint.Error(w, r, err)
		return
	}
	if !longRunning(r, info) && !s.isLoopback(ctx) {
		release, ok := s.limits.acquire(ctx, r)
		if !ok {
			w.Header().Set("Retry-After", "1")
			s.endpoint.Error(w, r, apierrors.NewTooManyRequests("Too many requests, please try again later.", 1))
			return
		}
		defer release()
	}
	if remote := s.remote(r, info); remote != nil {
		remote.ServeHTTP(w, r)
		return
	}
	if info.IsResourceRequest {
		s.endpoint.ServeHTTP(w, r)
		return
	}
	s.paths.ServeHTTP(w, r)
}

// remote returns what answers instead of this server, if another one is
// registered for the version that is asked for.
func (s *Server) remote(r *http.Request, info *genericrequest.RequestInfo) http.Handler {
	if s.plugins.Register == nil {
		return nil
	}
	gv := schema.GroupVersion{Group: info.APIGroup, Version: info.APIVersion}
	if !info.IsResourceRequest {
		parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
		switch {
		case len(parts) == 2 && parts[0] == "api":
			gv.Version = parts[1]
		case len(parts) == 3 && parts[0] == "apis":
			gv.Group, gv.Version = parts[1], parts[2]
		default:
			return nil
		}
	}
	return s.plugins.Register.Remote(gv)
}

// isLoopback reports whether the server's own client asks, as itself.
func (s *Server) isLoopback(ctx context.Context) bool {
	u, ok := genericrequest.UserFrom(ctx)
	return ok && u == ctx.Value(loopbackKey{})
}

func (s *Server) authorize(ctx context.Context, info *genericrequest.RequestInfo) error {
	if s.plugins.Authorizer == nil || s.isLoopback(ctx) {
		return nil
	}
	a := attributes(ctx, info)
	decision, reason, err := s.plugins.Authorizer.Authorize(ctx, a)
	if decision == authorizer.DecisionAllow {
		return nil
	}
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	return endpoint.Forbidden(a, reason)
}

// attributes are what authorization is asked about.
func attributes(ctx context.Context, info *genericrequest.RequestInfo) *authorizer.AttributesRecord {
	u, _ := genericrequest.UserFrom(ctx)
	a := &authorizer.AttributesRecord{
		User: u, Verb: info.Verb, Path: info.Path, ResourceRequest: info.IsResourceRequest,
		Namespace: info.Namespace, APIGroup: info.APIGroup, APIVersion: info.APIVersion,
		Resource: info.Resource, Subresource: info.Subresource, Name: info.Name,
	}
	selectors(a, info)
	return a
}

// timeoutOf is how long a request may take: what it asks for, within limits.
func timeoutOf(r *http.Request) (time.Duration, error) {
	if !strings.Contains(r.URL.RawQuery, "timeout=") {
		return requestTimeout, nil
	}
	text := r.URL.Query().Get("timeout")
	if text == "" {
		return requestTimeout, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, apierrors.NewBadRequest("invalid timeout specified in the request URL - " + err.Error())
	}
	if d <= 0 || d > requestTimeout {
		return requestTimeout, nil
	}
	return d, nil
}

// longRunning reports whether a request may take as long as it likes.
func longRunning(r *http.Request, info *genericrequest.RequestInfo) bool {
	if !info.IsResourceRequest {
		return false
	}
	switch info.Verb {
	case "watch", "proxy":
		return true
	}
	switch info.Subresource {
	case "attach", "exec", "proxy", "log", "portforward":
		return true
	}
	return false
}
