package runtimetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/keelson-project/keelson/kubelet"
)

func images(e *env) {
	image := e.pull()
	if !strings.HasPrefix(image.ID, "sha256:") {
		e.t.Errorf("the image's ID is %q, want sha256:…", image.ID)
	}
	if image.Size <= 0 {
		e.t.Errorf("the image's size is %d", image.Size)
	}
	for _, ref := range []string{e.h.Image, image.ID} {
		got, err := e.rt.ImageStatus(e.ctx(), ref)
		if err != nil || got.ID != image.ID {
			e.t.Errorf("ImageStatus(%q) = %q, %v; want %q", ref, got.ID, err, image.ID)
		}
	}
	list, err := e.rt.ListImages(e.ctx())
	if err != nil {
		e.t.Fatalf("ListImages: %v", err)
	}
	if !slices.ContainsFunc(list, func(i kubelet.Image) bool { return i.ID == image.ID }) {
		e.t.Errorf("ListImages does not have %q", image.ID)
	}
	for range 2 {
		if err := e.rt.RemoveImage(e.ctx(), image.ID); err != nil {
			e.t.Fatalf("RemoveImage: %v", err)
		}
	}
	if _, err := e.rt.ImageStatus(e.ctx(), e.h.Image); !errors.Is(err, kubelet.ErrImageNotFound) {
		e.t.Errorf("ImageStatus of a removed image: %v, want ErrImageNotFound", err)
	}
}

func pullFails(e *env) {
	if _, err := e.rt.PullImage(e.ctx(), e.h.MissingImage, nil); err == nil || err.Error() == "" {
		e.t.Errorf("PullImage(%q) = %v, want an error that tells the cause", e.h.MissingImage, err)
	}
	if _, err := e.rt.ImageStatus(e.ctx(), e.h.MissingImage); !errors.Is(err, kubelet.ErrImageNotFound) {
		e.t.Errorf("ImageStatus after a failed pull: %v, want ErrImageNotFound", err)
	}
}

func version(e *env) {
	v, err := e.rt.Version(e.ctx())
	if err != nil || !strings.Contains(v, "://") {
		e.t.Errorf("Version() = %q, %v; want name://version", v, err)
	}
}

// readLog returns what a container wrote, in CRI log format.
func (e *env) readLog(s kubelet.Sandbox, containerID string) string {
	e.t.Helper()
	if streamer, ok := e.rt.(kubelet.LogStreamer); ok {
		var text bytes.Buffer
		if err := streamer.StreamLog(e.ctx(), containerID, &text, kubelet.LogOptions{}); err != nil {
			e.t.Fatalf("StreamLog: %v", err)
		}
		return text.String()
	}
	c := e.container(s.ID, containerID)
	text, err := os.ReadFile(c.LogPath)
	if err != nil {
		e.t.Fatalf("the container's log: %v", err)
	}
	return string(text)
}

func logOutput(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Speak)
	e.waitExit(s, id)
	var out, err bool
	for line := range strings.Lines(e.readLog(s, id)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(parts) != 4 {
			e.t.Fatalf("log line %q is not: time, stream, tag, text", line)
		}
		out = out || parts[1] == "stdout" && parts[3] == "to out"
		err = err || parts[1] == "stderr" && parts[3] == "to err"
	}
	if !out || !err {
		e.t.Errorf("the log has stdout %v, stderr %v; want both", out, err)
	}
}

func logFollow(e *env) {
	streamer, ok := e.rt.(kubelet.LogStreamer)
	if !ok {
		e.t.Skip("this runtime writes log files")
	}
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	ctx, cancel := context.WithCancel(e.ctx())
	cancel()
	if err := streamer.StreamLog(ctx, id, io.Discard, kubelet.LogOptions{Follow: true}); !errors.Is(err, context.Canceled) {
		e.t.Errorf("StreamLog after its context ended: %v", err)
	}
	done := make(chan error, 1)
	go func() { done <- streamer.StreamLog(e.ctx(), id, io.Discard, kubelet.LogOptions{Follow: true}) }()
	if err := e.rt.StopContainer(e.ctx(), id, 0); err != nil {
		e.t.Fatalf("StopContainer: %v", err)
	}
	if err := <-done; err != nil {
		e.t.Errorf("StreamLog until the container's end: %v", err)
	}
}

// execer skips the test if the runtime cannot exec.
func (e *env) execer() kubelet.Execer {
	execer, ok := e.rt.(kubelet.Execer)
	if !ok {
		e.t.Skip("this runtime does not exec")
	}
	e.pull()
	return execer
}

