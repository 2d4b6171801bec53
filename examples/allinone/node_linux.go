package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/cluster"
	"github.com/keelson-project/keelson/internal/imagebuild"
	"github.com/keelson-project/keelson/kubelet/cgroup"
	"github.com/keelson-project/keelson/kubelet/containerd"
	"github.com/keelson-project/keelson/netplugin"
	"github.com/keelson-project/keelson/netplugin/bridge"
	"github.com/keelson-project/keelson/proxy/nftables"
)

// node is this machine, opened.
type node struct {
	node cluster.Node
	// advertise is the address by which pods reach the API server.
	advertise netip.Addr
	// image is that of this program.
	image string
}

func imageOf(n *node) string {
	if n == nil {
		return "keelson.local/allinone:simulated"
	}
	return n.image
}

// pullPolicyOf is Never where the image has been packed here, for no registry
// has it.
func pullPolicyOf(n *node) corev1.PullPolicy {
	if n == nil {
		return corev1.PullIfNotPresent
	}
	return corev1.PullNever
}

// openNode starts containerd and opens the network. What it makes on this
// machine is taken away by undo.
func openNode(ctx context.Context, o options, logger *slog.Logger, undo *cleanups) (*node, error) {
	state := stateDir(o.dataDir)
	rt, err := containerd.Start(ctx, containerd.Config{
		RootDir: filepath.Join(o.dataDir, "containerd"), StateDir: filepath.Join(state, "containerd"),
		Registries: registries(o.registries), Logger: logger,
	})
	if err != nil {
		return nil, err
	}
	cgroups := cgroup.New(cgroup.Mount, filepath.Base(state))
	undo.add(func() error {
		return errors.Join(removeAll(rt), rt.Close(), cgroups.RemoveAll(), removeState(o.dataDir))
	})
	n := &node{advertise: lastAddr(o.podCIDR)}
	if n.image, err = importSelf(ctx, rt); err != nil {
		return nil, err
	}
	if o.images != "" {
		if err := importAll(ctx, rt, o.images); err != nil {
			return nil, err
		}
	}
	backend, err := nftables.New(nftables.Config{ClusterCIDRs: []netip.Prefix{o.podCIDR}, Logger: logger})
	if err != nil {
		return nil, err
	}
	// Not with the context of the run, which has ended by then.
	undo.add(func() error { return errors.Join(backend.Cleanup(context.Background()), backend.Close()) })
	ip, err := nodeAddress()
	if err != nil {
		return nil, err
	}
	remove, err := addLoopback(n.advertise)
	if err != nil {
		return nil, err
	}
	undo.add(remove)
	if !ip.IsValid() {
		ip = n.advertise // a machine without a network of its own
	}
	listener, err := listenKubelet(ip)
	if err != nil {
		return nil, err
	}
	undo.add(func() error { return ignoreClosed(listener.Close()) })
	n.node = cluster.Node{
		Name: o.nodeName, Runtime: rt, Proxy: backend, IPs: []netip.Addr{ip}, Listener: listener,
		RootDir: filepath.Join(o.dataDir, "kubelet"), CgroupRoot: "/" + filepath.Base(state),
		Network: func(cidrs []netip.Prefix) (netplugin.Plugin, error) {
			b, err := bridge.New(bridge.Config{
				PodCIDRs: cidrs, ClusterCIDRs: []netip.Prefix{o.podCIDR}, StateDir: filepath.Join(o.dataDir, "network"), Logger: logger,
			})
			if err != nil {
				return nil, err
			}
			undo.add(func() error { return b.Cleanup(context.Background()) })
			return b, nil
		},
	}
	return n, nil
}

func registries(m mirrors) map[string]containerd.Registry {
	out := map[string]containerd.Registry{}
	for host, urls := range m {
		out[host] = containerd.Registry{Mirrors: urls}
	}
	return out
}

// kubeletPort is where kubelets listen; if something else does, any port is as
// good, for the node's status tells it.
const kubeletPort = 10250

func listenKubelet(ip netip.Addr) (net.Listener, error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(ip, kubeletPort).String())
	if err != nil {
		l, err = net.Listen("tcp", netip.AddrPortFrom(ip, 0).String())
	}
	if err != nil {
		return nil, fmt.Errorf("the kubelet cannot listen on %s: %w", ip, err)
	}
	return l, nil
}

// removeAll ends every container: the process is about to leave nothing but
// data behind. The kubelet makes them anew at the next start.
func removeAll(rt *containerd.Runtime) error {
	ctx := context.Background()
	sandboxes, err := rt.List(ctx)
	if err != nil {
		return err
	}
	results := make(chan error, len(sandboxes))
	for _, s := range sandboxes {
		go func() { results <- errors.Join(rt.StopSandbox(ctx, s.ID), rt.RemoveSandbox(ctx, s.ID)) }()
	}
	var errs []error
	for range sandboxes {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// importSelf packs this program into an image, which the CoreDNS pods run, and
// returns its name. The same file is packed only once.
func importSelf(ctx context.Context, rt *containerd.Runtime) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding this program's file: %w", err)
	}
	info, err := os.Stat(exe)
	if err != nil {
		return "", fmt.Errorf("this program's file: %w", err)
	}
	ref := fmt.Sprintf("keelson.local/allinone:%x-%x", info.Size(), info.ModTime().UnixNano())
	if _, err := rt.ImageStatus(ctx, ref); err == nil {
		return ref, nil
	}
	img, err := imagebuild.FromBinary(exe, "/allinone")
	if err != nil {
		return "", fmt.Errorf("packing this program into an image: %w", err)
	}
	if err := importImage(ctx, rt, ref, img); err != nil {
		return "", fmt.Errorf("importing this program's image: %w", err)
	}
	return ref, rt.PinImage(ctx, ref)
}
