//go:build linux

package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// imageSocket, in StateDir, is where other processes of root reach the images
// of a running runtime.
const imageSocket = "images.sock"

// ErrNotRunning says that no runtime has the given StateDir open.
var ErrNotRunning = errors.New("no runtime is running there")

// ImageClient works on the images of a runtime that another process has open:
// a command that loads an image into a running cluster, for instance.
type ImageClient struct{ http *http.Client }

// DialImages connects to the runtime that is open on stateDir; if none is, that
// is [ErrNotRunning].
func DialImages(ctx context.Context, stateDir string) (*ImageClient, error) {
	conn, err := dial(ctx, stateDir, imageSocket)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "connection refused") {
			err = ErrNotRunning
		}
		return nil, fmt.Errorf("images of %s: %w", stateDir, err)
	}
	_ = conn.Close()
	return &ImageClient{http: &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, stateDir, imageSocket)
		},
	}}}, nil
}

// Import is [Runtime.Import] in the other process.
func (c *ImageClient) Import(ctx context.Context, archive io.Reader) ([]kubelet.Image, error) {
	return c.do(ctx, http.MethodPost, archive)
}

// ListImages is [Runtime.ListImages] in the other process.
func (c *ImageClient) ListImages(ctx context.Context) ([]kubelet.Image, error) {
	return c.do(ctx, http.MethodGet, nil)
}

func (c *ImageClient) do(ctx context.Context, method string, body io.Reader) ([]kubelet.Image, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://runtime/images", body)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	var images []kubelet.Image
	if err := json.NewDecoder(resp.Body).Decode(&images); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return images, nil
}

// serveImages answers image clients until the runtime is closed.
func (r *Runtime) serveImages() error {
	l, err := listen(string(r.state), imageSocket)
	if err != nil {
		return fmt.Errorf("listen for image clients: %w", err)
	}
	if err := os.Chmod(filepath.Join(string(r.state), imageSocket), 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, images []kubelet.Image, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(images)
	}
	mux.HandleFunc("GET /images", func(w http.ResponseWriter, req *http.Request) {
		images, err := r.ListImages(req.Context())
		answer(w, images, err)
	})
	mux.HandleFunc("POST /images", func(w http.ResponseWriter, req *http.Request) {
		images, err := r.Import(req.Context(), req.Body)
		answer(w, images, err)
	})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return r.ctx },
	}
	r.wg.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			r.log.Error("serve image clients", "error", err)
		}
	})
	r.wg.Go(func() {
		<-r.ctx.Done()
		_ = server.Close()
		_ = os.Remove(filepath.Join(string(r.state), imageSocket))
	})
	return nil
}
