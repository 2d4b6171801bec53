package runtimetest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

func sandboxIsListed(e *env) {
	before := time.Now().Add(-time.Second)
	made := e.sandbox()
	s, ok := e.find(made.ID)
	if !ok {
		e.t.Fatal("List does not have the sandbox")
	}
	if s.State != kubelet.StateRunning {
		e.t.Errorf("state is %v, want Running", s.State)
	}
	if s.Spec.PodUID != made.Spec.PodUID || s.Spec.PodName != "pod-1" || s.Spec.PodNamespace != "suite" {
		e.t.Errorf("the pod is %s/%s %s", s.Spec.PodNamespace, s.Spec.PodName, s.Spec.PodUID)
	}
	if s.Spec.Labels["suite"] != "runtimetest" || s.Spec.Annotations["note"] != "kept" {
		e.t.Errorf("labels %v, annotations %v: not those given", s.Spec.Labels, s.Spec.Annotations)
	}
	if s.CreatedAt.Before(before) || s.CreatedAt.After(time.Now().Add(time.Second)) {
		e.t.Errorf("created at %v, that is not now", s.CreatedAt)
	}
	if s.NetNS == "" {
		e.t.Error("a pod off the host network has no network namespace")
	}
}

func runSandboxTwice(e *env) {
	first := e.sandbox()
	again, err := e.rt.RunSandbox(e.ctx(), first.Spec)
	if err != nil {
		e.t.Fatalf("second RunSandbox: %v", err)
	}
	if again.ID != first.ID {
		e.t.Errorf("a second sandbox %s was made beside %s", again.ID, first.ID)
	}
	next := first.Spec
	next.Attempt++
	other, err := e.rt.RunSandbox(e.ctx(), next)
	if err != nil {
		e.t.Fatalf("RunSandbox of the next attempt: %v", err)
	}
	if other.ID == first.ID || other.Spec.Attempt != 1 {
		e.t.Errorf("the next attempt is sandbox %s, attempt %d", other.ID, other.Spec.Attempt)
	}
	if err := e.rt.RemoveSandbox(e.ctx(), other.ID); err != nil {
		e.t.Errorf("RemoveSandbox: %v", err)
	}
}

func stopSandbox(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	for range 2 {
		if err := e.rt.StopSandbox(e.ctx(), s.ID); err != nil {
			e.t.Fatalf("StopSandbox: %v", err)
		}
	}
	got, ok := e.find(s.ID)
	if !ok || got.State != kubelet.StateExited {
		e.t.Errorf("after StopSandbox: listed %v, state %v; want Exited", ok, got.State)
	}
	if c := e.container(s.ID, id); c.State != kubelet.StateExited {
		e.t.Errorf("its container is in state %v, want Exited", c.State)
	}
}

func removeSandbox(e *env) {
	e.pull()
	s := e.sandbox()
	e.start(s, "main", Forever)
	for range 2 {
		if err := e.rt.RemoveSandbox(e.ctx(), s.ID); err != nil {
			e.t.Fatalf("RemoveSandbox: %v", err)
		}
	}
	if _, ok := e.find(s.ID); ok {
		e.t.Error("List still has the sandbox")
	}
}

func missingIsGone(e *env) {
	const id = "feedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedfacefeedface"
	for name, err := range map[string]error{
		"StopSandbox":     e.rt.StopSandbox(e.ctx(), id),
		"RemoveSandbox":   e.rt.RemoveSandbox(e.ctx(), id),
		"StopContainer":   e.rt.StopContainer(e.ctx(), id, time.Second),
		"RemoveContainer": e.rt.RemoveContainer(e.ctx(), id),
	} {
		if err != nil {
			e.t.Errorf("%s of what does not exist: %v", name, err)
		}
	}
	if err := e.rt.StartContainer(e.ctx(), id); !errors.Is(err, kubelet.ErrNotFound) {
		e.t.Errorf("StartContainer of what does not exist: %v, want ErrNotFound", err)
	}
}

func containerRuns(e *env) {
	image := e.pull()
	s := e.sandbox()
	id := e.create(s, "main", Forever)
	c := e.container(s.ID, id)
	if c.State != kubelet.StateCreated {
		e.t.Errorf("state after create is %v, want Created", c.State)
	}
	if err := e.rt.StartContainer(e.ctx(), id); err != nil {
		e.t.Fatalf("StartContainer: %v", err)
	}
	c = e.container(s.ID, id)
	if c.State != kubelet.StateRunning {
		e.t.Errorf("state after start is %v, want Running", c.State)
	}
	if c.Name != "main" || c.Attempt != 0 || c.SandboxID != s.ID {
		e.t.Errorf("it is %q attempt %d of %s", c.Name, c.Attempt, c.SandboxID)
	}
	if c.Labels["name"] != "main" || c.Annotations["hash"] != "1234" {
		e.t.Errorf("labels %v, annotations %v: not those given", c.Labels, c.Annotations)
	}
	if c.ImageID != image.ID || c.Image != e.h.Image {
		e.t.Errorf("image %q with ID %q, want %q with %q", c.Image, c.ImageID, e.h.Image, image.ID)
	}
	if c.CreatedAt.IsZero() || c.StartedAt.IsZero() || !c.FinishedAt.IsZero() {
		e.t.Errorf("created %v, started %v, finished %v", c.CreatedAt, c.StartedAt, c.FinishedAt)
	}
}

