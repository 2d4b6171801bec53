package kubelet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

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

func (f *podFiles) mounts(pod *corev1.Pod, c *corev1.Container, attempt uint32, lookup func(string) (string, bool)) ([]Mount, error) {
	return nil, nil
}

func (f *podFiles) networkMounts(pod *corev1.Pod, c *corev1.Container, ips []string, host, domain string) ([]Mount, error) {
	return nil, nil
}

// prepare makes what a pod needs before its sandbox: volumes and cgroup.
func (w *worker) prepare(ctx context.Context, pod *corev1.Pod) (time.Time, error) {
	w.ready = true
	return time.Time{}, nil
}

// cleanup removes what prepare made.
func (w *worker) cleanup(ctx context.Context, pod *corev1.Pod) error {
	w.ready = false
	return nil
}
