package simulated

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// Exec implements kubelet.Execer.
func (r *Runtime) Exec(ctx context.Context, containerID string, command []string, streams kubelet.Streams) error {
	c, err := r.running(containerID)
	if err != nil {
		return err
	}
	if c.behaviour.Exec != nil {
		return c.behaviour.Exec(ctx, command, streams)
	}
	return usualCommand(c, command, streams)
}

// usualCommand does what the commands that tests and users type most would.
func usualCommand(c *container, command []string, streams kubelet.Streams) error {
	if len(command) == 0 {
		return errors.New("exec: no command given")
	}
	var text string
	name := command[0]
	switch name[strings.LastIndex(name, "/")+1:] {
	case "false":
		return &kubelet.ExitError{Code: 1}
	case "echo":
		text = strings.Join(command[1:], " ") + "\n"
	case "hostname":
		text = c.sandbox.Spec.Hostname + "\n"
	case "env", "printenv":
		for _, v := range c.spec.Env {
			text += v.Name + "=" + v.Value + "\n"
		}
	case "cat":
		if len(command) > 1 {
			return missingFile(command, streams)
		}
		if streams.Stdin != nil && streams.Stdout != nil {
			_, err := io.Copy(streams.Stdout, streams.Stdin)
			return err
		}
	}
	if streams.Stdout != nil && text != "" {
		_, err := io.WriteString(streams.Stdout, text)
		return err
	}
	return nil
}

// missingFile answers as cat does: a simulated container has no files.
func missingFile(command []string, streams kubelet.Streams) error {
	w := streams.Stderr
	if streams.TTY {
		w = streams.Stdout
	}
	if w != nil {
		fmt.Fprintf(w, "cat: %s: No such file or directory\n", command[1])
	}
	return &kubelet.ExitError{Code: 1}
}

// Attach implements kubelet.Attacher.
func (r *Runtime) Attach(ctx context.Context, containerID string, streams kubelet.Streams) error {
	c, err := r.running(containerID)
	if err != nil {
		return err
	}
	c.log.mu.Lock()
	if c.log.tees == nil {
		c.log.tees = make(map[io.Writer]string)
	}
	for stream, w := range map[string]io.Writer{"stdout": streams.Stdout, "stderr": streams.Stderr} {
		if w != nil {
			tee := &w // a key of its own, whatever the writer's type
			c.log.tees[teeWriter{tee}] = stream
			defer func() {
				c.log.mu.Lock()
				delete(c.log.tees, teeWriter{tee})
				c.log.mu.Unlock()
			}()
		}
	}
	c.log.mu.Unlock()

	stdinDone := make(chan struct{})
	if streams.Stdin != nil && c.stdin != nil {
		go func() {
			defer close(stdinDone)
			io.Copy(c.stdin, streams.Stdin) // ends with either side
			if c.spec.StdinOnce {
				c.stdin.Close()
			}
		}()
	}
	onlyStdin := streams.Stdout == nil && streams.Stderr == nil
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-stdinDone:
		if onlyStdin {
			return nil
		}
	}
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

type teeWriter struct{ w *io.Writer }

func (t teeWriter) Write(p []byte) (int, error) { return (*t.w).Write(p) }

// PortForward implements kubelet.PortForwarder. The first running container
// with a Serve answers; without one the stream gets back what it sends.
func (r *Runtime) PortForward(ctx context.Context, sandboxID string, port uint16, stream io.ReadWriteCloser) error {
	r.mu.Lock()
	s, ok := r.sandboxes[sandboxID]
	var serve func(context.Context, uint16, io.ReadWriteCloser) error
	running := ok && s.State == kubelet.StateRunning
	if running {
		for _, c := range s.containers {
			if c.State == kubelet.StateRunning && c.behaviour.Serve != nil {
				serve = c.behaviour.Serve
				break
			}
		}
	}
	r.mu.Unlock()
	if !running {
		return fmt.Errorf("forward port %d of sandbox %s: %w", port, sandboxID, kubelet.ErrNotFound)
	}
	defer stream.Close()
	if serve != nil {
		return serve(ctx, port, stream)
	}
	stop := context.AfterFunc(ctx, func() { stream.Close() })
	defer stop()
	_, err := io.Copy(stream, stream)
	return err
}

// Probe implements kubelet.Prober.
func (r *Runtime) Probe(ctx context.Context, containerID string, probe kubelet.ProbeRequest) error {
	c, err := r.running(containerID)
	if err != nil {
		return err
	}
	if c.behaviour.Probe == nil {
		return nil
	}
	return c.behaviour.Probe(ctx, probe)
}

// Stats implements kubelet.StatsReader.
func (r *Runtime) Stats(ctx context.Context) ([]kubelet.ContainerStats, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []kubelet.ContainerStats
	for _, s := range r.sandboxes {
		for _, c := range s.containers {
			if c.State != kubelet.StateRunning {
				continue
			}
			b := c.behaviour
			all = append(all, kubelet.ContainerStats{
				ContainerID: c.ID, SandboxID: s.ID, Name: c.Name, At: now,
				CPU:              time.Duration(b.CPU * float64(now.Sub(c.StartedAt))),
				MemoryWorkingSet: b.Memory, MemoryRSS: b.Memory, MemoryUsage: b.Memory,
			})
		}
	}
	return all, nil
}
