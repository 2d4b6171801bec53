package main

import (
	"errors"
	"flag"
	"io"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	o, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.store != "memory" || o.dataDir != "" || o.listen != netip.MustParseAddrPort("127.0.0.1:6443") || o.kubeconfig != "kubeconfig" ||
		len(o.serviceCIDRs) != 1 || o.issuer != "https://kubernetes.default.svc" {
		t.Errorf("defaults: %+v", o)
	}
	o, err = parse([]string{"-listen", ":7443", "-service-cidr", "10.1.2.3/16,fd00:1::5/108", "-store", "https://a:2379,http://b:2379"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if o.listen != netip.MustParseAddrPort("[::]:7443") || len(o.serviceCIDRs) != 2 || o.serviceCIDRs[0] != netip.MustParsePrefix("10.1.0.0/16") {
		t.Errorf("all set: %+v", o)
	}
	var help strings.Builder
	if _, err := parse([]string{"-help"}, &help); !errors.Is(err, flag.ErrHelp) || !strings.Contains(help.String(), "-service-cidr") {
		t.Errorf("-help: %v, %q", err, help.String())
	}
}

func TestParseRefuses(t *testing.T) {
	for args, want := range map[string]string{
		"serve":                                  `"serve" is no flag`,
		"-nonsense":                              "see apiserver -help",
		"-store embedded":                        "-store embedded needs -data-dir",
		"-store disk":                            `-store "disk" is neither memory, nor embedded, nor an etcd URL`,
		"-store http://a:2379,b:2379":            `-store "b:2379" is neither`,
		"-listen localhost:6443":                 `-listen "localhost:6443" is no IP address and port`,
		"-listen 127.0.0.1":                      `-listen "127.0.0.1" is no IP address and port`,
		"-listen 127.0.0.1:70000":                `-listen "127.0.0.1:70000" is no IP address and port`,
		"-kubeconfig=":                           "-kubeconfig is empty",
		"-service-cidr 10.96.0.0":                `-service-cidr "10.96.0.0" is no range of at least 16 addresses`,
		"-service-cidr 10.96.0.0/29":             "is no range of at least 16 addresses",
		"-service-cidr 10.0.0.0/16,10.1.0.0/16":  "two ranges of one IP family",
		"-service-cidr 10.0.0.0/16,fd00::/108,":  "is no range",
		"-service-account-issuer=":               `-service-account-issuer "" is neither`,
		"-service-account-issuer http://a.test/": `-service-account-issuer "http://a.test/" is neither an https URL`,
	} {
		if _, err := parse(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
