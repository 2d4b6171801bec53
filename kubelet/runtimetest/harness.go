package runtimetest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// Harness is what the suite needs to know of an implementation.
type Harness struct {
	// New returns a runtime without pods that is closed when the test ends.
	// Tests run one after the other; each asks for its own.
	New func(t *testing.T) kubelet.Runtime
	// Reopen closes rt as if its process had ended and returns another over
	// the same state, with all containers still there. nil skips the tests
	// of adoption.
	Reopen func(t *testing.T, rt kubelet.Runtime) kubelet.Runtime
	// Image is a reference that can be pulled and holds /bin/sh with the
	// usual commands. MissingImage is one that cannot be pulled.
	Image, MissingImage string
	// LogDir is a directory for log files; empty for a runtime that keeps
	// logs itself (kubelet.LogStreamer).
	LogDir string
	// CgroupParent returns the cgroup for a pod; nil leaves it empty.
	CgroupParent func(podUID string) string
}

// The commands the suite runs, as arguments of "/bin/sh -c". A simulated
// runtime recognises them by these names.
const (
	// Forever runs until it is told to stop, and then ends with code 0.
	Forever = `trap 'exit 0' TERM; while :; do sleep 0.05; done`
	// Stubborn ignores the stop signal.
	Stubborn = `trap '' TERM; while :; do sleep 0.05; done`
	// ExitThree ends at once with code 3.
	ExitThree = `exit 3`
	// ExitZero ends at once with code 0.
	ExitZero = `exit 0`
	// Speak writes "to out" and "to err" to its streams and ends.
	Speak = `echo to out; echo to err >&2`
	// Echo writes back every line it reads.
	Echo = `while read line; do echo "got $line"; done`
)

// timeout bounds every single call and wait of the suite.
const timeout = 30 * time.Second

// env is one test's runtime and helpers.
type env struct {
	t  *testing.T
	h  Harness
	rt kubelet.Runtime
	n  int
}

func newEnv(t *testing.T, h Harness) *env {
	return &env{t: t, h: h, rt: h.New(t)}
}

// ctx returns a context bounded by the suite's timeout.
func (e *env) ctx() context.Context {
	ctx, cancel := context.WithTimeout(e.t.Context(), timeout)
	e.t.Cleanup(cancel)
	return ctx
}

// sandbox runs a sandbox for a new pod.
func (e *env) sandbox() kubelet.Sandbox {
	e.t.Helper()
	s, err := e.rt.RunSandbox(e.ctx(), e.sandboxSpec())
	if err != nil {
		e.t.Fatalf("RunSandbox: %v", err)
	}
	e.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		e.rt.RemoveSandbox(ctx, s.ID)
	})
	return s
}

// sandboxSpec describes the sandbox of a new pod.
func (e *env) sandboxSpec() kubelet.SandboxSpec {
	e.n++
	uid := fmt.Sprintf("00000000-0000-0000-0000-%012d", e.n)
	spec := kubelet.SandboxSpec{
		PodNamespace: "suite", PodName: fmt.Sprintf("pod-%d", e.n), PodUID: uid,
		Hostname: fmt.Sprintf("pod-%d", e.n),
		Labels:   map[string]string{"suite": "runtimetest"}, Annotations: map[string]string{"note": "kept"},
	}
	if e.h.LogDir != "" {
		spec.LogDir = filepath.Join(e.h.LogDir, uid)
	}
	if e.h.CgroupParent != nil {
		spec.CgroupParent = e.h.CgroupParent(uid)
	}
	return spec
}

// containerSpec describes a container that runs a shell command.
func (e *env) containerSpec(s kubelet.Sandbox, name, command string) kubelet.ContainerSpec {
	spec := kubelet.ContainerSpec{
		Name: name, Image: e.h.Image, Command: []string{"/bin/sh", "-c", command},
		Labels: map[string]string{"name": name}, Annotations: map[string]string{"hash": "1234"},
	}
	if s.Spec.LogDir != "" {
		spec.LogPath = filepath.Join(s.Spec.LogDir, name+".log")
	}
	return spec
}

// pull makes the suite's image present.
func (e *env) pull() kubelet.Image {
	e.t.Helper()
	image, err := e.rt.PullImage(e.ctx(), e.h.Image, nil)
	if err != nil {
		e.t.Fatalf("PullImage(%q): %v", e.h.Image, err)
	}
	return image
}

// create creates a container that runs a shell command.
func (e *env) create(s kubelet.Sandbox, name, command string) string {
	e.t.Helper()
	id, err := e.rt.CreateContainer(e.ctx(), s.ID, e.containerSpec(s, name, command))
	if err != nil {
		e.t.Fatalf("CreateContainer(%s): %v", name, err)
	}
	return id
}

// start creates and starts a container.
func (e *env) start(s kubelet.Sandbox, name, command string) string {
	e.t.Helper()
	id := e.create(s, name, command)
	if err := e.rt.StartContainer(e.ctx(), id); err != nil {
		e.t.Fatalf("StartContainer(%s): %v", name, err)
	}
	return id
}

// find returns a sandbox as List has it.
func (e *env) find(sandboxID string) (kubelet.Sandbox, bool) {
	e.t.Helper()
	list, err := e.rt.List(e.ctx())
	if err != nil {
		e.t.Fatalf("List: %v", err)
	}
	for _, s := range list {
		if s.ID == sandboxID {
			return s, true
		}
	}
	return kubelet.Sandbox{}, false
}

// container returns a container as List has it.
func (e *env) container(sandboxID, containerID string) kubelet.Container {
	e.t.Helper()
	c, ok := e.lookup(sandboxID, containerID)
	if !ok {
		e.t.Fatalf("List does not have container %s of sandbox %s", containerID, sandboxID)
	}
	return c
}

func (e *env) lookup(sandboxID, containerID string) (kubelet.Container, bool) {
	e.t.Helper()
	s, _ := e.find(sandboxID)
	for _, c := range s.Containers {
		if c.ID == containerID {
			return c, true
		}
	}
	return kubelet.Container{}, false
}

// waitExit waits, driven by events, until a container has exited.
func (e *env) waitExit(s kubelet.Sandbox, containerID string) kubelet.Container {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), timeout)
	defer cancel()
	events, err := e.rt.Events(ctx)
	if err != nil {
		e.t.Fatalf("Events: %v", err)
	}
	for {
		if c := e.container(s.ID, containerID); c.State == kubelet.StateExited {
			return c
		}
		if _, ok := <-events; !ok {
			e.t.Fatalf("container %s has not exited within %v", containerID, timeout)
		}
	}
}
