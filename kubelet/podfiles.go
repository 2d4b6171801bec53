package kubelet

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	securejoin "github.com/cyphar/filepath-securejoin"
	corev1 "k8s.io/api/core/v1"
)

// podFiles keeps what pods have on disk. On a simulated node root and logs are
// empty, and nothing is written.
type podFiles struct {
	root, logs string
}

// podDir is the directory of a pod's volumes and files.
func (f *podFiles) podDir(uid string) string { return filepath.Join(f.root, "pods", uid) }

// logDir is the directory of a pod's logs.
func (f *podFiles) logDir(pod *corev1.Pod) string {
	if f.logs == "" {
		return ""
	}
	return filepath.Join(f.logs, fmt.Sprintf("%s_%s_%s", pod.Namespace, pod.Name, pod.UID))
}

// makeLogDir makes the directory of a log file.
func (f *podFiles) makeLogDir(logPath string) error {
	return os.MkdirAll(filepath.Dir(logPath), 0o755)
}

// removeLogs removes a pod's logs.
func (f *podFiles) removeLogs(pod *corev1.Pod) error {
	if f.logs == "" {
		return nil
	}
	return os.RemoveAll(f.logDir(pod))
}

// mounts are a container's volume mounts. volumes are the places of the pod's
// volumes on the node.
func (f *podFiles) mounts(pod *corev1.Pod, c *corev1.Container, volumes map[string]string, lookup func(string) (string, bool)) ([]Mount, error) {
	if f.root == "" {
		return nil, nil
	}
	var mounts []Mount
	for i := range c.VolumeMounts {
		vm := &c.VolumeMounts[i]
		host, ok := volumes[vm.Name]
		if !ok {
			return nil, fmt.Errorf("cannot find volume %q to mount into container %q", vm.Name, c.Name)
		}
		sub := vm.SubPath
		if vm.SubPathExpr != "" {
			sub = expand(vm.SubPathExpr, lookup)
			if strings.Contains(sub, "$(") {
				return nil, fmt.Errorf("subPathExpr %q of volume %q refers to a variable that is not set", vm.SubPathExpr, vm.Name)
			}
		}
		if sub != "" {
			if path.IsAbs(sub) {
				return nil, fmt.Errorf("error SubPath %q must not be an absolute path", sub)
			}
			resolved, err := subPath(host, sub, vm.ReadOnly)
			if err != nil {
				return nil, fmt.Errorf("failed to prepare subPath for volumeMount %q of container %q: %w", vm.Name, c.Name, err)
			}
			host = resolved
		}
		target := vm.MountPath
		if !path.IsAbs(target) {
			target = "/" + target
		}
		mount := Mount{HostPath: host, ContainerPath: target, ReadOnly: vm.ReadOnly || readOnlyVolume(pod, vm.Name)}
		if vm.MountPropagation != nil && *vm.MountPropagation != corev1.MountPropagationNone {
			mount.Propagation = string(*vm.MountPropagation)
		}
		mounts = append(mounts, mount)
	}
	return mounts, nil
}

// readOnlyVolume reports whether a volume shows configuration, which
// containers may not write to.
func readOnlyVolume(pod *corev1.Pod, name string) bool {
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.Name == name {
			return v.ConfigMap != nil || v.Secret != nil || v.DownwardAPI != nil || v.Projected != nil ||
				v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ReadOnly
		}
	}
	return false
}

// subPath resolves a path within a volume, links included, so that it cannot
// lead out of it. What does not exist is made as a directory.
func subPath(volume, sub string, readOnly bool) (string, error) {
	resolved, err := securejoin.SecureJoin(volume, sub)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(resolved); !os.IsNotExist(err) || readOnly {
		return resolved, err
	}
	info, err := os.Stat(volume)
	if err != nil {
		return "", err
	}
	return resolved, os.MkdirAll(resolved, info.Mode().Perm())
}

// messageFile is where a container may leave its last words.
func (f *podFiles) messageFile(uid, container string, attempt uint32) string {
	return filepath.Join(f.podDir(uid), "containers", container, strconv.Itoa(int(attempt)))
}

// networkMounts are the files of name resolution and the termination message,
// made for a container.
func (f *podFiles) networkMounts(pod *corev1.Pod, c *corev1.Container, attempt uint32, files map[string]string) ([]Mount, error) {
	if f.root == "" {
		return nil, nil
	}
	taken := make(map[string]bool)
	for i := range c.VolumeMounts {
		taken[path.Clean(c.VolumeMounts[i].MountPath)] = true
	}
	readOnly := c.SecurityContext != nil && isSet(c.SecurityContext.ReadOnlyRootFilesystem)
	var mounts []Mount
	for _, target := range []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf"} {
		text, ok := files[target]
		if !ok || taken[target] {
			continue
		}
		host := filepath.Join(f.podDir(string(pod.UID)), "etc-"+path.Base(target))
		// The file is written in place: containers of the pod that run see it.
		if err := os.WriteFile(host, []byte(text), 0o644); err != nil {
			return nil, err
		}
		mounts = append(mounts, Mount{HostPath: host, ContainerPath: target, ReadOnly: readOnly})
	}
	if c.TerminationMessagePath == "" || taken[path.Clean(c.TerminationMessagePath)] {
		return mounts, nil
	}
	message := f.messageFile(string(pod.UID), c.Name, attempt)
	if err := os.MkdirAll(filepath.Dir(message), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(message, nil, 0o666); err != nil {
		return nil, err
	}
	if err := os.Chmod(message, 0o666); err != nil { // whatever the umask is
		return nil, err
	}
	return append(mounts, Mount{HostPath: message, ContainerPath: c.TerminationMessagePath}), nil
}
