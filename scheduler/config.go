package scheduler

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/keelson-project/keelson/leaderelection"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/plugins/defaultbinder"
	"github.com/keelson-project/keelson/scheduler/plugins/defaultpreemption"
	"github.com/keelson-project/keelson/scheduler/plugins/imagelocality"
	"github.com/keelson-project/keelson/scheduler/plugins/interpodaffinity"
	"github.com/keelson-project/keelson/scheduler/plugins/nodeaffinity"
	"github.com/keelson-project/keelson/scheduler/plugins/nodename"
	"github.com/keelson-project/keelson/scheduler/plugins/nodeports"
	"github.com/keelson-project/keelson/scheduler/plugins/noderesources"
	"github.com/keelson-project/keelson/scheduler/plugins/nodeunschedulable"
	"github.com/keelson-project/keelson/scheduler/plugins/podtopologyspread"
	"github.com/keelson-project/keelson/scheduler/plugins/queuesort"
	"github.com/keelson-project/keelson/scheduler/plugins/schedulinggates"
	"github.com/keelson-project/keelson/scheduler/plugins/tainttoleration"
	"github.com/keelson-project/keelson/scheduler/plugins/volumebinding"
)

// Config is what a [Scheduler] is made of. Only Client is required.
type Config struct {
	// Client reaches the API server.
	Client kubernetes.Interface
	// Name is the spec.schedulerName of the pods to schedule. Default: default-scheduler.
	Name string
	// Plugins in the order they are called. Default: [DefaultPlugins].
	Plugins []framework.Enabled
	// Seed picks among nodes that are equally good; the same seed and the same order of
	// events give the same nodes.
	Seed uint64
	// Parallelism is how many goroutines may filter nodes for one pod. Default: GOMAXPROCS.
	Parallelism int
	// BindParallelism is how many pods are bound at once. Default: 64.
	BindParallelism int
	// PercentageOfNodesToScore is how many nodes, in percent, are looked for before the
	// best of them is taken. Default: between 50 and 5, the fewer the larger the cluster.
	PercentageOfNodesToScore int
	// InitialBackoff and MaxBackoff bound how long a pod waits between attempts. Default: 1 s and 10 s.
	InitialBackoff, MaxBackoff time.Duration
	// LeaderElection lets one of several schedulers work at a time. Nil: this one works always.
	LeaderElection *leaderelection.Config
	// Logger receives what goes wrong and is retried. Nil discards.
	Logger *slog.Logger
}

// DefaultPlugins returns the plugins, their order and their weights that kube-scheduler has by default.
func DefaultPlugins() []framework.Enabled {
	return []framework.Enabled{
		{Plugin: schedulinggates.Plugin{}},
		{Plugin: queuesort.Plugin{}},
		{Plugin: nodename.Plugin{}},
		{Plugin: nodeunschedulable.Plugin{}},
		{Plugin: tainttoleration.Plugin{}, Weight: 3},
		{Plugin: nodeaffinity.Plugin{}, Weight: 2},
		{Plugin: nodeports.Plugin{}},
		{Plugin: noderesources.Fit{}},
		{Plugin: volumebinding.Plugin{}},
		{Plugin: podtopologyspread.Plugin{}, Weight: 2},
		{Plugin: interpodaffinity.Plugin{}, Weight: 2},
		{Plugin: defaultpreemption.Plugin{}},
		{Plugin: noderesources.BalancedAllocation{}},
		{Plugin: imagelocality.Plugin{}},
		{Plugin: defaultbinder.Plugin{}},
	}
}

func (c Config) complete() (Config, error) {
	if c.Client == nil {
		return c, errors.New("scheduler: Config.Client is nil, give it a client of the API server")
	}
	if c.Name == "" {
		c.Name = corev1.DefaultSchedulerName
	}
	if c.Plugins == nil {
		c.Plugins = DefaultPlugins()
	}
	if c.BindParallelism <= 0 {
		c.BindParallelism = 64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LeaderElection != nil {
		election, err := c.LeaderElection.Complete("kube-scheduler")
		if err != nil {
			return c, fmt.Errorf("scheduler: %w", err)
		}
		c.LeaderElection = &election
	}
	return c, nil
}

// instance names this process as the reporter of events.
func instance(name string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return name
	}
	id := fmt.Sprintf("%s-%s", name, host)
	return id[:min(len(id), 128)]
}
