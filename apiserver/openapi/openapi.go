package openapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/handler3"

	"github.com/keelson-project/keelson/apiserver/registry"
)

// Config is what New needs. Registry and Scheme are required.
type Config struct {
	// Registry has the stored resources. What it serves may change.
	Registry *registry.Registry
	// Virtuals are the computed resources.
	Virtuals []registry.Virtual
	// Paths are further ones that the server has. Those of OpenID discovery
	// are described.
	Paths map[string]http.Handler
	// Scheme knows the Go types of all kinds that have one.
	Scheme *runtime.Scheme
	// Customs, if set, describes a kind that has no Go type. Nil means any
	// object.
	Customs func(schema.GroupVersionKind) *Custom
	// Version is that of the API in the documents; default "1.37".
	Version string
	// Cache, if set, is shared with other servers.
	Cache *Cache
}

// Handler serves all paths below /openapi/.
type Handler struct {
	cfg Config

	mu      sync.Mutex // guards current
	current *snapshot
}

// New makes a handler. It builds no document yet.
func New(cfg Config) (*Handler, error) {
	if cfg.Registry == nil || cfg.Scheme == nil {
		return nil, errors.New("openapi: Config needs Registry and Scheme")
	}
	if cfg.Version == "" {
		cfg.Version = "1.37"
	}
	if cfg.Cache == nil {
		cfg.Cache = &Cache{}
	}
	cfg.Virtuals = slices.Clone(cfg.Virtuals)
	return &Handler{cfg: cfg}, nil
}

// snapshot has the documents about what was served at one time.
type snapshot struct {
	generation int64
	v2         *document
	v3         map[string]*document // by the path below /openapi/v3/
	index      *document            // of v3
}

// snapshot returns that of what is served now.
func (h *Handler) snapshot() (*snapshot, error) {
	generation := h.cfg.Registry.Generation()
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.current; s != nil && s.generation == generation {
		return s, nil
	}
	services := h.services()
	s := &snapshot{generation: generation, v3: make(map[string]*document, len(services))}
	index := handler3.OpenAPIV3Discovery{Paths: make(map[string]handler3.OpenAPIV3DiscoveryGroupVersion, len(services))}
	keys := make([]string, len(services))
	for i, service := range services {
		keys[i] = h.key(service)
		d := h.cfg.Cache.document(keys[i], func() ([]byte, error) { return h.build3(service) }, protobuf3)
		s.v3[service.root] = d
		index.Paths[service.root] = handler3.OpenAPIV3DiscoveryGroupVersion{ServerRelativeURL: urlOf(service.root, d)}
	}
	s.v2 = h.cfg.Cache.document(keyOfAll(keys), func() ([]byte, error) { return h.build2(services) }, protobuf2)
	data, err := json.Marshal(index)
	if err != nil {
		return nil, err
	}
	s.index = newDocument("index-"+s.v2.tag, func() ([]byte, error) { return data, nil }, nil)
	h.current = s
	return s, nil
}

// urlOf is where a document of version 3 can be had, for as long as it stays
// what it is.
func urlOf(path string, d *document) string {
	u := url.URL{Path: "/openapi/v3/" + path, RawQuery: url.Values{"hash": {d.tag}}.Encode()}
	return u.String()
}

// custom describes a kind that has no Go type, or is nil.
func (h *Handler) custom(gvk schema.GroupVersionKind) *Custom {
	if h.cfg.Customs == nil {
		return nil
	}
	return h.cfg.Customs(gvk)
}
