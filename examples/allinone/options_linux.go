package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/api/validation"
)

// defaultDataDir is where everything is kept unless said otherwise.
const defaultDataDir = "/var/lib/keelson"

// options are the flags, checked.
type options struct {
	dataDir, kubeconfig  string
	listen               string
	store                string // "embedded", "memory" or etcd URLs
	runtime              string // "containerd" or "simulated"
	images               string
	nodeName             string
	podCIDR, serviceCIDR netip.Prefix
	registries           mirrors
	verbose              bool
}

// mirrors is a repeatable flag HOST=URL.
type mirrors map[string][]string

// String implements flag.Value.
func (m mirrors) String() string { return "" }

// Set implements flag.Value.
func (m mirrors) Set(text string) error {
	host, url, ok := strings.Cut(text, "=")
	if !ok || host == "" || !strings.Contains(url, "://") {
		return fmt.Errorf("want HOST=URL, such as docker.io=http://127.0.0.1:5000")
	}
	m[host] = append(m[host], url)
	return nil
}

// parse reads the flags of the main program.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{registries: mirrors{}}
	host, _ := os.Hostname()
	flags := flag.NewFlagSet("allinone", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.dataDir, "data-dir", defaultDataDir, "`directory` that keeps the cluster, images and volumes")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:6443", "`address` where the API server listens; port 0 picks one")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "`file` to write the administrator's kubeconfig to (default DATA-DIR/kubeconfig)")
	flags.StringVar(&o.store, "store", "embedded", "`kind` of store: embedded (etcd in this process), memory, or URLs of an etcd cluster, separated by commas")
	flags.StringVar(&o.runtime, "runtime", "containerd", "`kind` of runtime: containerd, or simulated: two nodes that run nothing and need no root")
	flags.StringVar(&o.images, "images", "", "`directory` with image archives to import at the start")
	flags.StringVar(&o.nodeName, "node-name", strings.ToLower(host), "`name` of this node")
	pods := flags.String("pod-cidr", "10.244.0.0/16", "`range` of pod addresses")
	services := flags.String("service-cidr", "10.96.0.0/16", "`range` of service addresses")
	flags.Var(o.registries, "registry", "mirror of an image registry, as `HOST=URL`; may be given several times")
	flags.BoolVar(&o.verbose, "v", false, "log what the parts do, to standard error")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(stderr, "Usage: allinone [FLAG…] | kubectl ARG… | image import FILE… | image ls\n\n")
			flags.SetOutput(stderr)
			flags.PrintDefaults()
			return o, err
		}
		return o, fmt.Errorf("%w: see allinone -help", err)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no command: use kubectl, image or no command at all", flags.Arg(0))
	}
	return o, o.check(*pods, *services)
}

// check completes the options and says what is wrong with them.
func (o *options) check(pods, services string) error {
	var err error
	if o.dataDir, err = filepath.Abs(o.dataDir); err != nil {
		return fmt.Errorf("-data-dir: %w", err)
	}
	if o.kubeconfig == "" {
		o.kubeconfig = filepath.Join(o.dataDir, "kubeconfig")
	}
	for _, f := range []struct {
		flag, text string
		into       *netip.Prefix
	}{{"-pod-cidr", pods, &o.podCIDR}, {"-service-cidr", services, &o.serviceCIDR}} {
		p, err := netip.ParsePrefix(f.text)
		if err != nil || !p.Addr().Is4() || p.Bits() > 24 {
			return fmt.Errorf("%s %q is no IPv4 range of at least 256 addresses, such as 10.244.0.0/16", f.flag, f.text)
		}
		*f.into = p.Masked()
	}
	if o.podCIDR.Overlaps(o.serviceCIDR) {
		return fmt.Errorf("-pod-cidr %s and -service-cidr %s overlap: choose ranges that do not", o.podCIDR, o.serviceCIDR)
	}
	if host, _, err := net.SplitHostPort(o.listen); err != nil {
		return fmt.Errorf("-listen %q is no ADDRESS:PORT, such as 127.0.0.1:6443", o.listen)
	} else if ip, err := netip.ParseAddr(host); host != "" && (err != nil || !ip.IsValid()) {
		return fmt.Errorf("-listen %q does not begin with an IP address, such as 127.0.0.1:6443", o.listen)
	}
	if o.runtime != "containerd" && o.runtime != "simulated" {
		return fmt.Errorf("-runtime %q is neither containerd nor simulated", o.runtime)
	}
	if o.store != "embedded" && o.store != "memory" && !strings.Contains(o.store, "://") {
		return fmt.Errorf("-store %q is neither embedded, nor memory, nor an etcd URL such as http://127.0.0.1:2379", o.store)
	}
	if problems := validation.NameIsDNSSubdomain(o.nodeName, false); len(problems) > 0 {
		return fmt.Errorf("-node-name %q: %s", o.nodeName, problems[0])
	}
	if o.images != "" {
		if info, err := os.Stat(o.images); err != nil || !info.IsDir() {
			return fmt.Errorf("-images %q is no directory", o.images)
		}
	}
	return nil
}

// stateDir is where sockets and namespaces of an instance are while the
// machine is up.
func stateDir(dataDir string) string {
	if dataDir == defaultDataDir {
		return "/run/keelson"
	}
	sum := sha256.Sum256([]byte(dataDir))
	return "/run/keelson-" + hex.EncodeToString(sum[:4])
}
