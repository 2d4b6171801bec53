package controller

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"

	"github.com/keelson-project/keelson/controller/reconcile"
)

// Controller, Runner and Shared are the contract between a manager and what it runs.
type (
	// Controller is one control loop; see [reconcile.Controller].
	Controller = reconcile.Controller
	// Runner is a wired controller; see [reconcile.Runner].
	Runner = reconcile.Runner
	// Shared holds what the controllers of one run have in common; see [reconcile.Shared].
	Shared = reconcile.Shared
)

// Config says what a [Manager] runs and against which server.
type Config struct {
	// Client talks to the API server. Required.
	Client kubernetes.Interface
	// Metadata reads and deletes objects of any kind. The default controllers need it
	// (namespace, garbage collector, quota).
	Metadata metadata.Interface
	// Discovery tells which kinds there are. Nil means Client.Discovery().
	Discovery discovery.DiscoveryInterface
	// Controllers are the loops to run. Nil means [Default], with those added that the
	// two fields below ask for.
	Controllers []Controller
	// RootCA is the PEM bundle that pods verify the API server with. If set, and
	// Controllers is nil, it is published in every namespace.
	RootCA []byte
	// ClusterCIDRs are the ranges that nodes get their pod ranges from, at most one per
	// address family. If set, and Controllers is nil, every node gets its spec.podCIDRs.
	ClusterCIDRs []netip.Prefix
	// LeaderElection makes the controllers run in one manager at a time of all those
	// that name the same lease. Nil runs them at once.
	LeaderElection *LeaderElection
	// Logger gets what the manager and its controllers have to say. Nil discards.
	Logger *slog.Logger
}

// LeaderElection names the lease that decides which manager works.
type LeaderElection struct {
	// Namespace and Name of the Lease object. They default to kube-system and
	// kube-controller-manager, the ones of the upstream program.
	Namespace, Name string
	// Identity sets this manager apart from the others. Required.
	Identity string
	// LeaseDuration is how long the others wait after the last renewal they saw before
	// one of them takes over. Default 15 s.
	LeaseDuration time.Duration
	// RenewDeadline is how long the leader tries to renew before it gives up. It is
	// shorter than LeaseDuration. Default 10 s.
	RenewDeadline time.Duration
	// RetryPeriod is the pause between tries. Default 2 s.
	RetryPeriod time.Duration
}

func (e LeaderElection) withDefaults() (LeaderElection, error) {
	if e.Namespace == "" {
		e.Namespace = "kube-system"
	}
	if e.Name == "" {
		e.Name = "kube-controller-manager"
	}
	if e.LeaseDuration == 0 {
		e.LeaseDuration = 15 * time.Second
	}
	if e.RenewDeadline == 0 {
		e.RenewDeadline = 10 * time.Second
	}
	if e.RetryPeriod == 0 {
		e.RetryPeriod = 2 * time.Second
	}
	switch {
	case e.Identity == "":
		return e, errors.New("controller: no identity to elect: set LeaderElection.Identity")
	case e.RetryPeriod <= 0 || e.RenewDeadline <= e.RetryPeriod || e.LeaseDuration <= e.RenewDeadline:
		return e, fmt.Errorf("controller: leader election needs RetryPeriod (%v) < RenewDeadline (%v) < LeaseDuration (%v)",
			e.RetryPeriod, e.RenewDeadline, e.LeaseDuration)
	}
	return e, nil
}

func (c Config) controllers() []Controller {
	if c.Controllers != nil {
		return c.Controllers
	}
	return append(Default(), configured(c)...)
}
