package apiserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/sets"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/applyconfigurations"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/endpoint"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// Server serves the Kubernetes API. Make one with [New].
type Server struct {
	cfg      Config
	plugins  Plugins
	log      *slog.Logger
	codec    *codec.Codec
	registry *registry.Registry
	endpoint *endpoint.Handler
	paths    *paths
	metrics  *metrics
	limits   limits
	infos    genericrequest.RequestInfoFactory
	handler  http.Handler // from Wrap on

	begun   time.Time     // when New was called
	started chan struct{} // closed when requests may be answered
	ready   chan struct{} // closed when the system's own objects are there
	// namespaces is closed when the system's own namespaces are there.
	namespaces     chan struct{}
	namespacesOnce sync.Once
	stopping       chan struct{} // closed when watches are to end
	stopped        chan struct{} // closed when requests are no longer answered
	killed         context.Context
	kill           context.CancelFunc

	mu       sync.Mutex // guards running, closed and additions to requests
	running  bool
	closed   bool
	requests sync.WaitGroup
}

// New puts a server together. It starts nothing.
func New(cfg Config) (*Server, error) {
	switch {
	case cfg.Store == nil:
		return nil, errors.New("apiserver: Config.Store is nil")
	case len(cfg.Kinds) == 0:
		return nil, errors.New("apiserver: Config.Kinds is empty: builtin.Kinds() has those of Kubernetes")
	}
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cfg.Version = completeVersion(cfg.Version)
	scheme, err := newScheme(cfg.Kinds)
	if err != nil {
		return nil, fmt.Errorf("apiserver: %w", err)
	}
	s := &Server{
		cfg: cfg, log: log, begun: time.Now(), codec: codec.New(scheme),
		started: make(chan struct{}), ready: make(chan struct{}), namespaces: make(chan struct{}), stopping: make(chan struct{}), stopped: make(chan struct{}),
		infos:  genericrequest.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")},
		limits: newLimits(),
	}
	s.killed, s.kill = context.WithCancel(context.Background())
	s.registry = registry.New(registry.Config{
		Store: cfg.Store, Codec: s.codec, Logger: log,
		TypeConverter: &typeConverter{known: sync.OnceValue(func() managedfields.TypeConverter { return applyconfigurations.NewTypeConverter(scheme) })},
	})
	if err := s.registry.Add(context.Background(), cfg.Kinds...); err != nil {
		return nil, fmt.Errorf("apiserver: %w", err)
	}
	s.metrics = newMetrics(s)
	if cfg.Plug != nil {
		if s.plugins, err = cfg.Plug(s); err != nil {
			return nil, fmt.Errorf("apiserver: %w", err)
		}
	}
	s.registry.SetAdmission(s.plugins.Admission)
	s.endpoint = endpoint.New(endpoint.Config{
		Registry: s.registry, Codec: s.codec, Virtuals: s.plugins.Virtuals, Authorizer: s.plugins.Authorizer,
		Admission: s.plugins.Admission, Installing: s.installing, Stopping: s.stopping, Logger: log,
	})
	s.paths = newPaths(s)
	s.handler = http.HandlerFunc(s.serveAuthenticated)
	if s.plugins.Wrap != nil {
		s.handler = s.plugins.Wrap(s.handler)
	}
	return s, nil
}

// installing reports whether plugins still add resources.
func (s *Server) installing() bool {
	for _, c := range s.plugins.Installed {
		select {
		case <-c:
		default:
			return true
		}
	}
	return false
}

// Registry gives direct access to the stored resources, past authentication,
// authorization and the wire.
func (s *Server) Registry() *registry.Registry { return s.registry }

// Codec knows all types that the server serves.
func (s *Server) Codec() *codec.Codec { return s.codec }

// Ready is closed once the server answers, the system's own namespaces exist
// and the plugins are settled.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Namespaces is closed once the system's own namespaces exist, so that plugins
// can put objects into them.
func (s *Server) Namespaces() <-chan struct{} { return s.namespaces }

// Handler answers requests that a server of the caller's own receives. It waits
// for Run, and answers 503 after it has ended.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }
