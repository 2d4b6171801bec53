//go:build linux

package containerd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/containerd/containerd/v2/core/leases"
	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/containerd/containerd/v2/pkg/rootfs"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/semaphore"

	"github.com/keelson-project/keelson/kubelet"
)

const (
	// gcRootLabel keeps a snapshot from being collected.
	gcRootLabel = "containerd.io/gc.root"
	// snapshotRefLabel, with the snapshotter's name, ties a snapshot to the
	// content it was unpacked from.
	snapshotRefLabel = "containerd.io/gc.ref.snapshot."

	// pullParallel is how many blobs of an image are fetched at a time.
	pullParallel = 3
	// leaseTime is how long content not yet tied to an image is kept, should
	// this process be killed meanwhile.
	leaseTime = 24 * time.Hour
)

// PullImage implements kubelet.Images.
func (r *Runtime) PullImage(ctx context.Context, ref string, auth *kubelet.RegistryAuth) (kubelet.Image, error) {
	ctx = scope(ctx)
	named, err := normalise(ref)
	if err != nil {
		return kubelet.Image{}, err
	}
	// Who asks for an image that is being pulled waits for it.
	defer r.locks.lock("pull/" + named.String())()
	img, err := r.pull(ctx, named, auth)
	if err != nil {
		return kubelet.Image{}, fmt.Errorf("failed to pull and unpack image %q: %w", named.String(), err)
	}
	return r.ImageStatus(ctx, img.id)
}

