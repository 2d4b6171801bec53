package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/kubelet/probe"
)

// execLimit bounds the output kept of a probe's or a hook's command, in bytes.
const execLimit = 10 << 10

// hook runs a lifecycle hook of a container.
func (w *worker) hook(ctx context.Context, pod *corev1.Pod, c *corev1.Container, containerID string, h *corev1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		output, err := w.k.execOutput(ctx, containerID, h.Exec.Command)
		if err != nil {
			return fmt.Errorf("exec lifecycle hook (%v) failed: %w, output: %q", h.Exec.Command, err, output)
		}
		return nil
	case h.Sleep != nil:
		err := sleep(ctx, time.Duration(h.Sleep.Seconds)*time.Second)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil // as long as the grace period allowed
		}
		return err
	}
	if p, ok := w.k.runtime.(Prober); ok {
		return p.Probe(ctx, containerID, ProbeRequest{Handler: corev1.ProbeHandler{HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket}})
	}
	target := probe.Target{Container: c}
	if sandboxes := w.k.observer.pod(w.uid); len(sandboxes) > 0 {
		if ips := w.ips[sandboxes[0].ID]; len(ips) > 0 {
			target.IP = ips[0]
		}
	}
	switch {
	case h.HTTPGet != nil:
		req, err := probe.Request(ctx, h.HTTPGet, target, "kube-lifecycle/1.37")
		if err != nil {
			return err
		}
		_, err = probe.Do(req)
		return err
	case h.TCPSocket != nil:
		return probe.Run(ctx, corev1.ProbeHandler{TCPSocket: h.TCPSocket}, target)
	}
	return fmt.Errorf("invalid handler of pod %s: none is set", podKey(pod))
}

// execOutput runs a command in a container and returns the beginning of what
// it wrote.
func (k *Kubelet) execOutput(ctx context.Context, containerID string, command []string) (string, error) {
	execer, ok := k.runtime.(Execer)
	if !ok {
		return "", errors.New("this node's runtime cannot run commands in containers")
	}
	var out limitedBuffer
	err := execer.Exec(ctx, containerID, command, Streams{Stdout: &out, Stderr: &out})
	return out.String(), err
}

// limitedBuffer keeps the first execLimit bytes. Both streams of a command may
// write to it at once.
type limitedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p[:min(len(p), execLimit-b.buf.Len())])
	return len(p), nil
}

func (b *limitedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