func execCommand(e *env) {
	execer := e.execer()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	var out bytes.Buffer
	if err := execer.Exec(e.ctx(), id, []string{"echo", "hello", "there"}, kubelet.Streams{Stdout: &out}); err != nil {
		e.t.Fatalf("Exec(echo): %v", err)
	}
	if out.String() != "hello there\n" {
		e.t.Errorf("echo wrote %q", out.String())
	}
	var exit *kubelet.ExitError
	if err := execer.Exec(e.ctx(), id, []string{"false"}, kubelet.Streams{}); !errors.As(err, &exit) || exit.Code != 1 {
		e.t.Errorf("Exec(false): %v, want an ExitError with code 1", err)
	}
	if err := e.rt.StopContainer(e.ctx(), id, 0); err != nil {
		e.t.Fatalf("StopContainer: %v", err)
	}
	if err := execer.Exec(e.ctx(), id, []string{"true"}, kubelet.Streams{}); err == nil {
		e.t.Error("Exec in a stopped container succeeded")
	}
}

func execStdin(e *env) {
	execer := e.execer()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	var out bytes.Buffer
	text := strings.Repeat("0123456789abcdef", 8192)
	err := execer.Exec(e.ctx(), id, []string{"cat"}, kubelet.Streams{Stdin: strings.NewReader(text), Stdout: &out})
	if err != nil {
		e.t.Fatalf("Exec(cat): %v", err)
	}
	if out.String() != text {
		e.t.Errorf("cat gave back %d bytes of %d", out.Len(), len(text))
	}
}

func execCancelled(e *env) {
	execer := e.execer()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	ctx, cancel := context.WithCancel(e.ctx())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- execer.Exec(ctx, id, []string{"cat"}, kubelet.Streams{Stdin: r, Stdout: io.Discard})
	}()
	if _, err := io.WriteString(w, "x"); err != nil {
		e.t.Fatalf("the command does not read: %v", err)
	}
	cancel()
	w.CloseWithError(context.Canceled)
	if err := <-done; err == nil {
		e.t.Error("Exec whose context ended returned nil")
	}
}

func attach(e *env) {
	attacher, ok := e.rt.(kubelet.Attacher)
	if !ok {
		e.t.Skip("this runtime does not attach")
	}
	e.pull()
	s := e.sandbox()
	spec := e.containerSpec(s, "main", Echo)
	spec.Stdin, spec.StdinOnce = true, true
	id, err := e.rt.CreateContainer(e.ctx(), s.ID, spec)
	if err != nil {
		e.t.Fatalf("CreateContainer: %v", err)
	}
	if err := e.rt.StartContainer(e.ctx(), id); err != nil {
		e.t.Fatalf("StartContainer: %v", err)
	}
	in, write := io.Pipe()
	read, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- attacher.Attach(e.ctx(), id, kubelet.Streams{Stdin: in, Stdout: out}) }()
	if _, err := io.WriteString(write, "ping\n"); err != nil {
		e.t.Fatalf("writing to the container: %v", err)
	}
	const want = "got ping\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(read, got); err != nil || string(got) != want {
		e.t.Fatalf("the container answered %q, %v", got, err)
	}
	write.Close() // stdinOnce: the container's stdin ends, and so it does
	go io.Copy(io.Discard, read)
	if err := <-done; err != nil {
		e.t.Errorf("Attach: %v", err)
	}
	out.Close()
	e.waitExit(s, id)
}

func portForwardMissing(e *env) {
	forwarder, ok := e.rt.(kubelet.PortForwarder)
	if !ok {
		e.t.Skip("this runtime does not forward ports")
	}
	const id = "feedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedface"
	_, w := io.Pipe()
	r, _ := io.Pipe()
	stream := struct {
		io.Reader
		io.Writer
		io.Closer
	}{r, w, r}
	if err := forwarder.PortForward(e.ctx(), id, 80, stream); err == nil {
		e.t.Error("a port of no sandbox could be forwarded")
	}
}

func stats(e *env) {
	reader, ok := e.rt.(kubelet.StatsReader)
	if !ok {
		e.t.Skip("this runtime does not measure")
	}
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	all, err := reader.Stats(e.ctx())
	if err != nil {
		e.t.Fatalf("Stats: %v", err)
	}
	i := slices.IndexFunc(all, func(c kubelet.ContainerStats) bool { return c.ContainerID == id })
	if i < 0 {
		e.t.Fatal("Stats does not have the running container")
	}
	if c := all[i]; c.SandboxID != s.ID || c.Name != "main" || c.At.IsZero() {
		e.t.Errorf("Stats says sandbox %q, name %q, at %v", c.SandboxID, c.Name, c.At)
	}
}
