package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// outputLimit bounds what of a failure's output is told, in bytes.
const outputLimit = 10 << 10

// Target is what a probe is tried on.
type Target struct {
	// Container is the one the probe belongs to; its ports have names.
	Container *corev1.Container
	// IP is the pod's address.
	IP string
	// Timeout is the probe's, for messages; ctx ends the try.
	Timeout time.Duration
}

// Run tries an HTTP, TCP or gRPC check once and returns nil if it succeeds.
// The error's text is the failure, for the user.
func Run(ctx context.Context, h corev1.ProbeHandler, t Target) error {
	switch {
	case h.HTTPGet != nil:
		return httpGet(ctx, h.HTTPGet, t)
	case h.TCPSocket != nil:
		return tcp(ctx, h.TCPSocket, t)
	case h.GRPC != nil:
		return grpc(ctx, h.GRPC, t)
	}
	return errors.New("missing probe handler")
}

// Failure is a failed check with its output.
func Failure(output string) error {
	if len(output) > outputLimit {
		output = output[:outputLimit]
	}
	return errors.New(output)
}

// Timeout is the failure of a command that did not end in time.
func Timeout(command []string, limit time.Duration) error {
	return fmt.Errorf("command timed out: %q timed out after %s", command, limit)
}

// Port resolves a port by number, or by its name in the container.
func Port(port intstr.IntOrString, c *corev1.Container) (int, error) {
	number := port.IntValue()
	if port.Type == intstr.String {
		number = 0
		for i := range c.Ports {
			if c.Ports[i].Name == port.StrVal {
				number = int(c.Ports[i].ContainerPort)
			}
		}
		if number == 0 {
			var err error
			if number, err = strconv.Atoi(port.StrVal); err != nil {
				return 0, fmt.Errorf("couldn't find port: %s of container %s", port.StrVal, c.Name)
			}
		}
	}
	if number < 1 || number > 65535 {
		return 0, fmt.Errorf("invalid port number: %d", number)
	}
	return number, nil
}

func tcp(ctx context.Context, h *corev1.TCPSocketAction, t Target) error {
	port, err := Port(h.Port, t.Container)
	if err != nil {
		return err
	}
	host := h.Host
	if host == "" {
		host = t.IP
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	conn.Close()
	return nil
}
