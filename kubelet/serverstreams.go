package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
	"k8s.io/utils/exec"
)

// The time that a stream may be idle, and that a client has to open its parts.
const (
	streamIdleTimeout     = 4 * time.Hour
	streamCreationTimeout = 30 * time.Second
)

// runningContainer finds the running container that a request names; an error
// comes with its HTTP status.
func (k *Kubelet) runningContainer(r *http.Request) (Container, int, error) {
	name, container := r.PathValue("pod"), r.PathValue("container")
	pod, status, err := k.requestedPod(r)
	if err != nil {
		return Container{}, status, err
	}
	c := newest(k.observer.pod(pod.UID), container)
	if c == nil || c.State != StateRunning {
		return Container{}, http.StatusNotFound, fmt.Errorf("container not found (%q) or not running in pod %q", container, name)
	}
	return *c, 0, nil
}

// requestedPod finds the pod that a request names.
func (k *Kubelet) requestedPod(r *http.Request) (*corev1.Pod, int, error) {
	pod, ok := k.pods.get(r.PathValue("namespace"), r.PathValue("pod"))
	if !ok || r.PathValue("uid") != "" && r.PathValue("uid") != string(pod.UID) {
		return nil, http.StatusNotFound, fmt.Errorf("pod %q does not exist", r.PathValue("pod"))
	}
	return pod, 0, nil
}

// serveExec runs a command in a container, connected to the client's streams.
func (k *Kubelet) serveExec(w http.ResponseWriter, r *http.Request) {
	execer, ok := k.runtime.(Execer)
	if !ok {
		http.Error(w, "this node's runtime cannot run commands in containers", http.StatusNotImplemented)
		return
	}
	command := r.URL.Query()["command"]
	if len(command) == 0 {
		http.Error(w, "you must specify at least one command", http.StatusBadRequest)
		return
	}
	k.serveRemote(w, r, func(ctx context.Context, c Container, s Streams) error {
		return execer.Exec(ctx, c.ID, command, s)
	})
}

// serveAttach connects the client's streams to a container's process.
func (k *Kubelet) serveAttach(w http.ResponseWriter, r *http.Request) {
	attacher, ok := k.runtime.(Attacher)
	if !ok {
		http.Error(w, "this node's runtime cannot attach to containers", http.StatusNotImplemented)
		return
	}
	k.serveRemote(w, r, func(ctx context.Context, c Container, s Streams) error {
		return attacher.Attach(ctx, c.ID, s)
	})
}

// serveRun runs a command without a terminal and answers with what it wrote.
func (k *Kubelet) serveRun(w http.ResponseWriter, r *http.Request) {
	c, status, err := k.runningContainer(r)
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	output, err := k.execOutput(r.Context(), c.ID, r.URL.Query()["cmd"])
	if err != nil {
		http.Error(w, output+err.Error(), http.StatusInternalServerError)
		return
	}
	io.WriteString(w, output)
}

// serveRemote opens the streams a client wants, by WebSocket or SPDY, and runs
// something on them.
func (k *Kubelet) serveRemote(w http.ResponseWriter, r *http.Request, run func(context.Context, Container, Streams) error) {
	c, status, err := k.runningContainer(r)
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	opts, err := remotecommand.NewOptions(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if wsstream.IsWebSocketRequest(r) {
		serveWebSocket(w, r, opts, func(ctx context.Context, s Streams) error { return run(ctx, c, s) })
		return
	}
	remotecommand.ServeExec(w, r, remoteRun{func(ctx context.Context, s Streams) error { return run(ctx, c, s) }},
		r.PathValue("pod"), r.PathValue("uid"), c.Name, nil, opts,
		streamIdleTimeout, streamCreationTimeout, remotecommand.SupportedStreamingProtocols)
}

// remoteRun is a remotecommand.Executor.
type remoteRun struct {
	run func(context.Context, Streams) error
}

// ExecInContainer implements remotecommand.Executor.
func (r remoteRun) ExecInContainer(ctx context.Context, _, _, _ string, _ []string, in io.Reader, out, errOut io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, _ time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := Streams{TTY: tty, Resize: sizes(ctx, resize)}
	if in != nil {
		s.Stdin = in
	}
	if out != nil {
		s.Stdout = out
	}
	if errOut != nil {
		s.Stderr = errOut
	}
	err := r.run(ctx, s)
	var code *ExitError
	if errors.As(err, &code) {
		return exec.CodeExitError{Err: err, Code: code.Code}
	}
	return err
}

// sizes translates terminal sizes.
func sizes(ctx context.Context, in <-chan remotecommand.TerminalSize) <-chan TerminalSize {
	if in == nil {
		return nil
	}
	out := make(chan TerminalSize)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case size, ok := <-in:
				if !ok {
					return
				}
				select {
				case out <- TerminalSize{Width: size.Width, Height: size.Height}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// servePortForward connects the client's streams to ports of a pod.
func (k *Kubelet) servePortForward(w http.ResponseWriter, r *http.Request) {
	forwarder, ok := k.runtime.(PortForwarder)
	if !ok {
		http.Error(w, "this node's runtime cannot forward ports", http.StatusNotImplemented)
		return
	}
	pod, status, err := k.requestedPod(r)
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	sandboxes := k.observer.pod(pod.UID)
	if len(sandboxes) == 0 || sandboxes[0].State != StateRunning {
		http.Error(w, fmt.Sprintf("pod %q is not running", pod.Name), http.StatusNotFound)
		return
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		opts, err := portforward.NewV4Options(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		portforward.ServePortForward(w, r, portForward{forwarder, sandboxes[0].ID}, pod.Name, string(pod.UID), opts,
			streamIdleTimeout, streamCreationTimeout, portforward.SupportedProtocols)
	}
	if wsstream.IsWebSocketRequestWithTunnelingProtocol(r) {
		serveTunnel(w, r, serve)
		return
	}
	serve(w, r)
}

// portForward is a portforward.PortForwarder for one sandbox.
type portForward struct {
	forwarder PortForwarder
	sandboxID string
}

// PortForward implements portforward.PortForwarder.
func (p portForward) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	return p.forwarder.PortForward(ctx, p.sandboxID, uint16(port), stream)
}
