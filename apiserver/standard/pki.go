package standard

import (
	"crypto"
	"net"
	"path/filepath"

	"github.com/keelson-project/keelson/apiserver/certs"
)

// PKI are the keys of a cluster.
type PKI struct {
	// CA signs the certificates of servers and clients.
	CA *certs.Authority
	// TokenKey signs service account tokens.
	TokenKey crypto.Signer
}

// NewPKI makes new keys, kept in memory alone.
func NewPKI() (*PKI, error) {
	ca, err := certs.NewAuthority("kubernetes")
	if err != nil {
		return nil, err
	}
	key, err := certs.NewSigningKey()
	if err != nil {
		return nil, err
	}
	return &PKI{CA: ca, TokenKey: key}, nil
}

// OpenPKI reads the keys in dir (ca.crt, ca.key, sa.key), and makes those that
// are missing.
func OpenPKI(dir string) (*PKI, error) {
	ca, err := certs.Open(dir, "ca", "kubernetes")
	if err != nil {
		return nil, err
	}
	key, err := certs.OpenSigningKey(filepath.Join(dir, "sa.key"))
	if err != nil {
		return nil, err
	}
	return &PKI{CA: ca, TokenKey: key}, nil
}

// Names of users that the parts of a cluster act as.
const (
	// KubeletClient is the user that the API server is to kubelets.
	KubeletClient = "kube-apiserver-kubelet-client"
	// AdminUser and AdminGroup are those of the first kubeconfig.
	AdminUser  = "kubernetes-admin"
	AdminGroup = "system:masters"
)

// ServerNames are the DNS names and addresses that the API server answers to.
func ServerNames(clusterDomain string, ips []net.IP, names ...string) certs.Subject {
	return certs.Subject{
		CommonName: "kube-apiserver",
		DNSNames: append([]string{
			"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain,
		}, names...),
		IPs: append([]net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, ips...),
	}
}

// AdminKubeconfig returns a kubeconfig of the administrator for a server's URL,
// with a certificate issued now; cluster is what it calls the cluster.
func (p *PKI) AdminKubeconfig(cluster, server string) ([]byte, error) {
	pair, err := p.CA.Issue(certs.Subject{CommonName: AdminUser, Organizations: []string{AdminGroup}})
	if err != nil {
		return nil, err
	}
	return certs.Kubeconfig(cluster, server, p.CA, AdminUser, pair)
}
