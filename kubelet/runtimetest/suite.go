package runtimetest

import "testing"

// Run runs the whole suite, a subtest for each behaviour.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*env)
	}{
		{"SandboxIsListed", sandboxIsListed},
		{"RunSandboxTwiceIsOne", runSandboxTwice},
		{"StopSandboxKeepsRecords", stopSandbox},
		{"RemoveSandbox", removeSandbox},
		{"MissingIsGone", missingIsGone},
		{"ContainerRuns", containerRuns},
		{"StartTwiceFails", startTwice},
		{"CreateNeedsImage", createNeedsImage},
		{"CreateNeedsSandbox", createNeedsSandbox},
		{"ExitCode", exitCode},
		{"StopIsGraceful", stopIsGraceful},
		{"StopKillsAfterGrace", stopKills},
		{"StopWithoutGraceKills", stopWithoutGrace},
		{"RemoveContainer", removeContainer},
		{"Restart", restart},
		{"StartErrorIsExit128", startError},
		{"Events", events},
		{"EventsEnd", eventsEnd},
		{"Images", images},
		{"PullFails", pullFails},
		{"Version", version},
		{"Log", logOutput},
		{"LogFollow", logFollow},
		{"Exec", execCommand},
		{"ExecStdin", execStdin},
		{"ExecCancelled", execCancelled},
		{"Attach", attach},
		{"PortForwardMissing", portForwardMissing},
		{"Stats", stats},
		{"Reopen", reopen},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(newEnv(t, h)) })
	}
}
