package kubelet

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/distribution/reference"
)

// canonical is an image reference with its registry and tag spelt out, as
// runtimes name images.
func canonical(image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", err
	}
	return reference.TagNameOnly(named).String(), nil
}

// ensureImage makes a container's image present. It returns why the container
// waits, and until when, if it could not.
func (w *worker) ensureImage(ctx context.Context, pod *corev1.Pod, c *corev1.Container) (Image, *waitReason, time.Time, error) {
	refuse := func(reason, message string, retry time.Duration) (Image, *waitReason, time.Time, error) {
		return Image{}, &waitReason{reason, message}, time.Now().Add(retry), nil
	}
	ref, err := canonical(c.Image)
	if err != nil {
		message := fmt.Sprintf("Failed to apply default image tag %q: couldn't parse image name %q: %v", c.Image, c.Image, err)
		w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "InspectFailed", "%s", message)
		w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "Failed", "Error: InvalidImageName")
		return refuse("InvalidImageName", message, retryDelay)
	}
	if pullPolicy(c) != corev1.PullAlways {
		image, err := w.k.runtime.ImageStatus(ctx, ref)
		switch {
		case err == nil:
			w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "Pulled",
				"Container image %q already present on machine and can be accessed by the pod", c.Image)
			return image, nil, time.Time{}, nil
		case !errors.Is(err, ErrImageNotFound):
			if ctx.Err() != nil {
				return Image{}, nil, time.Time{}, ctx.Err()
			}
			message := fmt.Sprintf("Failed to inspect image %q: %v", c.Image, err)
			w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "InspectFailed", "%s", message)
			return refuse("ImageInspectError", message, retryDelay)
		case pullPolicy(c) == corev1.PullNever:
			message := fmt.Sprintf("Container image %q is not present with pull policy of Never", c.Image)
			w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "ErrImageNeverPull", "%s", message)
			w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "Failed", "Error: ErrImageNeverPull")
			return refuse("ErrImageNeverPull", message, retryDelay)
		}
	}

	if failed, ok := w.pullAt[c.Image]; ok {
		if until, _ := w.pulls.until(c.Image, failed); until.After(time.Now()) {
			message := fmt.Sprintf("Back-off pulling image %q", c.Image)
			w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "BackOff", "%s", message)
			w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "Failed", "Error: ImagePullBackOff")
			return refuse("ImagePullBackOff", message+": "+w.pullErrs[c.Image], time.Until(until))
		}
	}
	return w.pullImage(ctx, pod, c, ref)
}

// pullImage pulls, and tells of it.
func (w *worker) pullImage(ctx context.Context, pod *corev1.Pod, c *corev1.Container, ref string) (Image, *waitReason, time.Time, error) {
	w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "Pulling", "Pulling image %q", c.Image)
	begin := time.Now()
	var image Image
	var err error
	for _, auth := range w.credentials(ctx, pod, ref) {
		if image, err = w.k.runtime.PullImage(ctx, ref, auth); err == nil || ctx.Err() != nil {
			break
		}
	}
	took := time.Since(begin).Truncate(time.Millisecond)
	switch {
	case ctx.Err() != nil:
		return Image{}, nil, time.Time{}, ctx.Err()
	case err != nil:
		now := time.Now()
		w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "Failed", "Failed to pull image %q: %v", c.Image, err)
		w.containerEvent(pod, c.Name, corev1.EventTypeWarning, "Failed", "Error: ErrImagePull")
		w.pulls.next(c.Image, w.pullAt[c.Image], now)
		w.pullAt[c.Image], w.pullErrs[c.Image] = now, "ErrImagePull: "+err.Error()
		// Soon after, the state becomes ImagePullBackOff.
		return Image{}, &waitReason{"ErrImagePull", err.Error()}, now.Add(2 * time.Second), nil
	}
	delete(w.pullAt, c.Image)
	delete(w.pullErrs, c.Image)
	delete(w.pulls, c.Image)
	w.containerEvent(pod, c.Name, corev1.EventTypeNormal, "Pulled",
		"Successfully pulled image %q in %v (%v including waiting). Image size: %v bytes.", c.Image, took, took, image.Size)
	return image, nil, time.Time{}, nil
}

// pullPolicy is a container's pull policy, by default that of its tag.
func pullPolicy(c *corev1.Container) corev1.PullPolicy {
	if c.ImagePullPolicy != "" {
		return c.ImagePullPolicy
	}
	named, err := reference.ParseNormalizedNamed(c.Image)
	if err != nil {
		return corev1.PullIfNotPresent
	}
	tagged, ok := reference.TagNameOnly(named).(reference.Tagged)
	if _, pinned := named.(reference.Digested); ok && !pinned && tagged.Tag() == "latest" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

// credentials are what to try for an image, in order; nil is no credentials.
func (w *worker) credentials(ctx context.Context, pod *corev1.Pod, ref string) []*RegistryAuth {
	var auths []*RegistryAuth
	var missing []string
	for _, name := range pod.Spec.ImagePullSecrets {
		secret, err := podReferences{w.k, w.uid}.getSecret(ctx, pod.Namespace, name.Name)
		if err != nil {
			missing = append(missing, name.Name)
			continue
		}
		auths = append(auths, secretAuths(secret, ref)...)
	}
	if len(missing) > 0 {
		w.event(pod, corev1.EventTypeWarning, "FailedToRetrieveImagePullSecret",
			"Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.", strings.Join(missing, ", "))
	}
	if len(auths) == 0 {
		return []*RegistryAuth{nil}
	}
	return auths
}

// dockerAuth is an entry of a docker configuration.
type dockerAuth struct {
	Username      string `json:"username"`
	Password      string `json:"password"`
	Auth          string `json:"auth"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// secretAuths finds the credentials of a secret that are for an image.
func secretAuths(secret *corev1.Secret, ref string) []*RegistryAuth {
	entries := make(map[string]dockerAuth)
	switch secret.Type {
	case corev1.SecretTypeDockerConfigJson:
		config := struct {
			Auths map[string]dockerAuth `json:"auths"`
		}{}
		if json.Unmarshal(secret.Data[corev1.DockerConfigJsonKey], &config) == nil {
			entries = config.Auths
		}
	case corev1.SecretTypeDockercfg:
		if json.Unmarshal(secret.Data[corev1.DockerConfigKey], &entries) != nil {
			return nil
		}
	}
	var auths []*RegistryAuth
	for registry, e := range entries {
		if !registryMatches(registry, ref) {
			continue
		}
		if e.Username == "" && e.Auth != "" {
			if plain, err := base64.StdEncoding.DecodeString(e.Auth); err == nil {
				e.Username, e.Password, _ = strings.Cut(string(plain), ":")
			}
		}
		auths = append(auths, &RegistryAuth{
			Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken,
		})
	}
	return auths
}

// registryMatches reports whether credentials for a registry, named as docker
// configurations do, are for an image.
func registryMatches(registry, ref string) bool {
	registry = strings.TrimPrefix(strings.TrimPrefix(registry, "https://"), "http://")
	host, path, _ := strings.Cut(strings.TrimSuffix(registry, "/"), "/")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io"
	}
	if path == "v1" || path == "v2" {
		path = ""
	}
	imageHost, imagePath, _ := strings.Cut(ref, "/")
	if glob, ok := strings.CutPrefix(host, "*."); ok {
		_, parent, _ := strings.Cut(imageHost, ".")
		host, imageHost = glob, parent
	}
	return host == imageHost && (path == "" || imagePath == path || strings.HasPrefix(imagePath, path+"/"))
}
