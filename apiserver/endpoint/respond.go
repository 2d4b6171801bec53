package endpoint

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/codec"
)

const (
	// gzipAbove is the size from which answers are compressed for those who
	// can read that.
	gzipAbove = 128 << 10
	gzipLevel = 1
)

// ErrorStatus is the status that an error is answered with.
func ErrorStatus(err error) *metav1.Status {
	var s apierrors.APIStatus
	if !errors.As(err, &s) {
		return &metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
			Status:   metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error(),
		}
	}
	status := s.Status()
	status.Kind, status.APIVersion = "Status", "v1"
	if status.Status == "" {
		status.Status = metav1.StatusFailure
	}
	if status.Code == 0 {
		status.Code = http.StatusInternalServerError
	}
	return &status
}

// Error answers a request with an error.
func (h *Handler) Error(w http.ResponseWriter, r *http.Request, err error) {
	status := ErrorStatus(err)
	out, err := codec.Negotiate(r, codec.NoTransforms)
	if err != nil { // it is as good as any
		out = codec.Output{Media: codec.JSON, Pretty: true}
	}
	if d := status.Details; d != nil && d.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(d.RetryAfterSeconds)))
	}
	h.write(w, r, int(status.Code), status, out)
}

// write answers with an object whose kind and version are set.
func (h *Handler) write(w http.ResponseWriter, r *http.Request, code int, obj runtime.Object, out codec.Output) {
	var b bytes.Buffer
	if err := h.Codec.Encode(&b, obj, out.Media, out.Pretty); err != nil {
		if out.Media == codec.Protobuf { // no such form: JSON will do
			out.Media = codec.JSON
			h.write(w, r, code, obj, out)
			return
		}
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.send(w, r, code, out.Media.String(), codec.Parts{b.Bytes()})
}

// writeParts answers with JSON or protobuf that is put together already, or
// what becomes of the JSON.
func (h *Handler) writeParts(w http.ResponseWriter, r *http.Request, code int, parts codec.Parts, out codec.Output) {
	switch {
	case out.Media == codec.YAML:
		var b bytes.Buffer
		if err := codec.WriteYAML(&b, parts.Bytes()); err != nil {
			h.Error(w, r, apierrors.NewInternalError(err))
			return
		}
		parts = codec.Parts{b.Bytes()}
	case out.Media == codec.JSON && out.Pretty:
		var b bytes.Buffer
		if err := codec.WriteIndented(&b, parts.Bytes()); err != nil {
			h.Error(w, r, apierrors.NewInternalError(err))
			return
		}
		parts = codec.Parts{b.Bytes()}
	}
	h.send(w, r, code, out.Media.String(), parts)
}

func (h *Handler) send(w http.ResponseWriter, r *http.Request, code int, contentType string, parts codec.Parts) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	n := parts.Len()
	if n > gzipAbove && acceptsGzip(r) {
		header.Set("Content-Encoding", "gzip")
		header.Add("Vary", "Accept-Encoding")
		w.WriteHeader(code)
		h.compress(w, parts)
		return
	}
	header.Set("Content-Length", strconv.Itoa(n))
	w.WriteHeader(code)
	if r.Method == http.MethodHead {
		return
	}
	if n < 32<<10 {
		_, _ = w.Write(parts.Bytes())
		return
	}
	if v, ok := w.(vectored); ok {
		v.WriteParts(parts)
		return
	}
	buf := make([]byte, 0, 64<<10)
	for _, p := range parts {
		if len(buf)+len(p) > cap(buf) {
			if _, err := w.Write(buf); err != nil {
				return
			}
			buf = buf[:0]
			if len(p) >= cap(buf) {
				if _, err := w.Write(p); err != nil {
					return
				}
				continue
			}
		}
		buf = append(buf, p...)
	}
	_, _ = w.Write(buf)
}

// compress writes parts by gzip. If it fails the client is gone.
func (h *Handler) compress(w http.ResponseWriter, parts codec.Parts) {
	z, ok := h.gzips.Get().(*gzip.Writer)
	if !ok {
		var err error
		if z, err = gzip.NewWriterLevel(w, gzipLevel); err != nil {
			return
		}
	}
	defer h.gzips.Put(z)
	b := bufio.NewWriterSize(w, 32<<10)
	z.Reset(b)
	for _, p := range parts {
		if _, err := z.Write(p); err != nil {
			return
		}
	}
	if z.Close() == nil {
		_ = b.Flush()
	}
}

// vectored is a response that takes parts without copying them together.
type vectored interface{ WriteParts(parts [][]byte) }

func acceptsGzip(r *http.Request) bool {
	for _, v := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		if strings.TrimSpace(v) == "gzip" {
			return true
		}
	}
	return false
}

// Forbidden is the 403 of an authorizer.
func Forbidden(a authorizer.Attributes, reason string) error {
	gr := schema.GroupResource{Group: a.GetAPIGroup(), Resource: a.GetResource()}
	name := ""
	if u := a.GetUser(); u != nil {
		name = u.GetName()
	}
	var text string
	if a.IsResourceRequest() {
		what := a.GetResource()
		if sub := a.GetSubresource(); sub != "" {
			what += "/" + sub
		}
		where := "at the cluster scope"
		if ns := a.GetNamespace(); ns != "" {
			where = fmt.Sprintf("in the namespace %q", ns)
		}
		text = fmt.Sprintf("User %q cannot %s resource %q in API group %q %s", name, a.GetVerb(), what, a.GetAPIGroup(), where)
	} else {
		text = fmt.Sprintf("User %q cannot %s path %q", name, a.GetVerb(), a.GetPath())
	}
	if reason != "" {
		text += ": " + reason
	}
	return apierrors.NewForbidden(gr, a.GetName(), errors.New(text))
}
