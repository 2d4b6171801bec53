package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/connect"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/controller"
	"github.com/keelson-project/keelson/scheduler"
	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
)

// Cluster is a running cluster.
type Cluster struct {
	options Options
	pki     *standard.PKI
	store   store.Store
	server  *apiserver.Server
	client  *kubernetes.Clientset
	local   *localKubelets

	stages []*stage // in the order of their start
	done   chan struct{}
	failed chan error // the first failure of any part
	close  sync.Once
	err    error // valid after done
}

// Start starts a cluster and returns when all of its parts are ready. It runs
// until ctx ends, Close is called or a part fails; after an error nothing is
// left of it.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	o = withSimulatedNodes(o)
	c := &Cluster{options: o, pki: o.PKI, store: o.Store, done: make(chan struct{}), failed: make(chan error, 1)}
	if err := c.build(); err != nil {
		return nil, errors.Join(err, c.release())
	}
	if err := c.start(ctx); err != nil {
		c.stop(err)
		return nil, c.err
	}
	go func() {
		select {
		case <-ctx.Done():
			c.stop(nil)
		case err := <-c.failed:
			c.stop(err)
		case <-c.done:
		}
	}()
	return c, nil
}

// build makes what the parts share.
func (c *Cluster) build() (err error) {
	o := &c.options
	if c.pki == nil {
		if c.pki, err = standard.NewPKI(); err != nil {
			return err
		}
	}
	if c.store == nil {
		c.store = memory.New()
	}
	c.local = newLocalKubelets()
	c.server, err = standard.New(standard.Config{
		Store: c.store, PKI: c.pki, Listener: o.Listener, ServerIPs: o.ServerIPs, Advertise: o.Advertise,
		Tokens: o.Tokens, ServiceCIDRs: []netip.Prefix{o.ServiceCIDR}, ClusterDomain: o.ClusterDomain, Logger: o.Logger,
		Admission: standard.Admission{NodeRestriction: true},
		Kubelets: func(client kubernetes.Interface) connect.Kubelets {
			c.local.remote = standard.NewNodeKubelets(client, c.pki.CA)
			return c.local
		},
	})
	if err != nil {
		return err
	}
	c.client, err = kubernetes.NewForConfig(c.Config())
	return err
}

// start brings the parts up, each stage once the one before it is ready.
func (c *Cluster) start(ctx context.Context) error {
	o := &c.options
	if err := c.stage(ctx, part{"API server", c.server}); err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(c.Config())
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	controllers, err := controller.NewManager(controller.Config{
		Client: c.client, Metadata: meta, Controllers: o.Controllers, RootCA: c.pki.CA.PEM(),
		ClusterCIDRs: []netip.Prefix{o.PodCIDR}, Logger: o.Logger,
	})
	if err != nil {
		return err
	}
	sched, err := scheduler.New(scheduler.Config{Client: c.client, Logger: o.Logger})
	if err != nil {
		return err
	}
	if err := c.stage(ctx, part{"controller manager", controllers}, part{"scheduler", sched}); err != nil {
		return err
	}
	var nodes []part
	for i := range o.Nodes {
		parts, err := c.node(&o.Nodes[i])
		if err != nil {
			return err
		}
		nodes = append(nodes, parts...)
	}
	return c.stage(ctx, nodes...)
}

// Config is a client configuration for the cluster, as an administrator, in
// memory. It is the caller's to change.
func (c *Cluster) Config() *rest.Config { return c.server.LoopbackConfig() }

// Client is a client of the cluster, as an administrator, in memory.
func (c *Cluster) Client() kubernetes.Interface { return c.client }

// Server is the API server.
func (c *Cluster) Server() *apiserver.Server { return c.server }

// PKI are the cluster's keys.
func (c *Cluster) PKI() *standard.PKI { return c.pki }

// Done is closed when the cluster has stopped.
func (c *Cluster) Done() <-chan struct{} { return c.done }

// Err is why the cluster has stopped, once Done is closed: nil if it was told to.
func (c *Cluster) Err() error {
	<-c.done
	return c.err
}

// Close stops the cluster and returns when all of it is gone. A second call
// waits for the first.
func (c *Cluster) Close() error {
	c.stop(nil)
	return c.Err()
}

// stop ends the stages, last one first.
func (c *Cluster) stop(cause error) {
	c.close.Do(func() {
		errs := []error{cause}
		for i := len(c.stages) - 1; i >= 0; i-- {
			errs = append(errs, c.stages[i].stop())
		}
		errs = append(errs, c.release())
		c.err = errors.Join(errs...)
		close(c.done)
	})
	<-c.done
}

// release frees what build made.
func (c *Cluster) release() error {
	var err error
	if c.options.Store == nil && c.store != nil {
		err = c.store.Close()
	}
	return err
}
