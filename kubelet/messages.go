package kubelet

import (
	"context"
	"io"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/kubelet/logs"
)

// The limits of a termination message.
const (
	messageBytes    = 4096
	messageLogBytes = 2048
	messageLogLines = 80
)

// messages are the termination messages of the containers that have ended, by
// ID. Each is read once.
func (w *worker) messages(sandboxes []Sandbox) map[string]string {
	if w.k.simulated() {
		return nil
	}
	for i := range sandboxes {
		for j := range sandboxes[i].Containers {
			c := &sandboxes[i].Containers[j]
			if _, read := w.said[c.ID]; c.State == StateExited && !read {
				w.said[c.ID] = w.k.files.message(sandboxes[i].Spec.PodUID, c)
			}
		}
	}
	return w.said
}

// message reads what a container has left as its last words, or, if it wants
// that, the end of its log.
func (f *podFiles) message(uid string, c *Container) string {
	if c.Annotations[annotationMessagePath] != "" {
		if text := head(f.messageFile(uid, c.Name, c.Attempt), messageBytes); text != "" {
			return text
		}
	}
	if c.ExitCode == 0 || c.Annotations[annotationMessagePol] != string(corev1.TerminationMessageFallbackToLogsOnError) || c.LogPath == "" {
		return ""
	}
	lines := int64(messageLogLines)
	var text strings.Builder
	if logs.Tail(context.Background(), c.LogPath, &text, logs.Options{Tail: &lines}, nil) != nil {
		return "" // a message is a courtesy
	}
	end := text.String()
	return end[max(0, len(end)-messageLogBytes):]
}

// head is the beginning of a file, empty if it cannot be read.
func head(path string, limit int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return ""
	}
	return string(data)
}
