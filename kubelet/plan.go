package kubelet

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// planInput is all that decides what is to be done for a pod that shall run.
type planInput struct {
	pod *corev1.Pod
	// sandboxes are those of the pod in the runtime, newest first.
	sandboxes []Sandbox
	// health tells what the probes of running containers found, by container
	// ID.
	health map[string]health
	// crashes delays restarts, by container name.
	crashes backoff
	// held are containers that could not be started and are not to be tried
	// before a time, by name; no name is the sandbox.
	held map[string]time.Time
	now  time.Time
}

// health is what probes found of one running container.
type health struct {
	// started is that its startup probe, if any, has succeeded.
	started bool
	// ready is that its readiness probe, if any, succeeds.
	ready bool
	// failed names the probe that wants the container restarted: "startup"
	// or "liveness", else empty.
	failed string
}

// plan is what to do next for a pod, in the order of its fields.
type plan struct {
	// finished says that nothing is left to run: the pod is to be ended.
	finished bool
	// kill are containers to stop.
	kill []killAction
	// newSandbox asks for a sandbox with this attempt, after the old ones
	// are stopped. Containers are planned anew when it is there.
	newSandbox bool
	attempt    uint32
	// start are containers to create and start.
	start []startAction
	// waiting are containers that wait for their back-off to end.
	waiting map[string]waitReason
	// wake is when to plan again if nothing else happens; zero means never.
	wake time.Time
}

type killAction struct {
	container Container
	// message is told in the Killing event.
	message string
}

type startAction struct {
	container *corev1.Container
	attempt   uint32
	// crashed is when the attempt before ended, zero if there was none.
	crashed time.Time
	// created is the ID of a container left over that never ran.
	created string
}

// waitReason is why a container does not run, for its status.
type waitReason struct{ reason, message string }

// makePlan decides. It has no effects.
func makePlan(in planInput) plan {
	p := planner{planInput: in}
	p.waiting = make(map[string]waitReason)
	if len(in.sandboxes) == 0 || in.sandboxes[0].State != StateRunning {
		p.planSandbox()
		return p.plan
	}
	p.current = in.sandboxes[:1]
	for i := range in.pod.Spec.EphemeralContainers {
		c := (*corev1.Container)(&in.pod.Spec.EphemeralContainers[i].EphemeralContainerCommon)
		if newest(in.sandboxes, c.Name) == nil {
			p.plan.start = append(p.plan.start, startAction{container: c})
		}
	}
	if p.planInit() {
		p.planMain()
	}
	return p.plan
}

type planner struct {
	planInput
	plan
	current []Sandbox // the newest sandbox alone
}

// planSandbox plans for a pod without a running sandbox: one is made, unless
// all that the pod had to do is done.
func (p *planner) planSandbox() {
	spec := &p.pod.Spec
	if len(p.sandboxes) > 0 {
		any, left := false, false
		for i := range spec.Containers {
			c := newest(p.sandboxes, spec.Containers[i].Name)
			any = any || c != nil
			left = left || c == nil || c.State != StateExited || restarts(p.pod, &spec.Containers[i], c.ExitCode)
		}
		initRan := any
		for i := range spec.InitContainers {
			initRan = initRan || newest(p.sandboxes, spec.InitContainers[i].Name) != nil
		}
		if any && !left || initRan && spec.RestartPolicy == corev1.RestartPolicyNever {
			p.finished = true
			return
		}
		p.attempt = p.sandboxes[0].Spec.Attempt + 1
	}
	if until := p.held[""]; until.After(p.now) {
		p.wake = until
		return
	}
	p.newSandbox = true
}

// planInit plans for the init containers and reports whether the main
// containers may run.
func (p *planner) planInit() bool {
	spec := &p.pod.Spec
	initialized := false
	for i := range spec.Containers {
		if c := newest(p.current, spec.Containers[i].Name); c != nil && c.State != StateCreated {
			initialized = true
		}
	}
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		latest := newest(p.current, c.Name)
		running := latest != nil && latest.State == StateRunning
		switch {
		case isSidecar(c):
			if !running || p.unfit(c, latest) {
				p.startAgain(c, latest)
				if !initialized && !p.laterInitExists(i) {
					return false
				}
			} else if !initialized && !p.health[latest.ID].started {
				return false
			}
		case initialized:
			// It has done its work, or its record is gone.
		case running:
			return false
		case latest != nil && latest.State == StateExited && latest.ExitCode == 0:
		case latest != nil && latest.State == StateExited && !restartsInit(p.pod, c, latest.ExitCode):
			p.finished = true
			return false
		default:
			p.startAgain(c, latest)
			return false
		}
	}
	return true
}

