package connect

import (
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Options implements registry.Admitted.
func (s *streams) Options(_ string, r *http.Request) runtime.Object {
	q := r.URL.Query()
	stdin, stdout, stderr, tty := isTrue(q.Get("stdin")), isTrue(q.Get("stdout")), isTrue(q.Get("stderr")), isTrue(q.Get("tty"))
	switch s.endpoint {
	case "exec":
		return &corev1.PodExecOptions{Stdin: stdin, Stdout: stdout, Stderr: stderr, TTY: tty, Container: q.Get("container"), Command: q["command"]}
	case "attach":
		return &corev1.PodAttachOptions{Stdin: stdin, Stdout: stdout, Stderr: stderr, TTY: tty, Container: q.Get("container")}
	}
	o := &corev1.PodPortForwardOptions{}
	for _, text := range q["ports"] {
		// What is no number the kubelet refuses.
		if port, err := strconv.ParseInt(text, 10, 32); err == nil {
			o.Ports = append(o.Ports, int32(port))
		}
	}
	return o
}

// Options implements registry.Admitted.
func (*podProxy) Options(path string, _ *http.Request) runtime.Object {
	return &corev1.PodProxyOptions{Path: path}
}

// Options implements registry.Admitted.
func (*serviceProxy) Options(path string, _ *http.Request) runtime.Object {
	return &corev1.ServiceProxyOptions{Path: path}
}

// Options implements registry.Admitted.
func (*nodeProxy) Options(path string, _ *http.Request) runtime.Object {
	return &corev1.NodeProxyOptions{Path: path}
}
