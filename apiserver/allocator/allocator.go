package allocator

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes"
	netutils "k8s.io/utils/net"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/core"
	"github.com/keelson-project/keelson/store"
)

// Config configures an Allocator. Client, Store and CIDRs are required.
type Config struct {
	// Client keeps IPAddress and ServiceCIDR objects and lists Services.
	Client kubernetes.Interface
	// Store keeps the record of node ports.
	Store store.Store
	// CIDRs are the cluster's service ranges, one or two of different IP
	// families, the primary first. They become the ServiceCIDR "kubernetes".
	CIDRs []netip.Prefix
	// NodePorts is the range of node ports; zero means 30000-32767.
	NodePorts PortRange
}

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// String is "first-last".
func (r PortRange) String() string { return fmt.Sprintf("%d-%d", r.First, r.Last) }

func (r PortRange) contains(port int32) bool {
	return port >= int32(r.First) && port <= int32(r.Last)
}

// Allocator completes Services as they are written.
type Allocator struct {
	addresses *addresses
	ports     *ports
	families  []corev1.IPFamily
}

// New returns an Allocator; Install makes a Service kind use it.
func New(c Config) (*Allocator, error) {
	if c.Client == nil || c.Store == nil || len(c.CIDRs) == 0 {
		return nil, errors.New("allocator: Config needs Client, Store and CIDRs")
	}
	if c.NodePorts == (PortRange{}) {
		c.NodePorts = PortRange{First: 30000, Last: 32767}
	}
	if c.NodePorts.First == 0 || c.NodePorts.First > c.NodePorts.Last {
		return nil, fmt.Errorf("allocator: node port range %s is empty or begins at 0", c.NodePorts)
	}
	a := &Allocator{addresses: &addresses{client: c.Client, cidrs: c.CIDRs}, ports: newPorts(c.Store, c.NodePorts)}
	for _, cidr := range c.CIDRs {
		a.families = append(a.families, familyOf(cidr.Addr()))
	}
	if len(c.CIDRs) > 2 || len(c.CIDRs) == 2 && a.families[0] == a.families[1] {
		return nil, fmt.Errorf("allocator: service ranges %v: want one, or two of different IP families", c.CIDRs)
	}
	return a, nil
}

// Install makes the kind of Services take addresses and ports from a.
func (a *Allocator) Install(services *kinds.Kind) {
	services.Begin = func(ctx context.Context, obj, old kinds.Object, dryRun kinds.DryRun) (func(kinds.Stored), error) {
		was, _ := old.(*corev1.Service)
		return a.begin(ctx, obj.(*corev1.Service), was, dryRun)
	}
	services.AfterDelete = func(obj kinds.Object) { a.release(obj.(*corev1.Service)) }
}

func familyOf(ip netip.Addr) corev1.IPFamily {
	if ip.Unmap().Is4() {
		return corev1.IPv4Protocol
	}
	return corev1.IPv6Protocol
}

func headless(s *corev1.Service) bool {
	return len(s.Spec.ClusterIPs) > 0 && s.Spec.ClusterIPs[0] == corev1.ClusterIPNone || s.Spec.ClusterIP == corev1.ClusterIPNone
}

// needsIP reports whether a service has cluster IPs.
func needsIP(s *corev1.Service) bool {
	return s.Spec.Type != corev1.ServiceTypeExternalName && !headless(s)
}

// hasPorts reports whether a service may have node ports, and givesPorts
// whether it is given those that it does not name.
func hasPorts(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeNodePort || s.Spec.Type == corev1.ServiceTypeLoadBalancer
}

func givesPorts(s *corev1.Service) bool {
	return hasPorts(s) && (s.Spec.AllocateLoadBalancerNodePorts == nil || *s.Spec.AllocateLoadBalancerNodePorts || s.Spec.Type == corev1.ServiceTypeNodePort)
}

func needsHealthPort(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}

// begin takes what svc needs beyond what old has; what is taken is given back
// if the write fails, and what old no longer needs if it succeeds.
func (a *Allocator) begin(ctx context.Context, svc, old *corev1.Service, dryRun kinds.DryRun) (func(kinds.Stored), error) {
	if old != nil {
		core.KeepAllocated(svc, old)
	}
	core.SyncClusterIPs(svc, old)
	if errs := a.setFamilies(svc, old); len(errs) > 0 {
		return nil, invalid(svc, errs)
	}
	// The write outlives the request's own deadline where things are given
	// back, so that a client that hangs up leaks nothing.
	background := context.WithoutCancel(ctx)

	var ips []netip.Addr
	var ports []int32
	undo := func() {
		if !dryRun {
			a.addresses.release(background, svc, ips)
			a.ports.release(background, ports)
		}
	}
	ips, err := a.takeIPs(ctx, svc, old, dryRun)
	if err == nil {
		ports, err = a.takePorts(ctx, svc, old, dryRun)
	}
	if err != nil {
		undo()
		return nil, err
	}
	return func(stored kinds.Stored) {
		if !stored {
			undo()
			return
		}
		if old != nil {
			a.addresses.release(background, old, without(addressesOf(old), addressesOf(svc)))
			a.ports.release(background, withoutPorts(portsOf(old), portsOf(svc)))
		}
	}, nil
}

func (a *Allocator) release(svc *corev1.Service) {
	ctx := context.Background()
	a.addresses.release(ctx, svc, addressesOf(svc))
	a.ports.release(ctx, portsOf(svc))
}

func invalid(svc *corev1.Service, errs field.ErrorList) error {
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, svc.Name, errs)
}

// addressesOf lists the cluster IPs that a service holds.
func addressesOf(s *corev1.Service) []netip.Addr {
	if s == nil || !needsIP(s) {
		return nil
	}
	var ips []netip.Addr
	for _, text := range s.Spec.ClusterIPs {
		if ip, ok := parse(text); ok {
			ips = append(ips, ip)
		}
	}
	return ips
}

// parse reads an address as leniently as old services were read.
func parse(text string) (netip.Addr, bool) {
	ip, ok := netip.AddrFromSlice(netutils.ParseIPSloppy(text))
	return ip.Unmap(), ok
}

// portsOf lists the node ports that a service holds, each once.
func portsOf(s *corev1.Service) []int32 {
	if s == nil {
		return nil
	}
	var ports []int32
	add := func(port int32) {
		if port != 0 {
			ports = append(withoutPorts(ports, []int32{port}), port)
		}
	}
	if hasPorts(s) {
		for i := range s.Spec.Ports {
			add(s.Spec.Ports[i].NodePort)
		}
	}
	if needsHealthPort(s) {
		add(s.Spec.HealthCheckNodePort)
	}
	return ports
}

func without(list, remove []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(list), func(ip netip.Addr) bool { return slices.Contains(remove, ip) })
}

func withoutPorts(list, remove []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(list), func(p int32) bool { return slices.Contains(remove, p) })
}
