package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
)

// options are the flags, checked.
type options struct {
	store        string // "embedded", "memory" or etcd URLs
	dataDir      string // absolute; empty for none
	listen       netip.AddrPort
	kubeconfig   string
	serviceCIDRs []netip.Prefix
	issuer       string
	verbose      bool
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("apiserver", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.store, "store", "memory", "`kind` of store: memory, embedded (etcd in this process), or URLs of an etcd cluster, separated by commas")
	flags.StringVar(&o.dataDir, "data-dir", "", "`directory` that keeps the keys and, with -store embedded, the objects; without it keys are new at each start")
	listen := flags.String("listen", "127.0.0.1:6443", "`address` to listen on; port 0 picks one")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "kubeconfig", "`file` to write the administrator's kubeconfig to")
	services := flags.String("service-cidr", "10.96.0.0/16", "`range` of service addresses; two, separated by a comma, for IPv4 and IPv6")
	flags.StringVar(&o.issuer, "service-account-issuer", "https://kubernetes.default.svc", "`URL` that service account tokens say they come from")
	flags.BoolVar(&o.verbose, "v", false, "log what the parts do, to standard error")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(stderr, "Usage: apiserver [FLAG…]\n\n")
			flags.SetOutput(stderr)
			flags.PrintDefaults()
			return o, err
		}
		return o, fmt.Errorf("%w: see apiserver -help", err)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag, and there is nothing but flags: see apiserver -help", flags.Arg(0))
	}
	return o, o.check(*listen, *services)
}

// check completes the options and says what is wrong with them.
func (o *options) check(listen, services string) (err error) {
	if o.dataDir != "" {
		if o.dataDir, err = filepath.Abs(o.dataDir); err != nil {
			return fmt.Errorf("-data-dir: %w", err)
		}
	}
	switch o.store {
	case "memory":
	case "embedded":
		if o.dataDir == "" {
			return errors.New("-store embedded needs -data-dir, the directory to keep the objects in")
		}
	default:
		for _, text := range strings.Split(o.store, ",") {
			if u, err := url.Parse(text); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
				return fmt.Errorf("-store %q is neither memory, nor embedded, nor an etcd URL such as http://127.0.0.1:2379", text)
			}
		}
	}
	if strings.HasPrefix(listen, ":") {
		listen = "[::]" + listen
	}
	if o.listen, err = netip.ParseAddrPort(listen); err != nil {
		return fmt.Errorf("-listen %q is no IP address and port, such as 127.0.0.1:6443", listen)
	}
	if o.kubeconfig == "" {
		return errors.New("-kubeconfig is empty: say which file to write it to")
	}
	if err := o.checkServices(services); err != nil {
		return err
	}
	if u, err := url.Parse(o.issuer); o.issuer == "" || err != nil || (strings.Contains(o.issuer, ":") && u.Scheme != "https") {
		return fmt.Errorf("-service-account-issuer %q is neither an https URL, such as https://kubernetes.default.svc, nor a name without a colon", o.issuer)
	}
	return nil
}

// checkServices reads the ranges of service addresses.
func (o *options) checkServices(services string) error {
	for _, text := range strings.Split(services, ",") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().BitLen()-p.Bits() < 4 {
			return fmt.Errorf("-service-cidr %q is no range of at least 16 addresses, such as 10.96.0.0/16", text)
		}
		o.serviceCIDRs = append(o.serviceCIDRs, p.Masked())
	}
	switch {
	case len(o.serviceCIDRs) > 2:
		return fmt.Errorf("-service-cidr %q has more than two ranges", services)
	case len(o.serviceCIDRs) == 2 && o.serviceCIDRs[0].Addr().Is4() == o.serviceCIDRs[1].Addr().Is4():
		return fmt.Errorf("-service-cidr %q has two ranges of one IP family: name one of each", services)
	}
	return nil
}
