package authn

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// maxKnown is how many certificates are remembered as verified.
const maxKnown = 1000

// ClientCAs accepts client certificates signed by any of a set of
// authorities. The common name is the user, the organizations are the groups.
type ClientCAs struct {
	roots *x509.CertPool

	mu    sync.Mutex
	known map[[sha256.Size]byte]known
}

// known is a certificate that has been verified, which costs more than a small
// request otherwise does.
type known struct {
	response *authenticator.Response
	// from and until are when all certificates up to the authority are valid.
	from, until time.Time
}

// NewClientCAs trusts the authorities in roots.
func NewClientCAs(roots *x509.CertPool) *ClientCAs { return &ClientCAs{roots: roots} }

func (c *ClientCAs) authenticate(chain []*x509.Certificate) (*authenticator.Response, error) {
	leaf, now := chain[0], time.Now()
	sum := sha256.Sum256(leaf.Raw)
	c.mu.Lock()
	k, ok := c.known[sum]
	c.mu.Unlock()
	if ok && !now.Before(k.from) && !now.After(k.until) {
		return k.response, nil
	}
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: intermediates, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return nil, fmt.Errorf("verifying client certificate SN=%d: %w", leaf.SerialNumber, err)
	}
	if leaf.Subject.CommonName == "" {
		return nil, fmt.Errorf("client certificate SN=%d has no common name, which would be the user's", leaf.SerialNumber)
	}
	k = known{from: leaf.NotBefore, until: leaf.NotAfter, response: &authenticator.Response{User: &user.DefaultInfo{
		Name: leaf.Subject.CommonName, Groups: leaf.Subject.Organization,
		Extra: map[string][]string{user.CredentialIDKey: {"X509SHA256=" + hex.EncodeToString(sum[:])}},
	}}}
	for _, cert := range chains[0] {
		if cert.NotBefore.After(k.from) {
			k.from = cert.NotBefore
		}
		if cert.NotAfter.Before(k.until) {
			k.until = cert.NotAfter
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil || len(c.known) >= maxKnown {
		c.known = map[[sha256.Size]byte]known{}
	}
	c.known[sum] = k
	return k.response, nil
}
