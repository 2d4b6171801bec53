package kubelet

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"crypto/tls"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/netplugin"
)

// Config is what a Kubelet is made of. Client, NodeName and Runtime are required.
type Config struct {
	// Client reaches the API as this node.
	Client kubernetes.Interface
	// NodeName is the name of the Node object, and the node's host name.
	NodeName string
	// Runtime runs the containers.
	Runtime Runtime
	// Network connects pods. nil takes the addresses that the Runtime gives.
	Network netplugin.Plugin

	// RootDir keeps the pods' volumes and files, as an absolute path. Empty
	// makes a simulated node: no file is written, no cgroup made, nothing
	// measured, and references to config maps and secrets are only checked.
	RootDir string
	// LogDir keeps the pods' log files; default RootDir/logs.
	LogDir string

	// CgroupRoot is the cgroup that the pods' cgroups are below, such as
	// "/node-1"; default is the root of the hierarchy. Nodes that share a
	// machine need different ones.
	CgroupRoot string

	// ClusterDNS are the name servers of pods with dnsPolicy ClusterFirst.
	ClusterDNS []string
	// ClusterDomain is the cluster's domain; default "cluster.local".
	ClusterDomain string

	// NodeIPs are the node's addresses, at most one of each family, the
	// primary one first. Default 127.0.0.1.
	NodeIPs []netip.Addr
	// PodCIDRs, if set, is told the node's pod ranges when they are first
	// known and whenever they change. Pods off the host network wait for it.
	PodCIDRs func(cidrs []string) error
	// Capacity overrides what the node would find out about its resources.
	Capacity corev1.ResourceList
	// Reserved is kept from pods: allocatable is capacity less this.
	Reserved corev1.ResourceList
	// Labels and Taints are those of a Node object that the kubelet creates.
	// Labels are also kept on one that is there already.
	Labels map[string]string
	Taints []corev1.Taint
	// Version is the kubelet version reported; default "v1.37.2".
	Version string

	// Server is the kubelet's own HTTPS server.
	Server ServerConfig

	// HeartbeatInterval is how often the node's lease is renewed and its
	// status is looked at; default 10 s. StatusInterval is how often the
	// status is written even if nothing has changed; default 5 min.
	HeartbeatInterval, StatusInterval time.Duration
	// ImageGC are the disk thresholds for removing unused images.
	ImageGC ImageGCConfig

	// Logger is told what happens; nil discards.
	Logger *slog.Logger
}

// ServerConfig is the kubelet's HTTPS server, which gives logs and runs exec,
// attach and port forwarding.
type ServerConfig struct {
	// Listener is where Run serves; nil serves nowhere, and Handler can be
	// used instead. Run closes it.
	Listener net.Listener
	// TLS is the configuration to serve with. With ClientCAs set, clients
	// must show a certificate of theirs. nil serves plain HTTP.
	TLS *tls.Config
	// Authorize lets a request through by returning nil; its error is told
	// to the client. nil lets all through that TLS has let through.
	Authorize func(*http.Request) error
	// Port is reported in the Node's daemonEndpoints; default is the
	// Listener's port, else 10250.
	Port int32
}

// ImageGCConfig says when unused images are removed.
type ImageGCConfig struct {
	// HighPercent is the disk usage that starts a collection, LowPercent the
	// one it tries to reach; default 85 and 80. HighPercent 100 never starts.
	HighPercent, LowPercent int
	// MinAge is how long an image must have been unused; default 2 min.
	MinAge time.Duration
	// Interval is how often the disk is looked at; default 5 min.
	Interval time.Duration
}

// complete checks the configuration and returns it with its defaults.
func (c Config) complete() (Config, error) {
	var missing []error
	if c.Client == nil {
		missing = append(missing, errors.New("Client is required"))
	}
	if c.NodeName == "" {
		missing = append(missing, errors.New("NodeName is required"))
	}
	if c.Runtime == nil {
		missing = append(missing, errors.New("Runtime is required"))
	}
	if c.RootDir != "" && !filepath.IsAbs(c.RootDir) {
		missing = append(missing, fmt.Errorf("RootDir %q must be an absolute path", c.RootDir))
	}
	if len(c.NodeIPs) > 2 {
		missing = append(missing, fmt.Errorf("NodeIPs has %d addresses, at most one of each family is possible", len(c.NodeIPs)))
	}
	if err := errors.Join(missing...); err != nil {
		return c, fmt.Errorf("kubelet: invalid Config: %w", err)
	}
	if c.RootDir != "" && c.LogDir == "" {
		c.LogDir = filepath.Join(c.RootDir, "logs")
	}
	if c.RootDir == "" {
		c.LogDir = ""
	}
	if c.ClusterDomain == "" {
		c.ClusterDomain = "cluster.local"
	}
	if len(c.NodeIPs) == 0 {
		c.NodeIPs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	if c.Version == "" {
		c.Version = "v1.37.2"
	}
	if c.Server.Port == 0 {
		c.Server.Port = 10250
		if c.Server.Listener != nil {
			if addr, ok := c.Server.Listener.Addr().(*net.TCPAddr); ok {
				c.Server.Port = int32(addr.Port)
			}
		}
	}
	defaultTo(&c.HeartbeatInterval, 10*time.Second)
	defaultTo(&c.StatusInterval, 5*time.Minute)
	defaultTo(&c.ImageGC.HighPercent, 85)
	defaultTo(&c.ImageGC.LowPercent, 80)
	defaultTo(&c.ImageGC.MinAge, 2*time.Minute)
	defaultTo(&c.ImageGC.Interval, 5*time.Minute)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.NodeIPs = slices.Clone(c.NodeIPs)
	c.Labels = maps.Clone(c.Labels)
	return c, nil
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
