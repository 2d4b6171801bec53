package certs

import (
	"crypto/tls"
	"fmt"
	"sync"
	"time"
)

// Renewing is a certificate that is issued when first used and issued anew
// when a third of its lifetime is left, without a restart. It is safe for
// concurrent use.
type Renewing struct {
	authority *Authority
	subject   Subject

	mu      sync.Mutex
	current *tls.Certificate
}

// Renew returns a self-renewing certificate of a for subject.
func (a *Authority) Renew(subject Subject) *Renewing {
	return &Renewing{authority: a, subject: subject}
}

// Certificate returns the present certificate, renewed if it is due.
func (r *Renewing) Certificate() (*tls.Certificate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.current != nil && time.Until(r.current.Leaf.NotAfter) > r.current.Leaf.NotAfter.Sub(r.current.Leaf.NotBefore)/3 {
		return r.current, nil
	}
	pair, err := r.authority.Issue(r.subject)
	if err != nil {
		return nil, err
	}
	cert, err := pair.TLS()
	if err != nil {
		return nil, fmt.Errorf("parsing the new certificate of %q: %w", r.subject.CommonName, err)
	}
	r.current = &cert
	return r.current, nil
}

// ServerConfig is the TLS configuration of a server that shows this
// certificate and, if clients is not nil, asks for one that clients signed. A
// client without a certificate is let through, for it may have a token.
func (r *Renewing) ServerConfig(clients *Authority) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return r.Certificate()
		},
		// Small records would get the first bytes of a page to a browser
		// sooner; here they make ten writes of a watch event.
		DynamicRecordSizingDisabled: true,
	}
	if clients != nil {
		// Verified by the authenticator, which can answer 401 where a failed
		// handshake would only break the connection.
		c.ClientAuth = tls.RequestClientCert
		c.ClientCAs = clients.Pool()
	}
	return c
}

// ClientConfig is the TLS configuration of a client that shows this
// certificate to servers that servers signed.
func (r *Renewing) ClientConfig(servers *Authority) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		RootCAs:    servers.Pool(),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return r.Certificate()
		},
	}
}
