package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/kubelet/volume"
)

// The delays between tries to set up volumes.
const (
	volumeRetryFirst = 500 * time.Millisecond
	volumeRetryMax   = 2*time.Minute + 2*time.Second
)

// token is a service account token of a pod.
type token struct {
	value   string
	refresh time.Time
}

// prepare makes what a pod needs before its sandbox: its cgroup and its
// volumes. It returns when to try again if it could not.
func (w *worker) prepare(ctx context.Context, pod *corev1.Pod) (time.Time, error) {
	if !w.k.simulated() {
		if err := w.k.cgroups.Make(podCgroup(pod)); err != nil {
			w.event(pod, corev1.EventTypeWarning, "FailedCreatePodContainer", "unable to ensure pod container exists: %v", err)
			return time.Time{}, err
		}
		if err := os.MkdirAll(w.k.files.podDir(string(pod.UID)), 0o750); err != nil {
			return time.Time{}, err
		}
	}
	if err := w.setUpVolumes(ctx, pod); err != nil {
		delay := min(volumeRetryFirst<<min(w.retries, 10), volumeRetryMax)
		w.retries++
		w.prepareAt = time.Now().Add(delay)
		return w.prepareAt, err
	}
	w.ready, w.retries = true, 0
	return time.Time{}, nil
}

// setUpVolumes makes all volumes of a pod, or brings those up to date that
// show what may have changed.
func (w *worker) setUpVolumes(ctx context.Context, pod *corev1.Pod) error {
	used := usedVolumes(pod)
	paths := make(map[string]string)
	var errs []error
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if !used[v.Name] {
			continue
		}
		path, err := w.setUp(ctx, pod, v)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			err = fmt.Errorf("MountVolume.SetUp failed for volume %q : %w", v.Name, err)
			w.event(pod, corev1.EventTypeWarning, "FailedMount", "%v", err)
			errs = append(errs, err)
		}
		paths[v.Name] = path
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	w.volumes = paths
	return nil
}

// usedVolumes are the volumes that containers mount.
func usedVolumes(pod *corev1.Pod) map[string]bool {
	used := make(map[string]bool)
	eachContainer(pod, func(c *corev1.Container) {
		for i := range c.VolumeMounts {
			used[c.VolumeMounts[i].Name] = true
		}
	})
	return used
}

