package certs

import (
	"crypto/ecdsa"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOpenKeepsTheAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	first, err := Open(dir, "ca", "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	second, err := Open(dir, "ca", "kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	if !first.Certificate.Equal(second.Certificate) {
		t.Error("the second Open made another authority")
	}
	for _, name := range []string{"ca.crt", "ca.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v; want 0600", name, info.Mode(), err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, "ca", "kubernetes"); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("without its key: %v, want an error that names the file", err)
	}
}

func TestIssue(t *testing.T) {
	ca, err := NewAuthority("kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		subject Subject
		usage   x509.ExtKeyUsage
		refused x509.ExtKeyUsage
	}{
		{"client", Subject{CommonName: "jane", Organizations: []string{"dev"}}, x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		{"server", Subject{CommonName: "api", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}, x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageCodeSigning},
	} {
		t.Run(test.name, func(t *testing.T) {
			pair, err := ca.Issue(test.subject)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := pair.TLS()
			if err != nil {
				t.Fatal(err)
			}
			verify := func(usage x509.ExtKeyUsage) error {
				_, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), KeyUsages: []x509.ExtKeyUsage{usage}})
				return err
			}
			if err := verify(test.usage); err != nil {
				t.Error(err)
			}
			if err := verify(test.refused); err == nil {
				t.Errorf("may also be used for %v", test.refused)
			}
			if got := cert.Leaf.Subject.CommonName; got != test.subject.CommonName {
				t.Errorf("is for %q", got)
			}
		})
	}
}

func TestRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca, err := NewAuthority("kubernetes")
		if err != nil {
			t.Fatal(err)
		}
		serving := ca.Renew(Subject{CommonName: "api", DNSNames: []string{"api"}})
		serial := func() string {
			cert, err := serving.Certificate()
			if err != nil {
				t.Fatal(err)
			}
			return cert.Leaf.SerialNumber.String()
		}
		first := serial()
		time.Sleep(leafLifetime / 2)
		if serial() != first {
			t.Error("renewed with half of its life left")
		}
		time.Sleep(leafLifetime / 4)
		if serial() == first {
			t.Error("not renewed with a quarter of its life left")
		}
	})
}

func TestSigningKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sa.key")
	first, err := OpenSigningKey(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := OpenSigningKey(path)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Public().(*ecdsa.PublicKey).Equal(second.Public()) {
		t.Error("the second OpenSigningKey made another key")
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSigningKey(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("rubbish: %v, want an error that names the file", err)
	}
}
