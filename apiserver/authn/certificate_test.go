package authn_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keelson-project/keelson/apiserver/authn"
	"github.com/keelson-project/keelson/apiserver/certs"
)

// request is one of a client that shows a certificate.
func request(t *testing.T, pair certs.KeyPair) *http.Request {
	t.Helper()
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}}
	return r
}

// TestCertificate asks again and again: what has been verified once is
// remembered, but not beyond its time.
func TestCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, err := certs.NewAuthority("ours")
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := certs.NewAuthority("theirs")
		if err != nil {
			t.Fatal(err)
		}
		auth := authn.New(authn.Config{ClientCAs: authn.NewClientCAs(ours.Pool())})
		subject := certs.Subject{CommonName: "jane", Organizations: []string{"dev"}}
		good, err := ours.Issue(subject)
		if err != nil {
			t.Fatal(err)
		}
		bad, err := theirs.Issue(subject)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			resp, ok, err := auth.AuthenticateRequest(request(t, good))
			if err != nil || !ok || resp.User.GetName() != "jane" || resp.User.GetGroups()[0] != "dev" || len(resp.User.GetExtra()) != 1 {
				t.Errorf("ours: %v, %v, %v", resp, ok, err)
			}
			if _, ok, err := auth.AuthenticateRequest(request(t, bad)); ok || err == nil {
				t.Errorf("theirs: %v, %v", ok, err)
			}
		}
		leaf := request(t, good).TLS.PeerCertificates[0]
		time.Sleep(time.Until(leaf.NotAfter) + time.Second)
		if _, ok, err := auth.AuthenticateRequest(request(t, good)); ok || err == nil {
			t.Errorf("after its time: %v, %v", ok, err)
		}
	})
}
