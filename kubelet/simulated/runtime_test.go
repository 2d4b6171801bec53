package simulated_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/runtimetest"
	"github.com/keelson-project/keelson/kubelet/simulated"
)

// suiteScript plays the shell commands of the suite.
func suiteScript(_ kubelet.SandboxSpec, c kubelet.ContainerSpec) simulated.Behaviour {
	if len(c.Command) == 1 {
		return simulated.Behaviour{StartError: fmt.Errorf("exec %s: no such file", c.Command[0])}
	}
	switch c.Command[2] {
	case runtimetest.Stubborn:
		return simulated.Behaviour{StopTime: time.Hour}
	case runtimetest.ExitThree:
		return simulated.Behaviour{Exits: true, ExitCode: 3}
	case runtimetest.ExitZero:
		return simulated.Behaviour{Exits: true}
	case runtimetest.Speak:
		return simulated.Behaviour{Main: func(_ context.Context, p simulated.Process) int {
			fmt.Fprintln(p.Stdout, "to out")
			fmt.Fprintln(p.Stderr, "to err")
			return 0
		}}
	case runtimetest.Echo:
		return simulated.Behaviour{Main: func(_ context.Context, p simulated.Process) int {
			for lines := bufio.NewScanner(p.Stdin); lines.Scan(); {
				fmt.Fprintln(p.Stdout, "got "+lines.Text())
			}
			return 0
		}}
	}
	return simulated.Behaviour{}
}

func TestSuite(t *testing.T) {
	runtimetest.Run(t, runtimetest.Harness{
		New: func(t *testing.T) kubelet.Runtime {
			rt := simulated.New(simulated.Config{
				Script: suiteScript,
				Pull: func(ref string, _ *kubelet.RegistryAuth) simulated.Pull {
					if ref == "registry.test/missing" {
						return simulated.Pull{Err: errors.New("registry.test/missing: not found")}
					}
					return simulated.Pull{}
				},
			})
			t.Cleanup(func() { rt.Close() })
			return rt
		},
		Reopen:       func(_ *testing.T, rt kubelet.Runtime) kubelet.Runtime { return rt },
		Image:        "registry.test/shell",
		MissingImage: "registry.test/missing",
	})
}

func TestScriptedTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		rt := simulated.New(simulated.Config{
			Pull: func(string, *kubelet.RegistryAuth) simulated.Pull { return simulated.Pull{Time: 7 * time.Second} },
			Script: func(kubelet.SandboxSpec, kubelet.ContainerSpec) simulated.Behaviour {
				return simulated.Behaviour{StartTime: 2 * time.Second, Exits: true, ExitAfter: time.Minute, ExitCode: 4}
			},
		})
		begin := time.Now()
		if _, err := rt.PullImage(ctx, "app", nil); err != nil {
			t.Fatal(err)
		}
		s, err := rt.RunSandbox(ctx, kubelet.SandboxSpec{PodUID: "u"})
		if err != nil {
			t.Fatal(err)
		}
		id, err := rt.CreateContainer(ctx, s.ID, kubelet.ContainerSpec{Name: "c", Image: "app"})
		if err != nil {
			t.Fatal(err)
		}
		if err := rt.StartContainer(ctx, id); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d != 9*time.Second {
			t.Errorf("pull and start took %v, want 9s", d)
		}
		time.Sleep(time.Minute + time.Nanosecond)
		list, err := rt.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c := list[0].Containers[0]
		if c.State != kubelet.StateExited || c.ExitCode != 4 || c.FinishedAt.Sub(c.StartedAt) != time.Minute {
			t.Errorf("state %v, exit code %d, ran %v", c.State, c.ExitCode, c.FinishedAt.Sub(c.StartedAt))
		}
	})
}
