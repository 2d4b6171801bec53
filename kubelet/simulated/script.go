package simulated

import (
	"context"
	"io"
	"time"

	"github.com/keelson-project/keelson/kubelet"
)

// Config says how a simulated runtime behaves. The zero Config is one where
// every image is there at once and every container runs until stopped.
type Config struct {
	// Script says how a container behaves, asked each time one is started.
	// nil lets all run until they are stopped.
	Script func(pod kubelet.SandboxSpec, container kubelet.ContainerSpec) Behaviour
	// Pull says how pulling an image goes, asked at each pull. nil lets all
	// succeed at once.
	Pull func(ref string, auth *kubelet.RegistryAuth) Pull
	// SandboxError makes RunSandbox fail, if it returns an error.
	SandboxError func(pod kubelet.SandboxSpec) error
	// Version is the name the runtime reports; default "simulated://1.0.0".
	Version string
}

// Pull is how one pull of an image goes.
type Pull struct {
	// Time is how long it takes.
	Time time.Duration
	// Err makes it fail after Time.
	Err error
	// Size is the image's size in bytes; default 10,000,000.
	Size int64
	// User is the user the image names.
	User string
}

// Behaviour is what one container does. The zero Behaviour runs until it is
// stopped and then ends with exit code 0.
type Behaviour struct {
	// CreateError and StartError make these steps fail. A StartError leaves
	// the container exited with code 128.
	CreateError, StartError error
	// StartTime is how long StartContainer takes.
	StartTime time.Duration
	// Exits lets the container end by itself, ExitAfter its start and with
	// ExitCode and Message.
	Exits     bool
	ExitAfter time.Duration
	ExitCode  int
	// Reason is the reason of the exit; default "Completed" for code 0 and
	// "Error" for others.
	Reason, Message string
	// StopTime is how long the container takes to end once its stop signal
	// has come; longer than the grace period, it is killed (exit code 137).
	StopTime time.Duration
	// StopCode is the exit code after a stop signal.
	StopCode int
	// Log is written to the container's log, one line each, when it starts.
	Log []string
	// Main, if set, is the container: it runs in a goroutine of its own, its
	// context ends when the container is stopped, and its result is the exit
	// code. Exits and StopTime are then ignored.
	Main func(ctx context.Context, p Process) int
	// Probe answers http, tcp and grpc probes; nil succeeds.
	Probe func(ctx context.Context, probe kubelet.ProbeRequest) error
	// Exec runs a command in the container; nil runs a few usual ones
	// (echo, cat, env, hostname, true, false) and lets all others succeed.
	Exec func(ctx context.Context, command []string, streams kubelet.Streams) error
	// Serve answers a connection to a port; nil sends back what it gets.
	Serve func(ctx context.Context, port uint16, stream io.ReadWriteCloser) error
	// CPU is the number of cores in use and Memory the bytes; for stats.
	CPU    float64
	Memory uint64
}

// Process is what a container's Main gets of its surroundings.
type Process struct {
	Pod            kubelet.SandboxSpec
	Container      kubelet.ContainerSpec
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}
