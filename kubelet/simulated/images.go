package simulated

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// PullImage implements kubelet.Images.
func (r *Runtime) PullImage(ctx context.Context, ref string, auth *kubelet.RegistryAuth) (kubelet.Image, error) {
	var pull Pull
	if r.cfg.Pull != nil {
		pull = r.cfg.Pull(ref, auth)
	}
	if pull.Time > 0 {
		wait := time.NewTimer(pull.Time)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			return kubelet.Image{}, ctx.Err()
		}
	}
	if pull.Err != nil {
		return kubelet.Image{}, pull.Err
	}
	if pull.Size == 0 {
		pull.Size = 10_000_000
	}
	name := withTag(ref)
	sum := sha256.Sum256([]byte(name))
	digest := "sha256:" + hex.EncodeToString(sum[:])
	repository := name
	if i := strings.LastIndexAny(name, ":@"); i > strings.LastIndex(name, "/") {
		repository = name[:i]
	}
	image := kubelet.Image{
		ID: digest, Digests: []string{repository + "@" + digest}, Size: pull.Size, User: pull.User,
	}
	if at := strings.Index(name, "@"); at >= 0 {
		image.Digests = []string{name}
	} else {
		image.Tags = []string{name}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.images[name] = image
	return image, nil
}

// ImageStatus implements kubelet.Images.
func (r *Runtime) ImageStatus(ctx context.Context, ref string) (kubelet.Image, error) {
	if err := ctx.Err(); err != nil {
		return kubelet.Image{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if image, ok := r.images[withTag(ref)]; ok {
		return image, nil
	}
	for _, image := range r.images {
		if image.ID == ref || slices.Contains(image.Digests, ref) {
			return image, nil
		}
	}
	return kubelet.Image{}, kubelet.ErrImageNotFound
}

// ListImages implements kubelet.Images.
func (r *Runtime) ListImages(ctx context.Context) ([]kubelet.Image, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]kubelet.Image, 0, len(r.images))
	for _, image := range r.images {
		list = append(list, image)
	}
	slices.SortFunc(list, func(a, b kubelet.Image) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// RemoveImage implements kubelet.Images.
func (r *Runtime) RemoveImage(ctx context.Context, imageID string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, image := range r.images {
		if image.ID == imageID || name == withTag(imageID) {
			delete(r.images, name)
		}
	}
	return nil
}

// withTag adds the tag that a reference without one means.
func withTag(ref string) string {
	if strings.Contains(ref, "@") || strings.LastIndex(ref, ":") > strings.LastIndex(ref, "/") {
		return ref
	}
	return ref + ":latest"
}
