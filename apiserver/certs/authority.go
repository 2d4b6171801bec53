package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // a key identifier, not a signature
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The lifetimes of what this package signs. Leaves are cheap to renew, so
// they live a year; authorities, which every client pins, ten.
const (
	authorityLifetime = 10 * 365 * 24 * time.Hour
	leafLifetime      = 365 * 24 * time.Hour
	// backdate lets machines whose clocks are slow accept a new certificate.
	backdate = 5 * time.Minute
)

// Authority signs certificates.
type Authority struct {
	// Certificate is the authority's own.
	Certificate *x509.Certificate
	key         crypto.Signer
}

// NewAuthority makes an authority with a new key.
func NewAuthority(commonName string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of authority %q: %w", commonName, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{commonName},
	}
	if template.SubjectKeyId, err = keyID(key); err != nil {
		return nil, err
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("signing authority %q: %w", commonName, err)
	}
	return &Authority{Certificate: cert, key: key}, nil
}

// Open returns the authority kept in dir as name.crt and name.key, and makes
// it if neither file is there.
func Open(dir, name, commonName string) (*Authority, error) {
	crt, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	pair, err := tls.LoadX509KeyPair(crt, key)
	switch {
	case err == nil:
		signer, ok := pair.PrivateKey.(crypto.Signer)
		if !ok || !pair.Leaf.IsCA {
			return nil, fmt.Errorf("%s is not the certificate of an authority: move it and %s away to have new ones made", crt, key)
		}
		return &Authority{Certificate: pair.Leaf, key: signer}, nil
	case !errors.Is(err, os.ErrNotExist) || exists(crt) || exists(key):
		return nil, fmt.Errorf("reading authority %s and %s: %w", crt, key, err)
	}
	a, err := NewAuthority(commonName)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(a.key)
	if err != nil {
		return nil, err
	}
	// The key goes first: with a key alone the next start says what is wrong,
	// with a certificate alone it would have published one nobody can use.
	if err := WriteFile(key, keyPEM); err != nil {
		return nil, err
	}
	return a, WriteFile(crt, a.PEM())
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// PEM is the authority's certificate, encoded.
func (a *Authority) PEM() []byte { return encodeCertificate(a.Certificate.Raw) }

// Pool holds just this authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Certificate)
	return pool
}

// Subject says whom a certificate is for.
type Subject struct {
	// CommonName is the user name, Organizations are the groups of a client.
	CommonName    string
	Organizations []string
	// DNSNames and IPs are the names of a server; with any, the certificate
	// may be used for serving, without, for clients only.
	DNSNames []string
	IPs      []net.IP
}

// KeyPair is a certificate with its key, both PEM encoded.
type KeyPair struct{ Certificate, Key []byte }

// TLS parses the pair.
func (p KeyPair) TLS() (tls.Certificate, error) { return tls.X509KeyPair(p.Certificate, p.Key) }

// Issue signs a certificate with a new key for subject, valid for a year but
// not beyond the authority itself.
func (a *Authority) Issue(subject Subject) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return KeyPair{}, fmt.Errorf("making a key for %q: %w", subject.CommonName, err)
	}
	now := time.Now()
	usage := x509.ExtKeyUsageClientAuth
	usages := []x509.ExtKeyUsage{usage}
	if len(subject.DNSNames)+len(subject.IPs) > 0 {
		usages = append(usages, x509.ExtKeyUsageServerAuth)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: subject.CommonName, Organization: subject.Organizations},
		DNSNames:              subject.DNSNames,
		IPAddresses:           subject.IPs,
		NotBefore:             now.Add(-backdate),
		NotAfter:              earlier(now.Add(leafLifetime), a.Certificate.NotAfter),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
		ExtKeyUsage:           usages,
		BasicConstraintsValid: true,
	}
	cert, err := sign(template, a.Certificate, key.Public(), a.key)
	if err != nil {
		return KeyPair{}, fmt.Errorf("signing a certificate for %q: %w", subject.CommonName, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return KeyPair{}, err
	}
	return KeyPair{Certificate: encodeCertificate(cert.Raw), Key: keyPEM}, nil
}

func sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func keyID(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	sum := sha1.Sum(der) //nolint:gosec
	return sum[:], nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func encodeCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// WriteFile writes a file that only its owner can read, and whole: a crash
// leaves the old one or none.
func WriteFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("making the directory for %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
