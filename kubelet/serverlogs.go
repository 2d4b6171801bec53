package kubelet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/kubelet/logs"
)

// serveLogs gives a container's log.
func (k *Kubelet) serveLogs(w http.ResponseWriter, r *http.Request) {
	opts, previous, err := logOptions(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	pod, c, status, err := k.findLog(r, previous)
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	out := &flushWriter{w: w}
	if opts.Follow {
		w.WriteHeader(http.StatusOK)
		out.flush()
	}
	err = k.streamLog(r.Context(), c, out, opts)
	if err == nil || out.begun || r.Context().Err() != nil {
		return
	}
	k.log.Info("a container's log could not be read", "pod", podKey(pod), "container", c.Name, "err", err)
	http.Error(w, err.Error(), http.StatusBadRequest)
}

// logOptions reads the query of a request for a log.
func logOptions(q url.Values, now time.Time) (opts logs.Options, previous bool, err error) {
	number := func(name string) *int64 {
		if q.Get(name) == "" || q.Get(name) == "all" {
			return nil
		}
		n, bad := strconv.ParseInt(q.Get(name), 10, 64)
		if bad != nil || n < 0 {
			err = fmt.Errorf("parameter %s=%q must be a number, zero or greater", name, q.Get(name))
		}
		return &n
	}
	flag := func(name string) bool { return q.Get(name) == "true" || q.Get(name) == "1" }
	opts = logs.Options{
		Follow: flag("follow"), Timestamps: flag("timestamps"),
		Tail: number("tailLines"), LimitBytes: number("limitBytes"),
	}
	if seconds := number("sinceSeconds"); seconds != nil {
		opts.Since = now.Add(-time.Duration(*seconds) * time.Second)
	}
	if text := q.Get("sinceTime"); text != "" {
		since, bad := time.Parse(time.RFC3339, text)
		if bad != nil {
			err = fmt.Errorf("parameter sinceTime=%q is no time of the form 2006-01-02T15:04:05Z", text)
		}
		opts.Since = since
	}
	switch stream := q.Get("stream"); stream {
	case "", corev1.LogStreamAll:
	case corev1.LogStreamStdout, corev1.LogStreamStderr:
		opts.Stream = strings.ToLower(stream)
	default:
		err = fmt.Errorf("invalid stream type %q", stream)
	}
	return opts, flag("previous"), err
}

// findLog finds the container whose log is asked for; an error comes with its
// HTTP status.
func (k *Kubelet) findLog(r *http.Request, previous bool) (*corev1.Pod, Container, int, error) {
	name, container := r.PathValue("pod"), r.PathValue("container")
	pod, ok := k.pods.get(r.PathValue("namespace"), name)
	if !ok {
		return nil, Container{}, http.StatusNotFound, fmt.Errorf("pod %q does not exist", name)
	}
	if findContainer(pod, container) == nil {
		return pod, Container{}, http.StatusNotFound, fmt.Errorf("container %q not found in pod %q", container, name)
	}
	var ran []*Container
	for _, c := range attempts(k.observer.pod(pod.UID), container) {
		if c.State == StateRunning || c.State == StateExited {
			ran = append(ran, c)
		}
	}
	switch {
	case previous && len(ran) > 0 && ran[0].State == StateExited && k.isWaiting(pod, container):
		return pod, *ran[0], 0, nil // the one that ended last is the one before the next
	case previous && len(ran) < 2:
		return pod, Container{}, http.StatusBadRequest, fmt.Errorf("previous terminated container %q in pod %q not found", container, name)
	case previous:
		return pod, *ran[1], 0, nil
	case len(ran) > 0:
		return pod, *ran[0], 0, nil
	}
	return pod, Container{}, http.StatusBadRequest, fmt.Errorf("container %q in pod %q is %s", container, name, k.whyNoLog(pod, container))
}

// isWaiting reports whether a container waits to be started again.
func (k *Kubelet) isWaiting(pod *corev1.Pod, container string) bool {
	s := containerStatus(&k.withStatus(pod).Status, container)
	return s != nil && s.State.Waiting != nil
}

// whyNoLog tells why a container has no log yet.
func (k *Kubelet) whyNoLog(pod *corev1.Pod, container string) string {
	s := containerStatus(&k.withStatus(pod).Status, container)
	switch {
	case s == nil:
		return "not available"
	case s.State.Waiting == nil:
		return "terminated"
	}
	switch reason := s.State.Waiting.Reason; reason {
	case "ErrImagePull":
		return "waiting to start: image can't be pulled"
	case "ImagePullBackOff":
		return "waiting to start: trying and failing to pull image"
	default:
		return "waiting to start: " + reason
	}
}

// containerStatus returns a container's status by name, or nil.
func containerStatus(s *corev1.PodStatus, name string) *corev1.ContainerStatus {
	for _, list := range [][]corev1.ContainerStatus{s.ContainerStatuses, s.InitContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return nil
}

// streamLog writes a container's log, from its file or from the runtime.
func (k *Kubelet) streamLog(ctx context.Context, c Container, w io.Writer, opts logs.Options) error {
	streamer, ok := k.runtime.(LogStreamer)
	if !ok {
		if c.LogPath == "" {
			return fmt.Errorf("container %q keeps no log", c.Name)
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var ended <-chan struct{}
		if opts.Follow {
			ended = k.observer.ended(ctx, c)
		}
		return logs.Tail(ctx, c.LogPath, w, opts, ended)
	}
	skip := int64(0)
	if opts.Tail != nil {
		var all lineCounter
		if err := streamer.StreamLog(ctx, c.ID, &all, LogOptions{}); err != nil {
			return err
		}
		skip = max(0, all.lines-*opts.Tail)
	}
	err := streamer.StreamLog(ctx, c.ID, logs.NewFilter(w, opts, skip), LogOptions{Follow: opts.Follow})
	if errors.Is(err, logs.ErrLimit) {
		return nil
	}
	return err
}

// lineCounter counts line ends.
type lineCounter struct{ lines int64 }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += int64(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

// flushWriter sends on at once what is written.
type flushWriter struct {
	w     http.ResponseWriter
	begun bool
}

func (f *flushWriter) Write(p []byte) (int, error) {
	f.begun = true
	n, err := f.w.Write(p)
	if err == nil {
		f.flush()
	}
	return n, err
}

func (f *flushWriter) flush() {
	f.begun = true
	if flusher, ok := f.w.(http.Flusher); ok {
		flusher.Flush()
	}
}