func (r *Runtime) pull(ctx context.Context, named reference.Named, auth *kubelet.RegistryAuth) (*image, error) {
	ctx, done, err := r.lease(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	resolver := docker.NewResolver(docker.ResolverOptions{Hosts: r.hosts(auth)})
	name, desc, err := resolver.Resolve(ctx, named.String())
	if err != nil {
		return nil, fmt.Errorf("failed to resolve reference %q: %w", named.String(), err)
	}
	fetcher, err := resolver.Fetcher(ctx, name)
	if err != nil {
		return nil, err
	}
	children := images.SetChildrenMappedLabels(r.stores.content, images.ChildrenHandler(r.stores.content), nil)
	children = images.LimitManifests(images.FilterPlatforms(children, platforms.Default()), platforms.Default(), 1)
	handler := images.Handlers(remotes.FetchHandler(r.stores.content, fetcher), children)
	if err := images.Dispatch(ctx, handler, semaphore.NewWeighted(pullParallel), desc); err != nil {
		return nil, err
	}
	return r.keep(ctx, desc, named)
}

// keep unpacks an image whose content is here and records it under its names.
func (r *Runtime) keep(ctx context.Context, target ocispec.Descriptor, names ...reference.Named) (*image, error) {
	img, err := r.loadImage(ctx, target)
	if err != nil {
		return nil, err
	}
	if err := r.unpack(ctx, img); err != nil {
		return nil, err
	}
	var all []string
	for _, n := range names {
		all = append(all, n.String())
		byDigest, err := reference.WithDigest(reference.TrimNamed(n), target.Digest)
		if err != nil {
			return nil, err
		}
		all = append(all, byDigest.String())
	}
	if len(all) == 0 {
		all = []string{img.id}
	}
	for _, name := range all {
		if err := r.record(ctx, images.Image{Name: name, Target: target}); err != nil {
			return nil, fmt.Errorf("record image %s: %w", name, err)
		}
	}
	return img, nil
}

// record sets what a name stands for.
func (r *Runtime) record(ctx context.Context, img images.Image) error {
	for {
		_, err := r.stores.images.Create(ctx, img)
		if !errdefs.IsAlreadyExists(err) {
			return err
		}
		_, err = r.stores.images.Update(ctx, img, "target")
		if !errdefs.IsNotFound(err) {
			return err
		}
	}
}

// unpack makes the snapshots of an image's layers.
func (r *Runtime) unpack(ctx context.Context, img *image) error {
	defer r.locks.lock("unpack/" + img.chainID.String())()
	diffIDs := img.config.RootFS.DiffIDs
	if len(diffIDs) != len(img.manifest.Layers) {
		return fmt.Errorf("the image has %d layers, but its configuration speaks of %d", len(img.manifest.Layers), len(diffIDs))
	}
	layers := make([]rootfs.Layer, len(diffIDs))
	for i, l := range img.manifest.Layers {
		layers[i] = rootfs.Layer{
			Diff: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: diffIDs[i]},
			Blob: l,
		}
	}
	ctx, done, err := r.lease(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, err := rootfs.ApplyLayers(ctx, layers, r.stores.snapshotter, r.stores.applier); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	key := snapshotRefLabel + r.stores.driver
	_, err = r.stores.content.Update(ctx, content.Info{
		Digest: img.manifest.Config.Digest,
		Labels: map[string]string{key: img.chainID.String()},
	}, "labels."+key)
	return err
}

// lease keeps content from being collected while it is being put together.
func (r *Runtime) lease(ctx context.Context) (context.Context, func(), error) {
	if _, ok := leases.FromContext(ctx); ok {
		return ctx, func() {}, nil
	}
	l, err := r.stores.leases.Create(ctx, leases.WithRandomID(), leases.WithExpiration(leaseTime))
	if err != nil {
		return nil, nil, err
	}
	done := func() {
		if err := r.stores.leases.Delete(context.WithoutCancel(ctx), l); err != nil && !errdefs.IsNotFound(err) {
			r.log.Warn("delete a lease", "lease", l.ID, "error", err)
		}
	}
	return leases.WithLease(ctx, l.ID), done, nil
}

// Import reads images from an archive as `docker save`, `podman save` and the
// like write it, in Docker's or OCI's layout, compressed or not.
func (r *Runtime) Import(ctx context.Context, archiveReader io.Reader) ([]kubelet.Image, error) {
	ctx = scope(ctx)
	ctx, done, err := r.lease(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	fail := func(err error) ([]kubelet.Image, error) { return nil, fmt.Errorf("import images: %w", err) }
	plain, err := compression.DecompressStream(archiveReader)
	if err != nil {
		return fail(err)
	}
	defer plain.Close()
	index, err := archive.ImportIndex(ctx, r.stores.content, plain)
	if err != nil {
		return fail(err)
	}
	roots, err := images.Children(ctx, r.stores.content, index)
	if err != nil {
		return fail(err)
	}
	if len(roots) == 0 {
		return fail(errors.New("there is no image in the archive"))
	}
	var out []kubelet.Image
	for _, desc := range roots {
		img, err := r.importOne(ctx, desc)
		if err != nil {
			return fail(err)
		}
		status, err := r.ImageStatus(ctx, img.id)
		if err != nil {
			return fail(err)
		}
		out = append(out, status)
	}
	return out, nil
}

func (r *Runtime) importOne(ctx context.Context, desc ocispec.Descriptor) (*image, error) {
	children := images.SetChildrenMappedLabels(r.stores.content, images.ChildrenHandler(r.stores.content), nil)
	children = images.LimitManifests(images.FilterPlatforms(children, platforms.Default()), platforms.Default(), 1)
	if err := images.Walk(ctx, children, desc); err != nil {
		return nil, err
	}
	var names []reference.Named
	name := desc.Annotations[images.AnnotationImageName]
	if name == "" {
		name = desc.Annotations[ocispec.AnnotationRefName]
	}
	if name != "" {
		named, err := normalise(name)
		if err != nil {
			return nil, err
		}
		names = append(names, named)
	}
	desc.Annotations = nil
	return r.keep(ctx, desc, names...)
}

// hosts says where the images of a registry are fetched from.
func (r *Runtime) hosts(auth *kubelet.RegistryAuth) docker.RegistryHosts {
	return func(host string) ([]docker.RegistryHost, error) {
		cfg := r.cfg.Registries[host]
		client, err := httpClient(cfg)
		if err != nil {
			return nil, fmt.Errorf("registry %s: %w", host, err)
		}
		opts := []docker.AuthorizerOpt{docker.WithAuthClient(client)}
		var header http.Header
		if auth != nil {
			switch {
			case auth.RegistryToken != "":
				header = http.Header{"Authorization": {"Bearer " + auth.RegistryToken}}
			case auth.IdentityToken != "":
				opts = append(opts, docker.WithAuthCreds(func(string) (string, string, error) { return "", auth.IdentityToken, nil }))
			case auth.Username != "" || auth.Password != "":
				opts = append(opts, docker.WithAuthCreds(func(string) (string, string, error) { return auth.Username, auth.Password, nil }))
			}
		}
		authorizer := docker.NewDockerAuthorizer(opts...)
		if len(cfg.Mirrors) == 0 {
			hosts, err := docker.ConfigureDefaultRegistries(
				docker.WithPlainHTTP(docker.MatchLocalhost),
				docker.WithClient(client),
				docker.WithAuthorizer(authorizer),
			)(host)
			for i := range hosts {
				hosts[i].Header = header
			}
			return hosts, err
		}
		var hosts []docker.RegistryHost
		for _, m := range cfg.Mirrors {
			if !strings.Contains(m, "://") {
				m = "https://" + m
			}
			u, err := url.Parse(m)
			if err != nil {
				return nil, fmt.Errorf("mirror of registry %s: %w", host, err)
			}
			hosts = append(hosts, docker.RegistryHost{
				Client:       client,
				Authorizer:   authorizer,
				Host:         u.Host,
				Scheme:       u.Scheme,
				Path:         path.Join("/", u.Path, "v2"),
				Capabilities: docker.HostCapabilityResolve | docker.HostCapabilityPull,
				Header:       header,
			})
		}
		return hosts, nil
	}
}

func httpClient(cfg Registry) (*http.Client, error) {
	tlsConfig := &tls.Config{InsecureSkipVerify: cfg.InsecureSkipVerify}
	if len(cfg.CA) > 0 {
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(cfg.CA) {
			return nil, errors.New("CA holds no certificate in PEM")
		}
		tlsConfig.RootCAs = pool
	}
	transport := docker.DefaultHTTPTransport(tlsConfig)
	transport.DisableKeepAlives = true // the client lives for one pull
	return &http.Client{Transport: transport}, nil
}
