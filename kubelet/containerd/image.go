//go:build linux

package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/keelson-project/keelson/kubelet"
)

// image is what is known of an image by its manifest.
type image struct {
	id       string
	target   ocispec.Descriptor
	manifest ocispec.Manifest
	config   ocispec.Image
	chainID  digest.Digest
	size     int64
}

// imageCache remembers images by the digest of what their names point at.
type imageCache struct {
	mu    sync.Mutex
	known map[digest.Digest]*image
}

func newImageCache() *imageCache { return &imageCache{known: map[digest.Digest]*image{}} }

// load reads an image's manifest and configuration.
func (r *Runtime) loadImage(ctx context.Context, target ocispec.Descriptor) (*image, error) {
	r.images.mu.Lock()
	img := r.images.known[target.Digest]
	r.images.mu.Unlock()
	if img != nil {
		return img, nil
	}
	manifest, err := images.Manifest(ctx, r.stores.content, target, platforms.Default())
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	data, err := content.ReadBlob(ctx, r.stores.content, manifest.Config)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	img = &image{id: manifest.Config.Digest.String(), target: target, manifest: manifest}
	if err := json.Unmarshal(data, &img.config); err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	img.chainID = identity.ChainID(img.config.RootFS.DiffIDs)
	img.size = manifest.Config.Size
	for _, l := range manifest.Layers {
		img.size += l.Size
	}
	r.images.mu.Lock()
	r.images.known[target.Digest] = img
	r.images.mu.Unlock()
	return img, nil
}

// normalise gives a familiar name its full form: httpd becomes
// docker.io/library/httpd:latest.
func normalise(ref string) (reference.Named, error) {
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, fmt.Errorf("image name %q: %w", ref, err)
	}
	return named, nil
}

// imageRecord is an image and all names it has here.
type imageRecord struct {
	*image
	names  []string
	pinned bool
}

// listImages returns all images whose content is here.
func (r *Runtime) listImages(ctx context.Context) ([]*imageRecord, error) {
	list, err := r.stores.images.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	byID := map[string]*imageRecord{}
	var out []*imageRecord
	for _, rec := range list {
		img, err := r.loadImage(ctx, rec.Target)
		if err != nil {
			// Half pulled by somebody else, or for another platform.
			r.log.Debug("image skipped", "image", rec.Name, "error", err)
			continue
		}
		ir := byID[img.id]
		if ir == nil {
			ir = &imageRecord{image: img}
			byID[img.id] = ir
			out = append(out, ir)
		}
		ir.names = append(ir.names, rec.Name)
		ir.pinned = ir.pinned || rec.Labels[pinnedLabel] == "pinned"
	}
	return out, nil
}

func (ir *imageRecord) view() kubelet.Image {
	out := kubelet.Image{ID: ir.id, Size: ir.size, User: ir.config.Config.User, Pinned: ir.pinned}
	for _, name := range ir.names {
		switch {
		case strings.HasPrefix(name, "sha256:"):
		case strings.Contains(name, "@"):
			out.Digests = append(out.Digests, name)
		default:
			out.Tags = append(out.Tags, name)
		}
	}
	for v := range ir.config.Config.Volumes {
		out.Volumes = append(out.Volumes, v)
	}
	slices.Sort(out.Volumes)
	return out
}

// findRecord finds an image by any of its names or its ID.
func (r *Runtime) findRecord(ctx context.Context, ref string) (*imageRecord, error) {
	list, err := r.listImages(ctx)
	if err != nil {
		return nil, err
	}
	id := ref
	if !strings.HasPrefix(id, "sha256:") {
		id = "sha256:" + id
	}
	var full string
	if named, err := normalise(ref); err == nil {
		full = named.String()
	}
	for _, ir := range list {
		if ir.id == id || slices.Contains(ir.names, ref) || full != "" && slices.Contains(ir.names, full) {
			return ir, nil
		}
	}
	return nil, fmt.Errorf("image %q: %w", ref, kubelet.ErrImageNotFound)
}

// findImage is findRecord for a container: the image is also unpacked.
func (r *Runtime) findImage(ctx context.Context, ref string) (*image, error) {
	ir, err := r.findRecord(ctx, ref)
	if err != nil {
		return nil, err
	}
	if _, err := r.stores.snapshotter.Stat(ctx, ir.chainID.String()); errdefs.IsNotFound(err) {
		if err := r.unpack(ctx, ir.image); err != nil {
			return nil, fmt.Errorf("unpack image %q: %w", ref, err)
		}
	} else if err != nil {
		return nil, err
	}
	return ir.image, nil
}

// ImageStatus implements kubelet.Images.
func (r *Runtime) ImageStatus(ctx context.Context, ref string) (kubelet.Image, error) {
	ir, err := r.findRecord(scope(ctx), ref)
	if err != nil {
		return kubelet.Image{}, err
	}
	return ir.view(), nil
}

// ListImages implements kubelet.Images.
func (r *Runtime) ListImages(ctx context.Context) ([]kubelet.Image, error) {
	list, err := r.listImages(scope(ctx))
	if err != nil {
		return nil, err
	}
	out := make([]kubelet.Image, 0, len(list))
	for _, ir := range list {
		out = append(out, ir.view())
	}
	return out, nil
}

// RemoveImage implements kubelet.Images. Containers made of the image go on.
func (r *Runtime) RemoveImage(ctx context.Context, ref string) error {
	ctx = scope(ctx)
	ir, err := r.findRecord(ctx, ref)
	if errors.Is(err, kubelet.ErrImageNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range ir.names {
		if err := r.stores.images.Delete(ctx, name); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("remove image %s: %w", name, err)
		}
	}
	r.images.mu.Lock()
	delete(r.images.known, ir.target.Digest)
	r.images.mu.Unlock()
	r.users.forget(ir.id)
	if err := r.stores.collectNow(ctx); err != nil {
		return fmt.Errorf("remove the content of image %s: %w", ref, err)
	}
	return nil
}

// PinImage marks an image as one that is never to be collected.
func (r *Runtime) PinImage(ctx context.Context, ref string) error {
	ctx = scope(ctx)
	ir, err := r.findRecord(ctx, ref)
	if err != nil {
		return err
	}
	for _, name := range ir.names {
		rec := images.Image{Name: name, Labels: map[string]string{pinnedLabel: "pinned"}}
		if _, err := r.stores.images.Update(ctx, rec, "labels."+pinnedLabel); err != nil {
			return fmt.Errorf("pin image %s: %w", name, err)
		}
	}
	return nil
}