func startTwice(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	if err := e.rt.StartContainer(e.ctx(), id); err == nil {
		e.t.Error("a running container could be started again")
	}
}

func createNeedsImage(e *env) {
	s := e.sandbox()
	spec := e.containerSpec(s, "main", Forever)
	spec.Image = e.h.MissingImage
	if _, err := e.rt.CreateContainer(e.ctx(), s.ID, spec); !errors.Is(err, kubelet.ErrImageNotFound) {
		e.t.Errorf("CreateContainer of a missing image: %v, want ErrImageNotFound", err)
	}
}

func createNeedsSandbox(e *env) {
	e.pull()
	s := e.sandbox()
	if err := e.rt.StopSandbox(e.ctx(), s.ID); err != nil {
		e.t.Fatalf("StopSandbox: %v", err)
	}
	if _, err := e.rt.CreateContainer(e.ctx(), s.ID, e.containerSpec(s, "main", Forever)); err == nil {
		e.t.Error("a container could be made in a stopped sandbox")
	}
}

func exitCode(e *env) {
	e.pull()
	s := e.sandbox()
	failed := e.waitExit(s, e.start(s, "three", ExitThree))
	if failed.ExitCode != 3 || failed.Reason != "Error" {
		e.t.Errorf("exit code %d, reason %q; want 3, Error", failed.ExitCode, failed.Reason)
	}
	if failed.FinishedAt.Before(failed.StartedAt) || failed.StartedAt.IsZero() {
		e.t.Errorf("started %v, finished %v", failed.StartedAt, failed.FinishedAt)
	}
	done := e.waitExit(s, e.start(s, "zero", ExitZero))
	if done.ExitCode != 0 || done.Reason != "Completed" {
		e.t.Errorf("exit code %d, reason %q; want 0, Completed", done.ExitCode, done.Reason)
	}
	if got, _ := e.find(s.ID); got.State != kubelet.StateRunning {
		e.t.Errorf("the sandbox is in state %v after its containers ended, want Running", got.State)
	}
}

func stopIsGraceful(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	if err := e.rt.StopContainer(e.ctx(), id, timeout); err != nil {
		e.t.Fatalf("StopContainer: %v", err)
	}
	if c := e.container(s.ID, id); c.State != kubelet.StateExited || c.ExitCode != 0 {
		e.t.Errorf("state %v, exit code %d; want Exited with 0", c.State, c.ExitCode)
	}
	if err := e.rt.StopContainer(e.ctx(), id, timeout); err != nil {
		e.t.Errorf("second StopContainer: %v", err)
	}
}

func stopKills(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Stubborn)
	const grace = time.Second
	begin := time.Now()
	if err := e.rt.StopContainer(e.ctx(), id, grace); err != nil {
		e.t.Fatalf("StopContainer: %v", err)
	}
	if took := time.Since(begin); took < grace {
		e.t.Errorf("killed after %v, before the grace period of %v", took, grace)
	}
	if c := e.container(s.ID, id); c.State != kubelet.StateExited || c.ExitCode != 137 {
		e.t.Errorf("state %v, exit code %d; want Exited with 137", c.State, c.ExitCode)
	}
}

func stopWithoutGrace(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	if err := e.rt.StopContainer(e.ctx(), id, 0); err != nil {
		e.t.Fatalf("StopContainer: %v", err)
	}
	if c := e.container(s.ID, id); c.State != kubelet.StateExited || c.ExitCode != 137 {
		e.t.Errorf("state %v, exit code %d; want Exited with 137", c.State, c.ExitCode)
	}
}

func removeContainer(e *env) {
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", Forever)
	for range 2 {
		if err := e.rt.RemoveContainer(e.ctx(), id); err != nil {
			e.t.Fatalf("RemoveContainer: %v", err)
		}
	}
	if _, ok := e.lookup(s.ID, id); ok {
		e.t.Error("List still has the container")
	}
	if got, ok := e.find(s.ID); !ok || got.State != kubelet.StateRunning {
		e.t.Error("the sandbox went with its container")
	}
}

