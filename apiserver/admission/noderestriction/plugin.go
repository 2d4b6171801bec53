// Package noderestriction keeps kubelets to writing about their own node and
// the pods on it. It sees the objects of writes that the node authorizer has
// to allow without seeing them.
package noderestriction

import (
	"context"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// Plugin is the admission plugin NodeRestriction. All fields are required; the
// functions return an object or an API status error.
type Plugin struct {
	// NodeOf returns the node whose kubelet a user is, and false for others.
	NodeOf         func(u user.Info) (string, bool)
	Pod            func(ctx context.Context, namespace, name string) (*corev1.Pod, error)
	Node           func(ctx context.Context, name string) (*corev1.Node, error)
	ServiceAccount func(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error)
	Claim          func(ctx context.Context, namespace, name string) (*corev1.PersistentVolumeClaim, error)
	Volume         func(ctx context.Context, name string) (*corev1.PersistentVolume, error)
	CSIDriver      func(ctx context.Context, name string) (*storagev1.CSIDriver, error)
	// Authorizer is asked about tokens and certificates that a pod does not
	// mention.
	Authorizer authorizer.UnconditionalAuthorizer
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "NodeRestriction" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool { return op != admission.Connect }

// Admit implements admission.Mutator. It changes nothing.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	node, is := p.NodeOf(a.User)
	if !is {
		return nil
	}
	w := write{p, ctx, a, node}
	if node == "" {
		return w.no("could not determine node from user %q", a.User.GetName())
	}
	return w.check()
}

// write is one by the kubelet of a node.
type write struct {
	p   Plugin
	ctx context.Context
	*admission.Attributes
	node string
}

// no refuses the write.
func (w write) no(format string, args ...any) error {
	return admission.Forbidden(w.Attributes, fmt.Errorf(format, args...))
}

func (w write) check() error {
	switch (schema.GroupResource{Group: w.Resource.Group, Resource: w.Resource.Resource}) {
	case corev1.Resource("pods"):
		switch w.Subresource {
		case "":
			return w.pod()
		case "status":
			return w.podStatus()
		case "eviction":
			return w.eviction()
		}
		return w.no("unexpected pod subresource %q, only 'status' and 'eviction' are allowed", w.Subresource)
	case corev1.Resource("nodes"):
		return w.ownNode()
	case corev1.Resource("persistentvolumeclaims"):
		if w.Subresource != "status" {
			return w.no("may only update PVC status")
		}
		return w.claimStatus()
	case corev1.Resource("serviceaccounts"):
		return w.token()
	case certificatesv1.Resource("podcertificaterequests"):
		return w.podCertificate()
	case certificatesv1.Resource("certificatesigningrequests"):
		return w.signingRequest()
	case schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}:
		if w.Namespace != corev1.NamespaceNodeLease {
			return w.no("can only access leases in the %q system namespace", corev1.NamespaceNodeLease)
		}
		return w.named("node lease")
	case storagev1.Resource("csinodes"):
		if err := w.named("CSINode"); err != nil || w.Subresource != "status" {
			return err
		}
		return w.no("CSIVolumeHealth feature gate is disabled")
	case schema.GroupResource{Group: "resource.k8s.io", Resource: "resourceslices"}:
		return w.slice()
	}
	return nil
}
