package noderestriction

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// podCertificate allows requests for a pod that runs on the node just as the
// request says, and mounts such a certificate.
func (w write) podCertificate() error {
	if w.Operation != admission.Create {
		return w.no("unexpected operation %v", w.Operation)
	}
	if w.Subresource != "" {
		return w.no("unexpected subresource %v", w.Subresource)
	}
	request, ok := w.Object.(*certificatesv1.PodCertificateRequest)
	if !ok {
		return w.no("unexpected type %T", w.Object)
	}
	s := &request.Spec
	if string(s.NodeName) != w.node {
		return w.no("PodCertificateRequest.Spec.NodeName=%q, which is not the requesting node %q", s.NodeName, w.node)
	}
	node, err := w.p.Node(w.ctx, w.node)
	if err != nil {
		return w.no("while retrieving node %q named in the PodCertificateRequest: %w", s.NodeName, err)
	}
	pod := w.Namespace + "/" + s.PodName
	if node.UID != s.NodeUID {
		return w.no("PodCertificateRequest for pod %q names node UID %q, inconsistent with the running node (%q)", pod, s.NodeUID, node.UID)
	}
	running, err := w.p.Pod(w.ctx, w.Namespace, s.PodName)
	if err != nil {
		return w.no("while retrieving pod %q named in the PodCertificateRequest: %w", pod, err)
	}
	_, mirror := running.Annotations[corev1.MirrorPodAnnotationKey]
	switch {
	case s.PodUID != running.UID:
		return w.no("PodCertificateRequest for pod %q contains pod UID (%q) which differs from running pod %q", pod, s.PodUID, string(running.UID))
	case running.Spec.NodeName != w.node:
		return w.no("pod %q is not running on node %q named in the PodCertificateRequest", pod, s.NodeName)
	case mirror:
		return w.no("pod %q is a mirror pod", pod)
	case s.ServiceAccountName != running.Spec.ServiceAccountName:
		return w.no("PodCertificateRequest for pod %q contains serviceAccountName (%q) that differs from running pod (%q)", pod, s.ServiceAccountName, running.Spec.ServiceAccountName)
	}
	account, err := w.p.ServiceAccount(w.ctx, w.Namespace, s.ServiceAccountName)
	if err != nil {
		return w.no("while retrieving service account %q named in the PodCertificateRequest: %w", w.Namespace+"/"+s.ServiceAccountName, err)
	}
	if s.ServiceAccountUID != account.UID {
		return w.no("PodCertificateRequest for pod %q names service account UID %q, which differs from the running service account (%q)", pod, s.ServiceAccountUID, account.UID)
	}
	if mounts(running, s.SignerName) {
		return nil
	}
	// A resource's name has no slash in it.
	allowed, err := w.allowed("request-serviceaccounts-podcertificate-signer", strings.ReplaceAll(s.SignerName, "/", ":"), s.ServiceAccountName)
	switch {
	case allowed:
		return nil
	case err != nil:
		return w.no("error authorizing %s to request podcertificaterequests for signer %q: %w", w.User.GetName(), s.SignerName, err)
	}
	return w.no("pod %q does not mount a podCertificate projected volume for signer %q", pod, s.SignerName)
}

func mounts(pod *corev1.Pod, signer string) bool {
	for _, v := range pod.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.PodCertificate != nil && s.PodCertificate.SignerName == signer {
				return true
			}
		}
	}
	return false
}

// signingRequest allows certificates of kubelets in the node's own name.
func (w write) signingRequest() error {
	if w.Operation != admission.Create {
		return nil
	}
	csr, ok := w.Object.(*certificatesv1.CertificateSigningRequest)
	if !ok {
		return w.no("unexpected type %T", w.Object)
	}
	if csr.Spec.SignerName != certificatesv1.KubeletServingSignerName && csr.Spec.SignerName != certificatesv1.KubeAPIServerClientKubeletSignerName {
		return nil
	}
	request, err := parse(csr.Spec.Request)
	if err != nil {
		return w.no("unable to parse csr: %w", err)
	}
	if request.Subject.CommonName != "system:node:"+w.node {
		return w.no("can only create a node CSR with CN=system:node:%s", w.node)
	}
	return nil
}

func parse(request []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("PEM block type must be CERTIFICATE REQUEST")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}
