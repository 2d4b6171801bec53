package kubelet

import (
	"fmt"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// The limits of resolver configurations.
const (
	maxNameservers = 3
	maxSearches    = 32
	maxSearchChars = 2048
)

// resolver is the content of a resolv.conf.
type resolver struct {
	nameservers, searches, options []string
}

// parseResolver reads a resolv.conf.
func parseResolver(text string) resolver {
	var r resolver
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.HasPrefix(words[0], "#") || strings.HasPrefix(words[0], ";") {
			continue
		}
		switch words[0] {
		case "nameserver":
			r.nameservers = append(r.nameservers, words[1])
		case "search":
			r.searches = words[1:]
		case "options":
			r.options = words[1:]
		}
	}
	return r
}

// String writes a resolv.conf.
func (r resolver) String() string {
	var b strings.Builder
	if len(r.searches) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(r.searches, " "))
	}
	for _, server := range r.nameservers {
		fmt.Fprintf(&b, "nameserver %s\n", server)
	}
	if len(r.options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(r.options, " "))
	}
	return b.String()
}

// podResolver works out a pod's resolver from its policy. host is the node's,
// cluster the cluster's name servers.
func podResolver(pod *corev1.Pod, host resolver, cluster []string, domain string) resolver {
	policy := pod.Spec.DNSPolicy
	if policy == "" {
		policy = corev1.DNSClusterFirst
	}
	inCluster := policy == corev1.DNSClusterFirstWithHostNet || policy == corev1.DNSClusterFirst && !pod.Spec.HostNetwork
	var r resolver
	switch {
	case policy == corev1.DNSNone:
	case inCluster && len(cluster) > 0:
		r.nameservers = slices.Clone(cluster)
		r.searches = append([]string{pod.Namespace + ".svc." + domain, "svc." + domain, domain}, host.searches...)
		r.options = []string{"ndots:5"}
	default:
		r = resolver{slices.Clone(host.nameservers), slices.Clone(host.searches), slices.Clone(host.options)}
	}
	if c := pod.Spec.DNSConfig; c != nil {
		r.nameservers = union(r.nameservers, c.Nameservers)
		r.searches = union(r.searches, c.Searches)
		r.options = mergeOptions(r.options, c.Options)
	}
	r.nameservers = r.nameservers[:min(len(r.nameservers), maxNameservers)]
	r.searches = union(nil, r.searches)
	r.searches = r.searches[:min(len(r.searches), maxSearches)]
	for len(strings.Join(r.searches, " ")) > maxSearchChars {
		r.searches = r.searches[:len(r.searches)-1]
	}
	return r
}

// union appends what is not there yet.
func union(list, more []string) []string {
	for _, s := range more {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	return list
}

// mergeOptions replaces options by those of the same name and adds the others.
func mergeOptions(list []string, more []corev1.PodDNSConfigOption) []string {
	for _, option := range more {
		text := option.Name
		if option.Value != nil && *option.Value != "" {
			text += ":" + *option.Value
		}
		i := slices.IndexFunc(list, func(have string) bool {
			name, _, _ := strings.Cut(have, ":")
			return name == option.Name
		})
		if i >= 0 {
			list[i] = text
		} else {
			list = append(list, text)
		}
	}
	return list
}

// hostsFile is the content of a pod's /etc/hosts. node is the node's own, for
// pods on the host network.
func hostsFile(pod *corev1.Pod, ips []string, host, domain, node string) string {
	var b strings.Builder
	if pod.Spec.HostNetwork {
		b.WriteString("# Kubernetes-managed hosts file (host network).\n")
		b.WriteString(node)
	} else {
		b.WriteString("# Kubernetes-managed hosts file.\n")
		b.WriteString("127.0.0.1\tlocalhost\n")
		b.WriteString("::1\tlocalhost ip6-localhost ip6-loopback\n")
		b.WriteString("fe00::\tip6-localnet\n")
		b.WriteString("fe00::\tip6-mcastprefix\n")
		b.WriteString("fe00::1\tip6-allnodes\n")
		b.WriteString("fe00::2\tip6-allrouters\n")
		for _, ip := range ips {
			if domain != "" {
				fmt.Fprintf(&b, "%s\t%s.%s\t%s\n", ip, host, domain, host)
			} else {
				fmt.Fprintf(&b, "%s\t%s\n", ip, host)
			}
		}
	}
	if len(pod.Spec.HostAliases) > 0 {
		b.WriteString("\n# Entries added by HostAliases.\n")
		for _, alias := range pod.Spec.HostAliases {
			fmt.Fprintf(&b, "%s\t%s\n", alias.IP, strings.Join(alias.Hostnames, "\t"))
		}
	}
	return b.String()
}

// etcFiles are the files of name resolution of a pod, by path in its
// containers. A simulated node makes none.
func (k *Kubelet) etcFiles(pod *corev1.Pod, ips []string) map[string]string {
	if k.simulated() {
		return nil
	}
	host, domain := k.hostname(pod)
	nodeResolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		k.log.Debug("the node has no resolver configuration", "err", err)
	}
	files := map[string]string{
		"/etc/resolv.conf": podResolver(pod, parseResolver(string(nodeResolver)), k.cfg.ClusterDNS, k.cfg.ClusterDomain).String(),
	}
	var nodeHosts []byte
	if pod.Spec.HostNetwork {
		if nodeHosts, err = os.ReadFile("/etc/hosts"); err != nil {
			k.log.Debug("the node has no hosts file", "err", err)
		}
	} else {
		name := host
		if domain != "" && isSet(pod.Spec.SetHostnameAsFQDN) {
			name = host + "." + domain
		}
		files["/etc/hostname"] = name + "\n"
	}
	files["/etc/hosts"] = hostsFile(pod, ips, host, domain, string(nodeHosts))
	return files
}