func restart(e *env) {
	e.pull()
	s := e.sandbox()
	first := e.start(s, "main", ExitThree)
	e.waitExit(s, first)
	spec := e.containerSpec(s, "main", Forever)
	spec.Attempt = 1
	second, err := e.rt.CreateContainer(e.ctx(), s.ID, spec)
	if err != nil {
		e.t.Fatalf("CreateContainer of attempt 1: %v", err)
	}
	if err := e.rt.StartContainer(e.ctx(), second); err != nil {
		e.t.Fatalf("StartContainer of attempt 1: %v", err)
	}
	if c := e.container(s.ID, second); c.Attempt != 1 || c.State != kubelet.StateRunning {
		e.t.Errorf("attempt %d in state %v; want 1, Running", c.Attempt, c.State)
	}
	if c := e.container(s.ID, first); c.Attempt != 0 || c.ExitCode != 3 {
		e.t.Errorf("the first attempt's record is attempt %d, exit code %d", c.Attempt, c.ExitCode)
	}
}

func startError(e *env) {
	e.pull()
	s := e.sandbox()
	spec := e.containerSpec(s, "main", "")
	spec.Command = []string{"/no/such/command"}
	id, err := e.rt.CreateContainer(e.ctx(), s.ID, spec)
	if err != nil {
		e.t.Fatalf("CreateContainer: %v", err)
	}
	err = e.rt.StartContainer(e.ctx(), id)
	if err == nil {
		e.t.Fatal("a command that does not exist could be started")
	}
	c := e.container(s.ID, id)
	if c.State != kubelet.StateExited || c.ExitCode != 128 {
		e.t.Errorf("state %v, exit code %d; want Exited with 128", c.State, c.ExitCode)
	}
	if !strings.Contains(c.Reason+c.Message, "/no/such/command") {
		e.t.Errorf("reason %q, message %q: they do not tell the cause", c.Reason, c.Message)
	}
}

func events(e *env) {
	ctx, cancel := context.WithTimeout(e.t.Context(), timeout)
	defer cancel()
	ch, err := e.rt.Events(ctx)
	if err != nil {
		e.t.Fatalf("Events: %v", err)
	}
	e.pull()
	s := e.sandbox()
	id := e.start(s, "main", ExitZero)
	for {
		event, ok := <-ch
		if !ok {
			e.t.Fatal("no event told that the container has exited")
		}
		if event.SandboxID != s.ID || event.PodUID != s.Spec.PodUID {
			e.t.Fatalf("event of sandbox %q, pod %q", event.SandboxID, event.PodUID)
		}
		if e.container(s.ID, id).State == kubelet.StateExited {
			return
		}
	}
}

func eventsEnd(e *env) {
	ctx, cancel := context.WithCancel(e.t.Context())
	ch, err := e.rt.Events(ctx)
	if err != nil {
		e.t.Fatalf("Events: %v", err)
	}
	cancel()
	end := time.NewTimer(timeout)
	defer end.Stop()
	for {
		select {
		case _, ok := <-ch:
			if !ok {
				return
			}
		case <-end.C:
			e.t.Fatal("the channel is still open after its context ended")
		}
	}
}

func reopen(e *env) {
	if e.h.Reopen == nil {
		e.t.Skip("this runtime's state ends with its process")
	}
	e.pull()
	s := e.sandbox()
	running := e.start(s, "main", Forever)
	dead := e.start(s, "dead", ExitThree)
	e.waitExit(s, dead)
	before := e.container(s.ID, running)

	e.rt = e.h.Reopen(e.t, e.rt)
	got, ok := e.find(s.ID)
	if !ok || got.State != kubelet.StateRunning || got.Spec.PodUID != s.Spec.PodUID {
		e.t.Fatalf("after reopening the sandbox is listed %v, state %v, pod %q", ok, got.State, got.Spec.PodUID)
	}
	c := e.container(s.ID, running)
	if c.State != kubelet.StateRunning || !c.StartedAt.Equal(before.StartedAt) {
		e.t.Errorf("the container is in state %v, started %v; want Running since %v", c.State, c.StartedAt, before.StartedAt)
	}
	if c := e.container(s.ID, dead); c.State != kubelet.StateExited || c.ExitCode != 3 {
		e.t.Errorf("the ended one is in state %v, exit code %d; want Exited with 3", c.State, c.ExitCode)
	}
	if err := e.rt.StopContainer(e.ctx(), running, timeout); err != nil {
		e.t.Fatalf("StopContainer: %v", err)
	}
	if c := e.container(s.ID, running); c.State != kubelet.StateExited || c.ExitCode != 0 {
		e.t.Errorf("stopped after reopening: state %v, exit code %d; want Exited with 0", c.State, c.ExitCode)
	}
}
