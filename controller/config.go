package controller

import (
	"log/slog"
	"net/netip"

	"github.com/keelson-project/keelson/leaderelection"

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
	LeaderElection *leaderelection.Config
	// Logger gets what the manager and its controllers have to say. Nil discards.
	Logger *slog.Logger
}

func (c Config) controllers() []Controller {
	if c.Controllers != nil {
		return c.Controllers
	}
	return append(Default(), configured(c)...)
}
