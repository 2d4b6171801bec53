package openapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/munnerz/goautoneg"
)

// encoded says how a document is written.
type encoded int

const (
	asJSON encoded = iota
	asProtobuf
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s, err := h.snapshot()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	path := strings.Trim(r.URL.Path, "/")
	below, is3 := strings.CutPrefix(path, "openapi/v3/")
	switch {
	case path == "openapi/v2":
		serve(w, r, s.v2, "v2")
	case path == "openapi/v3":
		write(w, r, s.index, asJSON, "text/plain; charset=utf-8") // as Kubernetes' aggregator calls it
	case is3 && s.v3[below] != nil:
		d := s.v3[below]
		if hash := r.URL.Query().Get("hash"); hash != "" {
			if hash != d.tag {
				http.Redirect(w, r, urlOf(below, d), http.StatusMovedPermanently)
				return
			}
			w.Header().Set("Cache-Control", "public, immutable")
			w.Header().Set("Expires", time.Now().AddDate(1, 0, 0).UTC().Format(http.TimeFormat))
		}
		serve(w, r, d, "v3")
	default:
		http.NotFound(w, r)
	}
}

// serve writes a document as the client likes it best.
func serve(w http.ResponseWriter, r *http.Request, d *document, version string) {
	w.Header().Add("Vary", "Accept")
	accept := r.Header.Get("Accept")
	if accept == "" {
		accept = "*/*"
	}
	proto := "com.github.proto-openapi.spec." + version
	for _, clause := range goautoneg.ParseAccept(accept) {
		if clause.Type != "application" && clause.Type != "*" {
			continue
		}
		switch clause.SubType {
		case "json", "*":
			write(w, r, d, asJSON, "application/json")
			return
		case proto + "@v1.0+protobuf", proto + ".v1.0+protobuf":
			write(w, r, d, asProtobuf, "application/"+proto+".v1.0+protobuf")
			return
		}
	}
	w.WriteHeader(http.StatusNotAcceptable)
}

func write(w http.ResponseWriter, r *http.Request, d *document, as encoded, contentType string) {
	header := w.Header()
	tag := strconv.Quote(d.tag)
	header.Set("Etag", tag)
	header.Set("Content-Type", contentType)
	for _, known := range r.Header.Values("If-None-Match") {
		if strings.Contains(known, tag) || known == "*" {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	get := d.json
	if as == asProtobuf {
		get = d.protobuf
	}
	data, err := get()
	if err == nil {
		if takesGzip(r) {
			header.Set("Content-Encoding", "gzip")
		} else {
			data, err = decompress(data)
		}
	}
	if err != nil {
		header.Del("Etag")
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	header.Add("Vary", "Accept-Encoding")
	header.Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// takesGzip reports whether the client reads gzip.
func takesGzip(r *http.Request) bool {
	for _, field := range r.Header.Values("Accept-Encoding") {
		for clause := range strings.SplitSeq(field, ",") {
			name, weight, _ := strings.Cut(clause, ";")
			if strings.TrimSpace(name) == "gzip" {
				q, weighed := strings.CutPrefix(strings.TrimSpace(weight), "q=")
				value, err := strconv.ParseFloat(q, 64)
				return !weighed || err == nil && value > 0
			}
		}
	}
	return false
}
