package apiserver

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/netip"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/discovery"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/store"
)

// Config is what New needs. Store and Kinds are required.
type Config struct {
	// Store keeps the objects. The server does not close it.
	Store store.Store
	// Kinds are the stored resources to serve.
	Kinds []*kinds.Kind

	// Plug, if set, is called once, at the end of New, and returns what is
	// plugged into the server. It gets the server so that plugins can use its
	// LoopbackConfig and Registry; those answer once Run has begun.
	Plug func(*Server) (Plugins, error)

	// Listener, if set, is where Run serves besides the loopback; with
	// TLSConfig by TLS. Run closes it.
	Listener  net.Listener
	TLSConfig *tls.Config

	// ServiceIP is the address of the service "kubernetes" in the namespace
	// default, the first of the service range; without it there is no such
	// service. Advertise is the address and port that the service leads to;
	// without it, or with a loopback address, which no endpoint may have, the
	// service leads nowhere.
	Advertise netip.AddrPort
	ServiceIP netip.Addr

	// Version is what /version answers; empty fields are filled with those of
	// the Kubernetes version that Keelson follows.
	Version version.Info
	// Logger gets what needs somebody's attention; nil discards it.
	Logger *slog.Logger
}

// Plugins are the parts of a server that are chosen by whoever assembles it.
// The zero value is a server that allows everything to everybody.
type Plugins struct {
	// Authenticator finds out who asks. Without one every request comes from
	// system:anonymous in group system:unauthenticated. Requests that it does
	// not recognise are 401 Unauthorized; one that lets anonymous requests
	// pass answers for them with that user itself.
	Authenticator authenticator.Request
	// Authorizer says whether they may; nil allows everything. The loopback's
	// user, in group system:masters, is never asked about.
	Authorizer authorizer.Authorizer
	// Admission is asked about every write.
	Admission admission.Chain
	// Virtuals are the resources that are computed rather than stored.
	Virtuals []registry.Virtual
	// Register, if set, knows which versions of the API are registered, also
	// those of other servers, and answers for these.
	Register Register
	// OpenAPI serves all paths below /openapi/; nil means 404.
	OpenAPI http.Handler
	// Paths serves further paths that are no resources, by exact path, such
	// as "/.well-known/openid-configuration". They pass authorization.
	Paths map[string]http.Handler
	// Wrap, if set, goes around the handling of each authenticated request,
	// loopback included: auditing, further limits. The request's
	// context has its RequestInfo and user (the impersonated one, if any).
	Wrap func(http.Handler) http.Handler
	// Jobs run beside the server, from the moment it answers until Run's
	// context ends, when each must return. An error ends the server.
	Jobs []func(ctx context.Context) error
	// Checks are asked by /readyz, /livez and /healthz under their names, such
	// as "poststarthook/rbac/bootstrap-roles"; no error means well. A nil
	// function is for what is there once requests are answered.
	Checks map[string]func() error
	// Installed are closed when the resources that the plugins add at run
	// time are there. Until then a path that leads nowhere is answered 503,
	// for it may be one of theirs.
	Installed []<-chan struct{}
	// Settled are closed when what the plugins add to a new cluster is there;
	// the server is ready once all are.
	Settled []<-chan struct{}
}

// Register knows who serves which version of the API. Its methods are called
// for every request and do not block.
type Register interface {
	// Versions returns what is registered, for discovery; nil means that this
	// is not known yet, and all that the server serves is told of. The
	// generation is another one whenever the versions are.
	Versions() (versions []discovery.Registered, generation int64)
	// Remote returns what answers requests for a version that is registered
	// to another server, and nil for all others.
	Remote(gv schema.GroupVersion) http.Handler
}
