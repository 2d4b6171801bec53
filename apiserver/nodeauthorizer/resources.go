package nodeauthorizer

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
)

func (q question) claimStatus() answer {
	if !q.verb("update", "patch") {
		return no("can only get/update/patch this type")
	}
	return q.related(q.objects.claim)
}

// account allows to make tokens for the accounts of the node's pods.
func (q question) account() answer {
	switch {
	case q.GetVerb() == "get" && q.GetSubresource() == "":
		return q.read(q.objects.account)
	case q.GetVerb() != "create" || q.GetName() == "":
		return no("can only create tokens for individual service accounts")
	case q.GetSubresource() != "token":
		return no("can only create token subresource of serviceaccount")
	}
	return q.related(q.objects.account)
}

// lease allows the node's lease. A new one has no name here; admission sees it.
func (q question) lease() answer {
	switch {
	case !q.verb("get", "create", "update", "patch", "delete"):
		return no("can only get, create, update, patch, or delete a node lease")
	case q.GetNamespace() != corev1.NamespaceNodeLease:
		return no(fmt.Sprintf("can only access leases in the %q system namespace", corev1.NamespaceNodeLease))
	case q.GetVerb() != "create" && q.GetName() != q.node:
		return no("can only access node lease with the same name as the requesting node")
	}
	return yes()
}

// csiNode is lease for CSINodes.
func (q question) csiNode() answer {
	switch {
	case q.GetSubresource() == "status":
		return no("CSINode status access requires CSIVolumeHealth feature")
	case q.GetSubresource() != "":
		return no("cannot authorize CSINode subresources")
	case !q.verb("get", "create", "update", "patch", "delete"):
		return no("can only get, create, update, patch, or delete a CSINode")
	case q.GetVerb() != "create" && q.GetName() != q.node:
		return no("can only access CSINode with the same name as the requesting node")
	}
	return yes()
}

func (q question) slice() answer {
	if q.GetSubresource() != "" {
		return no("cannot authorize ResourceSlice subresources")
	}
	switch q.GetVerb() {
	case "create": // admission sees whose it is
		return yes()
	case "get", "update", "patch", "delete":
		return q.related(q.objects.slice)
	case "watch", "list", "deletecollection":
		if q.selects(resourcev1.ResourceSliceSelectorNodeName) {
			return yes()
		}
		return no("can only list/watch/deletecollection resourceslices with nodeName field selector")
	}
	return no("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection")
}

func (q question) certificate() answer {
	if q.GetSubresource() != "" {
		return no("nodes may not access the status subresource of PodCertificateRequests")
	}
	switch q.GetVerb() {
	case "create": // admission sees for which pod
		return yes()
	case "get":
		return q.related(q.objects.certificate)
	case "list", "watch":
		if q.selects("spec.nodeName") {
			return yes()
		}
		return no("can only list/watch podcertificaterequests with nodeName field selector")
	}
	return no(fmt.Sprintf("nodes may not %s podcertificaterequests", q.GetVerb()))
}

func (q question) ownNode() answer {
	switch q.GetSubresource() {
	case "":
		switch q.GetVerb() {
		case "create", "update", "patch": // admission sees which
			return yes()
		case "get", "list", "watch":
			switch q.GetName() {
			case q.node:
				return yes()
			case "":
				return no(fmt.Sprintf("node '%s' cannot read all nodes, only its own Node object", q.node))
			}
			return no(fmt.Sprintf("node '%s' cannot read '%s', only its own Node object", q.node, q.GetName()))
		}
	case "status":
		if q.verb("update", "patch") {
			return yes()
		}
	}
	return no("")
}

func (q question) pod() answer {
	switch q.GetSubresource() {
	case "":
		switch q.GetVerb() {
		case "get":
			return q.get(q.objects.pod)
		case "list", "watch":
			switch {
			case q.selects("spec.nodeName"):
				return yes()
			case q.GetName() != "":
				return q.related(q.objects.pod)
			}
			return no("can only list/watch pods with spec.nodeName field selector")
		case "create", "delete": // of mirror pods; admission sees them
			return yes()
		}
	case "status":
		if q.verb("update", "patch") {
			return yes()
		}
	case "eviction":
		if q.verb("create") {
			return yes()
		}
	}
	return no("")
}
