package leaderelection

import (
	"errors"
	"fmt"
	"time"
)

// Config names the lease that decides who works.
type Config struct {
	// Namespace of the Lease; default kube-system.
	Namespace string
	// Name of the Lease; each component has a default of its own, that of the
	// upstream program.
	Name string
	// Identity sets this candidate apart from the others. Required.
	Identity string
	// LeaseDuration is how long the others wait after the last renewal they saw
	// before one of them takes over. Default 15 s.
	LeaseDuration time.Duration
	// RenewDeadline is how long the leader tries to renew before it gives up.
	// It is shorter than LeaseDuration. Default 10 s.
	RenewDeadline time.Duration
	// RetryPeriod is the pause between tries. Default 2 s.
	RetryPeriod time.Duration
}

// Complete returns c with its defaults, or says what is wrong with it. The
// name is used if c has none.
func (c Config) Complete(name string) (Config, error) {
	if c.Namespace == "" {
		c.Namespace = "kube-system"
	}
	if c.Name == "" {
		c.Name = name
	}
	if c.LeaseDuration == 0 {
		c.LeaseDuration = 15 * time.Second
	}
	if c.RenewDeadline == 0 {
		c.RenewDeadline = 10 * time.Second
	}
	if c.RetryPeriod == 0 {
		c.RetryPeriod = 2 * time.Second
	}
	switch {
	case c.Identity == "":
		return c, errors.New("leader election: Identity is empty: give each instance its own")
	case c.RetryPeriod <= 0 || c.RenewDeadline <= c.RetryPeriod || c.LeaseDuration <= c.RenewDeadline:
		return c, fmt.Errorf("leader election: want RetryPeriod (%v) < RenewDeadline (%v) < LeaseDuration (%v)",
			c.RetryPeriod, c.RenewDeadline, c.LeaseDuration)
	}
	return c, nil
}
