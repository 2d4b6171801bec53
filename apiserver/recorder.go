package apiserver

import (
	"bufio"
	"net"
	"net/http"
)

// recorder notes the code of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController at the writer below.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush implements http.Flusher.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

// Hijack implements http.Hijacker.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if r.code == 0 {
		r.code = http.StatusSwitchingProtocols
	}
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// wrap keeps what w can do besides writing.
func (r *recorder) wrap(w http.ResponseWriter) http.ResponseWriter {
	if p, ok := w.(*response); ok {
		return &partsRecorder{recorder: r, parts: p}
	}
	return r
}

// partsRecorder is a recorder over a response of the loopback.
type partsRecorder struct {
	*recorder
	parts *response
}

// WriteParts takes parts without copying them.
func (r *partsRecorder) WriteParts(parts [][]byte) { r.parts.WriteParts(parts) }