// restartsInit is restarts for init containers, which run to success also
// where the pod restarts always.
func restartsInit(pod *corev1.Pod, c *corev1.Container, exitCode int) bool {
	return exitCode != 0 && restarts(pod, c, exitCode)
}

// laterInitExists reports whether an init container after the i-th was made.
func (p *planner) laterInitExists(i int) bool {
	for j := i + 1; j < len(p.pod.Spec.InitContainers); j++ {
		if newest(p.current, p.pod.Spec.InitContainers[j].Name) != nil {
			return true
		}
	}
	return false
}

// planMain plans for the main containers.
func (p *planner) planMain() {
	keep := 0
	for i := range p.pod.Spec.Containers {
		c := &p.pod.Spec.Containers[i]
		latest := newest(p.current, c.Name)
		switch {
		case latest == nil || latest.State == StateCreated || latest.State == StateUnknown:
			if last := newest(p.sandboxes, c.Name); last != nil && last.State == StateExited && !restarts(p.pod, c, last.ExitCode) {
				continue // it was done in an earlier sandbox
			}
			p.startAgain(c, latest)
			keep++
		case latest.State == StateExited:
			if restarts(p.pod, c, latest.ExitCode) {
				p.startAgain(c, latest)
				keep++
			}
		case p.unfit(c, latest):
			if p.restartsUnfit(c, latest) {
				keep++
			}
		default:
			keep++
		}
	}
	if keep == 0 && len(p.kill) == 0 {
		p.finished = true
		p.start = nil
	}
}

// unfit plans to kill a running container that is not as it should be.
func (p *planner) unfit(c *corev1.Container, running *Container) bool {
	var why string
	switch failed := p.health[running.ID].failed; {
	case running.Annotations[annotationHash] != "" && running.Annotations[annotationHash] != containerHash(c):
		why = fmt.Sprintf("Container %s definition changed", c.Name)
	case failed != "":
		why = fmt.Sprintf("Container %s failed %s probe", c.Name, failed)
	default:
		return false
	}
	if p.restartsUnfit(c, running) {
		why += ", will be restarted"
	}
	p.kill = append(p.kill, killAction{container: *running, message: why})
	return true
}

// restartsUnfit reports whether a container killed by unfit is started again.
func (p *planner) restartsUnfit(c *corev1.Container, running *Container) bool {
	changed := running.Annotations[annotationHash] != containerHash(c)
	return changed && p.health[running.ID].failed == "" || restarts(p.pod, c, 137)
}

// startAgain plans a start, at once or when the back-off has ended. A
// container that runs is being killed and started when it has ended.
func (p *planner) startAgain(c *corev1.Container, latest *Container) {
	if latest != nil && latest.State == StateRunning {
		return
	}
	action := startAction{container: c, attempt: nextAttempt(p.pod, p.sandboxes, c.Name)}
	if until := p.held[c.Name]; until.After(p.now) {
		p.wake = earliest(p.wake, until)
		return
	}
	if latest != nil && latest.State == StateCreated {
		action.created = latest.ID
	}
	if latest != nil && latest.State == StateExited {
		changed := latest.Annotations[annotationHash] != containerHash(c)
		until, delay := p.crashes.until(c.Name, latest.FinishedAt)
		if until.After(p.now) && !changed {
			p.waiting[c.Name] = waitReason{"CrashLoopBackOff", fmt.Sprintf(
				"back-off %s restarting failed container=%s pod=%s", delay, c.Name, podKey(p.pod))}
			p.wake = earliest(p.wake, until)
			return
		}
		action.crashed = latest.FinishedAt
	}
	p.start = append(p.start, action)
}