// setUp makes one volume and returns where it is on the node.
func (w *worker) setUp(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (string, error) {
	simulated := w.k.simulated()
	dir := func(plugin string) string {
		return filepath.Join(w.k.files.podDir(string(pod.UID)), "volumes", "kubernetes.io~"+plugin, v.Name)
	}
	switch s := v.VolumeSource; {
	case s.EmptyDir != nil:
		if simulated {
			return "", nil
		}
		return dir("empty-dir"), emptyDir(dir("empty-dir"), s.EmptyDir, fsGroup(pod))
	case s.HostPath != nil:
		if simulated {
			return s.HostPath.Path, nil
		}
		return s.HostPath.Path, volume.HostPath(s.HostPath.Path, s.HostPath.Type)
	case s.PersistentVolumeClaim != nil:
		return w.claim(ctx, pod, s.PersistentVolumeClaim.ClaimName)
	case s.Ephemeral != nil:
		return w.claim(ctx, pod, pod.Name+"-"+v.Name)
	case s.ConfigMap != nil || s.Secret != nil || s.DownwardAPI != nil || s.Projected != nil:
		payload, plugin, err := w.payload(ctx, pod, v)
		if err != nil || simulated {
			return "", err
		}
		return dir(plugin), volume.Write(dir(plugin), payload, fsGroup(pod))
	}
	return "", errors.New("this node does not support volumes of this type; it has emptyDir, hostPath, configMap, secret, downwardAPI, projected, and claims of hostPath and local volumes")
}

// fsGroup is the group that owns a pod's volumes, if any.
func fsGroup(pod *corev1.Pod) *int64 {
	if pod.Spec.SecurityContext == nil {
		return nil
	}
	return pod.Spec.SecurityContext.FSGroup
}

func emptyDir(dir string, s *corev1.EmptyDirVolumeSource, group *int64) error {
	_, err := os.Stat(dir)
	fresh := os.IsNotExist(err)
	switch s.Medium {
	case corev1.StorageMediumDefault:
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	case corev1.StorageMediumMemory:
		size := int64(0)
		if s.SizeLimit != nil {
			size = s.SizeLimit.Value()
		}
		if err := volume.Tmpfs(dir, size); err != nil {
			return err
		}
	default:
		return fmt.Errorf("emptyDir medium %q is not supported on this node", s.Medium)
	}
	if !fresh {
		return nil
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask is
		return err
	}
	if group != nil {
		return volume.Own(dir, *group)
	}
	return nil
}

// claim returns where the volume of a claim is.
func (w *worker) claim(ctx context.Context, pod *corev1.Pod, name string) (string, error) {
	core := w.k.cfg.Client.CoreV1()
	claim, err := core.PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if claim.Status.Phase != corev1.ClaimBound || claim.Spec.VolumeName == "" {
		return "", fmt.Errorf("PVC %s/%s is not bound", pod.Namespace, name)
	}
	pv, err := core.PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	switch {
	case w.k.simulated():
		return "", nil
	case pv.Spec.HostPath != nil:
		return pv.Spec.HostPath.Path, volume.HostPath(pv.Spec.HostPath.Path, pv.Spec.HostPath.Type)
	case pv.Spec.Local != nil:
		return pv.Spec.Local.Path, volume.HostPath(pv.Spec.Local.Path, new(corev1.HostPathDirectory))
	}
	return "", fmt.Errorf("persistent volume %s is of a type that this node does not support; it has hostPath and local", pv.Name)
}

// payload works out the files of a volume of configuration, and the name of
// its plugin.
func (w *worker) payload(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (volume.Payload, string, error) {
	switch s := v.VolumeSource; {
	case s.ConfigMap != nil:
		p, err := w.configMap(ctx, pod, s.ConfigMap.Name, s.ConfigMap.Items, modeOr(s.ConfigMap.DefaultMode), s.ConfigMap.Optional)
		return p, "configmap", err
	case s.Secret != nil:
		p, err := w.secret(ctx, pod, s.Secret.SecretName, s.Secret.Items, modeOr(s.Secret.DefaultMode), s.Secret.Optional)
		return p, "secret", err
	case s.DownwardAPI != nil:
		p, err := w.downward(pod, s.DownwardAPI.Items, modeOr(s.DownwardAPI.DefaultMode))
		return p, "downward-api", err
	}
	p, err := w.projected(ctx, pod, v)
	return p, "projected", err
}

func modeOr(mode *int32) int32 {
	if mode == nil {
		return 0o644
	}
	return *mode
}

func isSet(flag *bool) bool { return flag != nil && *flag }

func (w *worker) configMap(ctx context.Context, pod *corev1.Pod, name string, items []corev1.KeyToPath, mode int32, optional *bool) (volume.Payload, error) {
	object, err := podReferences{w.k, w.uid}.getConfigMap(ctx, pod.Namespace, name)
	if apierrors.IsNotFound(err) {
		if isSet(optional) {
			return volume.Payload{}, nil
		}
		return nil, fmt.Errorf("configmap %q not found", name)
	}
	if err != nil {
		return nil, err
	}
	return volume.Keys("config", volume.ConfigMapData(object), items, mode, isSet(optional))
}

func (w *worker) secret(ctx context.Context, pod *corev1.Pod, name string, items []corev1.KeyToPath, mode int32, optional *bool) (volume.Payload, error) {
	object, err := podReferences{w.k, w.uid}.getSecret(ctx, pod.Namespace, name)
	if apierrors.IsNotFound(err) {
		if isSet(optional) {
			return volume.Payload{}, nil
		}
		return nil, fmt.Errorf("secret %q not found", name)
	}
	if err != nil {
		return nil, err
	}
	return volume.Keys("secret", object.Data, items, mode, isSet(optional))
}

func (w *worker) downward(pod *corev1.Pod, items []corev1.DownwardAPIVolumeFile, mode int32) (volume.Payload, error) {
	payload := make(volume.Payload)
	for i := range items {
		item := &items[i]
		file := volume.File{Mode: mode}
		if item.Mode != nil {
			file.Mode = *item.Mode
		}
		var value string
		var err error
		switch {
		case item.FieldRef != nil:
			value, err = podField(pod, item.FieldRef.FieldPath, nil, nodeFacts{name: w.k.cfg.NodeName, hostIPs: w.k.hostIPs})
		case item.ResourceFieldRef != nil:
			c := findContainer(pod, item.ResourceFieldRef.ContainerName)
			if c == nil {
				return nil, fmt.Errorf("container %q not found", item.ResourceFieldRef.ContainerName)
			}
			value, err = resourceField(item.ResourceFieldRef, c, w.k.machine.allocatable)
		}
		if err != nil {
			return nil, err
		}
		file.Data = []byte(value)
		if err := payload.Add(item.Path, file); err != nil {
			return nil, err
		}
	}
	return payload, nil
}

func (w *worker) projected(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) (volume.Payload, error) {
	mode := modeOr(v.Projected.DefaultMode)
	payload := make(volume.Payload)
	for i := range v.Projected.Sources {
		var part volume.Payload
		var err error
		switch s := &v.Projected.Sources[i]; {
		case s.ConfigMap != nil:
			part, err = w.configMap(ctx, pod, s.ConfigMap.Name, s.ConfigMap.Items, mode, s.ConfigMap.Optional)
		case s.Secret != nil:
			part, err = w.secret(ctx, pod, s.Secret.Name, s.Secret.Items, mode, s.Secret.Optional)
		case s.DownwardAPI != nil:
			part, err = w.downward(pod, s.DownwardAPI.Items, mode)
		case s.ServiceAccountToken != nil:
			part, err = w.token(ctx, pod, s.ServiceAccountToken, mode)
		default:
			err = fmt.Errorf("source %d of the projected volume is of a type that this node does not support", i)
		}
		if err != nil {
			return nil, err
		}
		payload.Merge(part)
	}
	return payload, nil
}

// token is the payload with a token of the pod's service account. It is asked
// for anew when four fifths of its life have passed.
func (w *worker) token(ctx context.Context, pod *corev1.Pod, s *corev1.ServiceAccountTokenProjection, mode int32) (volume.Payload, error) {
	if w.k.simulated() {
		return nil, nil
	}
	seconds := int64(3600)
	if s.ExpirationSeconds != nil {
		seconds = *s.ExpirationSeconds
	}
	key := fmt.Sprintf("%s %d", s.Audience, seconds)
	have, ok := w.tokens[key]
	if !ok || !time.Now().Before(have.refresh) {
		request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: &seconds,
			BoundObjectRef:    &authenticationv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
		}}
		if s.Audience != "" {
			request.Spec.Audiences = []string{s.Audience}
		}
		begin := time.Now()
		answer, err := w.k.cfg.Client.CoreV1().ServiceAccounts(pod.Namespace).CreateToken(ctx, pod.Spec.ServiceAccountName, request, metav1.CreateOptions{})
		if err != nil {
			return nil, fmt.Errorf("failed to fetch token: %w", err)
		}
		life := answer.Status.ExpirationTimestamp.Sub(begin)
		have = token{answer.Status.Token, begin.Add(min(life*4/5, 24*time.Hour))}
		w.tokens[key] = have
	}
	file := volume.File{Data: []byte(have.value), Mode: mode}
	if fsGroup(pod) != nil {
		file.Mode = 0o600 // Write lets the group read it
	} else if user := onlyUser(pod); user != nil {
		file.Mode, file.Owner = 0o600, user
	}
	payload := make(volume.Payload)
	return payload, payload.Add(s.Path, file)
}

// onlyUser is the user that all containers of a pod run as, if it is known.
func onlyUser(pod *corev1.Pod) *int64 {
	var user *int64
	same := true
	eachContainer(pod, func(c *corev1.Container) {
		var own *int64
		if pod.Spec.SecurityContext != nil {
			own = pod.Spec.SecurityContext.RunAsUser
		}
		if c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
			own = c.SecurityContext.RunAsUser
		}
		if own == nil || user != nil && *user != *own {
			same = false
			return
		}
		user = own
	})
	if !same {
		return nil
	}
	return user
}

// cleanup removes what prepare made.
func (w *worker) cleanup(_ context.Context, pod *corev1.Pod) error {
	w.ready = false
	if w.k.simulated() {
		return nil
	}
	w.k.objects.release(w.uid)
	if err := volume.Remove(w.k.files.podDir(string(pod.UID))); err != nil {
		return err
	}
	return w.k.cgroups.Remove(podCgroup(pod))
}
