package openapi

import (
	"net/http"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kube-openapi/pkg/common"
)

// service is what one document of version 3 describes: all paths below a root.
type service struct {
	root   string // such as "apis/apps/v1"
	gv     schema.GroupVersion
	routes []*route
}

// route is one operation on one path. It implements [common.Route], from which
// the builders of the documents work.
type route struct {
	method, path, operation, doc string
	action                       string // of x-kubernetes-action; empty where none
	kind                         schema.GroupVersionKind
	parameters                   []parameter
	consumes, produces           []string
	reads                        *model
	optionalBody                 bool
	responses                    []response
}

// model is a type that bodies have: a Go type, a kind without one, or a string.
type model struct {
	goType reflect.Type
	free   schema.GroupVersionKind
}

type freeModel string

// OpenAPIModelName implements util.OpenAPIModelNamer.
func (m freeModel) OpenAPIModelName() string { return string(m) }

// sample is a value that has the name of the model.
func (m *model) sample() any {
	if m.goType == nil {
		return freeModel(freeName(m.free))
	}
	return reflect.Zero(m.goType).Interface()
}

// text is the model of an answer that is no object.
func text() *model { return &model{goType: reflect.TypeFor[string]()} }

type response struct {
	code  int
	model *model
}

func (r response) Code() int       { return r.code }
func (r response) Message() string { return http.StatusText(r.code) }
func (r response) Model() any      { return r.model.sample() }

// parameter is one of a route; a name and where it is identify it.
type parameter struct {
	name, doc, kind string // kind of data, such as "string"
	in              common.ParameterKind
	optional        bool
}

func (p parameter) Name() string               { return p.name }
func (p parameter) Description() string        { return p.doc }
func (p parameter) Required() bool             { return p.in != common.QueryParameterKind && !p.optional }
func (p parameter) Kind() common.ParameterKind { return p.in }
func (p parameter) DataType() string           { return p.kind }
func (p parameter) AllowMultiple() bool        { return false }

func (s *service) RootPath() string { return "/" + s.root }

func (s *service) PathParameters() []common.Parameter { return nil }

func (s *service) Routes() []common.Route {
	out := make([]common.Route, len(s.routes))
	for i, r := range s.routes {
		out[i] = r
	}
	return out
}

func (r *route) Method() string             { return r.method }
func (r *route) Path() string               { return r.path }
func (r *route) OperationName() string      { return r.operation }
func (r *route) Description() string        { return r.doc }
func (r *route) Consumes() []string         { return r.consumes }
func (r *route) Produces() []string         { return r.produces }
func (r *route) ResponsePayloadSample() any { return nil }

func (r *route) Parameters() []common.Parameter {
	out := make([]common.Parameter, 0, len(r.parameters)+1)
	for _, p := range r.parameters {
		out = append(out, p)
	}
	if r.reads != nil {
		out = append(out, parameter{name: "body", in: common.BodyParameterKind, optional: r.optionalBody})
	}
	return out
}

func (r *route) Metadata() map[string]any {
	if r.action == "" {
		return nil
	}
	return map[string]any{
		"x-kubernetes-action":             r.action,
		"x-kubernetes-group-version-kind": map[string]string{"group": r.kind.Group, "version": r.kind.Version, "kind": r.kind.Kind},
	}
}

func (r *route) RequestPayloadSample() any {
	if r.reads == nil {
		return nil
	}
	return r.reads.sample()
}

func (r *route) StatusCodeResponses() []common.StatusCodeResponse {
	out := make([]common.StatusCodeResponse, len(r.responses))
	for i, v := range r.responses {
		out[i] = v
	}
	return out
}

// operationID names an operation among all of a server, after its verb, its
// group and version, and the rest of what it is called; the tag is that of the
// group and version.
func operationID(operation, path string) (id string, tags []string) {
	verb := ""
	for _, v := range [...]string{"get", "log", "read", "replace", "patch", "delete", "watch", "connect", "proxy", "list", "create"} {
		if strings.HasPrefix(operation, v) {
			verb = v
			break
		}
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if parts[0] == "api" {
		parts = append([]string{"apis", "core"}, parts[1:]...)
	}
	group, tag := "", ""
	if parts[0] == "apis" && len(parts) > 1 {
		name := strings.TrimSuffix(parts[1], ".k8s.io")
		group, tag = identifier(name, true), identifier(name, false)
		if len(parts) > 2 {
			group, tag = group+identifier(parts[2], true), tag+"_"+identifier(parts[2], false)
		}
	} else {
		tag = identifier(parts[0], false)
	}
	return verb + group + identifier(operation[len(verb):], true), []string{tag}
}

// identifier leaves letters, digits and underscores, and begins a new word with
// an upper-case letter where it left something out.
func identifier(s string, upper bool) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', i > 0 && r >= '0' && r <= '9':
			if upper {
				b.WriteString(strings.ToUpper(string(r)))
			} else {
				b.WriteRune(r)
			}
			upper = false
		default:
			upper = true
		}
	}
	return b.String()
}
