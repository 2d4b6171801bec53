package authn

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// ClientCAs accepts client certificates signed by any of a set of
// authorities. The common name is the user, the organizations are the groups.
type ClientCAs struct{ roots *x509.CertPool }

// NewClientCAs trusts the authorities in roots.
func NewClientCAs(roots *x509.CertPool) *ClientCAs { return &ClientCAs{roots: roots} }

func (c *ClientCAs) authenticate(chain []*x509.Certificate) (*authenticator.Response, error) {
	leaf := chain[0]
	intermediates := x509.NewCertPool()
	for _, cert := range chain[1:] {
		intermediates.AddCert(cert)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: c.roots, Intermediates: intermediates, CurrentTime: time.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		return nil, fmt.Errorf("verifying client certificate SN=%d: %w", leaf.SerialNumber, err)
	}
	if leaf.Subject.CommonName == "" {
		return nil, fmt.Errorf("client certificate SN=%d has no common name, which would be the user's", leaf.SerialNumber)
	}
	sum := sha256.Sum256(leaf.Raw)
	return &authenticator.Response{User: &user.DefaultInfo{
		Name: leaf.Subject.CommonName, Groups: leaf.Subject.Organization,
		Extra: map[string][]string{user.CredentialIDKey: {"X509SHA256=" + hex.EncodeToString(sum[:])}},
	}}, nil
}
