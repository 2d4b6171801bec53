package imagebuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// WriteArchive writes images by their names as `docker save` does.
func WriteArchive(w io.Writer, images map[string]v1.Image) error {
	byRef := map[name.Reference]v1.Image{}
	for n, img := range images {
		ref, err := name.ParseReference(n)
		if err != nil {
			return fmt.Errorf("image name: %w", err)
		}
		byRef[ref] = img
	}
	return tarball.MultiRefWrite(byRef, w)
}

// Push sends an image to a registry; to one on loopback by plain HTTP.
func Push(ctx context.Context, ref string, img v1.Image) error {
	r, err := name.ParseReference(ref)
	if err != nil {
		return fmt.Errorf("image name: %w", err)
	}
	if err := remote.Write(r, img, remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("push %s: %w", ref, err)
	}
	return nil
}

// Registry is an image registry in memory, on a loopback port.
type Registry struct {
	l      net.Listener
	server *http.Server
	done   chan error
}

// Serve starts a registry on 127.0.0.1 that holds the given images by their
// names without host, such as "library/httpd:latest". Wrap, if not nil, stands
// before it, say to ask for a password.
func Serve(ctx context.Context, images map[string]v1.Image, wrap func(http.Handler) http.Handler) (*Registry, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	loading := handler
	open := make(chan struct{})
	r := &Registry{l: l, done: make(chan error, 1)}
	if wrap == nil {
		wrap = func(h http.Handler) http.Handler { return h }
	}
	guarded := wrap(handler)
	r.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		select {
		case <-open:
			guarded.ServeHTTP(w, req)
		default:
			loading.ServeHTTP(w, req)
		}
	})}
	go func() { r.done <- r.server.Serve(l) }()
	for n, img := range images {
		if err := Push(ctx, r.Addr()+"/"+n, img); err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	close(open)
	return r, nil
}

// Addr is the host and port of the registry, as image names begin with.
func (r *Registry) Addr() string { return r.l.Addr().String() }

// Close ends the registry.
func (r *Registry) Close() error {
	err := r.server.Close()
	if serr := <-r.done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}
