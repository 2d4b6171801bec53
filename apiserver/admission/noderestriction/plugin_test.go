package noderestriction_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/noderestriction"
)

func pod(name, meta, spec string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default","name":"` + name + `","uid":"uid-` + name + `"` + meta + `},"spec":{` + spec + `}}`
}

func step(t *testing.T) noderestriction.Plugin {
	missing := func(resource, name string) error { return apierrors.NewNotFound(corev1.Resource(resource), name) }
	return noderestriction.Plugin{
		NodeOf: func(u user.Info) (string, bool) {
			if u == nil {
				return "", false
			}
			return strings.CutPrefix(u.GetName(), "system:node:")
		},
		Pod: func(_ context.Context, _, name string) (*corev1.Pod, error) {
			texts := map[string]string{
				"mine": pod("mine", "", `"nodeName":"n1","serviceAccountName":"sa","volumes":[{"name":"t","projected":{"sources":[{"serviceAccountToken":{"audience":"vault","path":"p"}},{"podCertificate":{"signerName":"example.com/s","keyType":"RSA4096"}}]}},
					{"name":"c","persistentVolumeClaim":{"claimName":"claim"}}]`),
				"theirs": pod("theirs", "", `"nodeName":"n2"`),
				"mirror": pod("mirror", `,"annotations":{"kubernetes.io/config.mirror":"x"}`, `"nodeName":"n1","serviceAccountName":"sa"`),
			}
			if texts[name] == "" {
				return nil, missing("pods", name)
			}
			return admissiontest.Decode(t, texts[name]).(*corev1.Pod), nil
		},
		Node: func(_ context.Context, name string) (*corev1.Node, error) {
			return admissiontest.Decode(t, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"`+name+`","uid":"uid-`+name+`"}}`).(*corev1.Node), nil
		},
		ServiceAccount: func(_ context.Context, _, name string) (*corev1.ServiceAccount, error) {
			return admissiontest.Decode(t, `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"`+name+`","uid":"uid-`+name+`"}}`).(*corev1.ServiceAccount), nil
		},
		Claim: func(context.Context, string, string) (*corev1.PersistentVolumeClaim, error) {
			return &corev1.PersistentVolumeClaim{Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "v"}}, nil
		},
		Volume: func(context.Context, string) (*corev1.PersistentVolume, error) {
			return admissiontest.Decode(t, `{"apiVersion":"v1","kind":"PersistentVolume","spec":{"csi":{"driver":"d.example.com","volumeHandle":"h"}}}`).(*corev1.PersistentVolume), nil
		},
		CSIDriver: func(_ context.Context, name string) (*storagev1.CSIDriver, error) {
			return &storagev1.CSIDriver{Spec: storagev1.CSIDriverSpec{TokenRequests: []storagev1.TokenRequest{{Audience: "storage"}}}}, nil
		},
		Authorizer: authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			if a.GetVerb() == "request-serviceaccounts-token-audience" && a.GetResource() == "granted" || a.GetVerb() == "request-serviceaccounts-podcertificate-signer" && a.GetResource() == "example.com:granted" {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "", nil
		}),
	}
}

// run tries cases as the kubelet of n1.
func run(t *testing.T, cases []admissiontest.Case) {
	t.Helper()
	for i := range cases {
		if cases[i].User == nil {
			cases[i].User = &user.DefaultInfo{Name: "system:node:n1"}
		}
	}
	admissiontest.Run(t, step(t), cases)
}

func TestOthers(t *testing.T) {
	run(t, []admissiontest.Case{
		{Name: "somebody else", Object: pod("p", "", ""), User: &user.DefaultInfo{Name: "ann"}},
		{Name: "no node", Object: pod("p", "", ""), User: &user.DefaultInfo{Name: "system:node:"}, Refused: `could not determine node from user "system:node:"`},
		{Name: "other resources", Object: `{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"}}`},
	})
}

func TestPods(t *testing.T) {
	const owner = `,"ownerReferences":[{"apiVersion":"v1","kind":"Node","name":"n1","uid":"uid-n1","controller":true}]`
	mirror := func(more, spec string) string {
		return pod("m", `,"annotations":{"kubernetes.io/config.mirror":"x"}`+more, `"nodeName":"n1"`+spec)
	}
	refused := func(what string) string {
		return `pods "m" is forbidden: node "n1" can not create pods that reference ` + what
	}
	volume := func(source string) string { return mirror(owner, `,"volumes":[{"name":"v",`+source+`}]`) }
	run(t, []admissiontest.Case{
		{Name: "mirror", Object: mirror(owner, `,"volumes":[{"name":"v","hostPath":{"path":"/"}},{"name":"d","projected":{"sources":[{"downwardAPI":{}}]}}]`)},
		{Name: "no mirror", Object: pod("m", owner, `"nodeName":"n1"`), Refused: `pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods`},
		{Name: "elsewhere", Object: pod("m", `,"annotations":{"kubernetes.io/config.mirror":"x"}`, `"nodeName":"n2"`), Refused: `node "n1" can only create pods with spec.nodeName set to itself`},
		{Name: "no owner", Object: mirror("", ""), Refused: "can only create pods with an owner reference set to itself"},
		{Name: "two owners", Object: mirror(strings.Replace(owner, "[", `[{"apiVersion":"v1","kind":"Node","name":"n1","uid":"x"},`, 1), ""), Refused: "can only create pods with a single owner reference set to itself"},
		{Name: "another owner", Object: mirror(strings.Replace(owner, `"n1"`, `"n2"`, 1), ""), Refused: "can only create pods with an owner reference set to itself"},
		{Name: "no controller", Object: mirror(strings.Replace(owner, `true`, `false`, 1), ""), Refused: "can only create pods with a controller owner reference set to itself"},
		{Name: "blocking owner", Object: mirror(strings.Replace(owner, `"controller"`, `"blockOwnerDeletion":true,"controller"`, 1), ""), Refused: "must not set blockOwnerDeletion on an owner reference"},
		{Name: "another node's uid", Object: mirror(strings.Replace(owner, `uid-n1`, `x`, 1), ""), Refused: "node n1 UID mismatch: expected x got uid-n1"},
		{Name: "account", Object: mirror(owner, `,"serviceAccountName":"sa"`), Refused: refused("serviceaccounts")},
		{Name: "secret", Object: volume(`"secret":{"secretName":"s"}`), Refused: refused("secrets")},
		{Name: "config map", Object: volume(`"configMap":{"name":"s"}`), Refused: refused("configmaps")},
		{Name: "device claim", Object: mirror(owner, `,"resourceClaims":[{"name":"c"}]`), Refused: refused("resourceclaims")},
		{Name: "claim", Object: volume(`"persistentVolumeClaim":{"claimName":"c"}`), Refused: refused("persistentvolumeclaims")},
		{Name: "ephemeral claim", Object: volume(`"ephemeral":{}`), Refused: refused("persistentvolumeclaims (via ephemeral volumes)")},
		{Name: "driver", Object: volume(`"csi":{"driver":"d"}`), Refused: refused("csidrivers (via CSI volumes)")},
		{Name: "token", Object: volume(`"projected":{"sources":[{"serviceAccountToken":{"path":"p"}}]}`), Refused: refused("serviceaccounts (via projected volumes)")},
		{Name: "trust bundle", Object: volume(`"projected":{"sources":[{"clusterTrustBundle":{"path":"p"}}]}`), Refused: refused("clustertrustbundles")},
		{Name: "certificate", Object: volume(`"projected":{"sources":[{"podCertificate":{}}]}`), Refused: refused("podcertificates")},
		{Name: "update", Object: pod("mine", "", ""), Old: pod("mine", "", ""), Refused: `unexpected operation "UPDATE", node "n1" can only create and delete mirror pods`},
		{Name: "delete", Old: pod("mine", "", "")},
		{Name: "delete another's", Old: pod("theirs", "", ""), Refused: `node "n1" can only delete pods with spec.nodeName set to itself`},
		{Name: "delete none", Old: pod("none", "", ""), Refused: `pods "none" not found`},
		{Name: "evict", Object: `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"namespace":"default","name":"mine"}}`, Resource: "pods", Group: "-", Subresource: "eviction"},
		{Name: "evict another's", Object: `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"namespace":"default","name":"theirs"}}`, Resource: "pods", Group: "-", Subresource: "eviction", Refused: "node n1 can only evict pods with spec.nodeName set to itself"},
		{Name: "bind", Object: `{"apiVersion":"v1","kind":"Binding","metadata":{"namespace":"default","name":"mine"}}`, Resource: "pods", Subresource: "binding", Refused: `unexpected pod subresource "binding", only 'status' and 'eviction' are allowed`},
	})
}

func TestPodStatus(t *testing.T) {
	of := func(node, meta, status string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"` + meta + `},"spec":{"nodeName":"` + node + `"},"status":{` + status + `}}`
	}
	run(t, []admissiontest.Case{
		{Name: "mine", Object: of("n1", "", `"phase":"Running"`), Old: of("n1", "", ""), Subresource: "status"},
		{Name: "another's", Object: of("n2", "", ""), Old: of("n2", "", ""), Subresource: "status", Refused: `node "n1" can only update pod status for pods with spec.nodeName set to itself`},
		{Name: "labels", Object: of("n1", `,"labels":{"a":"b"}`, ""), Old: of("n1", "", ""), Subresource: "status", Refused: "cannot update labels through pod status"},
		{Name: "claims", Object: of("n1", "", `"resourceClaimStatuses":[{"name":"c"}]`), Old: of("n1", "", ""), Subresource: "status", Refused: "cannot update resource claim statues"},
		{Name: "extended claim", Object: of("n1", "", `"extendedResourceClaimStatus":{"resourceClaimName":"c","requestMappings":[]}`), Old: of("n1", "", ""), Subresource: "status", Refused: "cannot update extended resource claim status"},
	})
}

func TestNodes(t *testing.T) {
	node := func(name, meta, spec string) string {
		return `{"apiVersion":"v1","kind":"Node","metadata":{"name":"` + name + `"` + meta + `},"spec":{` + spec + `}}`
	}
	labels := func(l string) string { return node("n1", `,"labels":{`+l+`}`, "") }
	run(t, []admissiontest.Case{
		{Name: "itself", Object: labels(`"kubernetes.io/hostname":"n1","example.com/a":"b","node.kubernetes.io/x":"y","a.kubelet.kubernetes.io/x":"y"`)},
		{Name: "another", Object: node("n2", "", ""), Refused: `nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"`},
		{Name: "delete another", Old: node("n2", "", ""), Refused: "not allowed to modify node"},
		{Name: "config source", Object: node("n1", "", `"configSource":{}`), Refused: "is not allowed to create pods with a non-nil configSource"},
		{Name: "new config source", Object: node("n1", "", `"configSource":{}`), Old: node("n1", "", ""), Refused: "is not allowed to update configSource to a new non-nil configSource"},
		{Name: "labels", Object: labels(`"node-restriction.kubernetes.io/x":"y","foo.k8s.io/z":"y"`), Refused: `node "n1" is not allowed to set the following labels: foo.k8s.io/z, node-restriction.kubernetes.io/x`},
		{Name: "labels that were there", Object: labels(`"foo.k8s.io/z":"y"`), Old: labels(`"foo.k8s.io/z":"y"`)},
		{Name: "labels taken away", Object: labels(``), Old: labels(`"foo.k8s.io/z":"y"`), Refused: "is not allowed to modify labels: foo.k8s.io/z"},
		{Name: "taints", Object: node("n1", "", `"taints":[{"key":"a","effect":"NoSchedule"}]`), Old: node("n1", "", ""), Refused: "is not allowed to modify taints"},
		{Name: "owners", Object: node("n1", `,"ownerReferences":[{"name":"x"}]`, ""), Old: node("n1", "", ""), Refused: "is not allowed to modify ownerReferences"},
		{Name: "status", Object: node("n1", "", ""), Old: node("n1", "", ""), Subresource: "status"},
	})
}

func TestNamed(t *testing.T) {
	lease := func(namespace, name string) string {
		return `{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"namespace":"` + namespace + `","name":"` + name + `"}}`
	}
	csi := func(name string) string {
		return `{"apiVersion":"storage.k8s.io/v1","kind":"CSINode","metadata":{"name":"` + name + `"}}`
	}
	slice := func(node string) string {
		return `{"apiVersion":"resource.k8s.io/v1","kind":"ResourceSlice","metadata":{"name":"s"},"spec":{"nodeName":"` + node + `"}}`
	}
	claim := func(meta, status string) string {
		return `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c"` + meta + `},"status":{` + status + `}}`
	}
	run(t, []admissiontest.Case{
		{Name: "lease", Object: lease("kube-node-lease", "n1")},
		{Name: "another's lease", Object: lease("kube-node-lease", "n2"), Refused: "can only access node lease with the same name as the requesting node"},
		{Name: "another's lease, removed", Old: lease("kube-node-lease", "n2"), Refused: "can only access node lease"},
		{Name: "lease elsewhere", Object: lease("default", "n1"), Refused: `can only access leases in the "kube-node-lease" system namespace`},
		{Name: "CSI node", Object: csi("n1"), Old: csi("n1")},
		{Name: "another's CSI node", Object: csi("n2"), Refused: "can only access CSINode with the same name as the requesting node"},
		{Name: "CSI node's status", Object: csi("n1"), Old: csi("n1"), Subresource: "status", Refused: "CSIVolumeHealth feature gate is disabled"},
		{Name: "slice", Object: slice("n1")},
		{Name: "another's slice", Object: slice("n2"), Refused: "can only create ResourceSlice with the same NodeName as the requesting node"},
		{Name: "another's slice, removed", Old: slice("n2"), Refused: "can only delete ResourceSlice"},
		{Name: "claim grows", Object: claim("", `"capacity":{"storage":"2"},"allocatedResources":{"storage":"2"}`), Old: claim(`,"resourceVersion":"1"`, ""), Subresource: "status"},
		{Name: "claim changes phase", Object: claim("", `"phase":"Bound"`), Old: claim("", ""), Subresource: "status", Refused: `node "n1" is not allowed to update fields other than status.quantity and status.conditions`},
		{Name: "claim itself", Object: claim("", ""), Old: claim("", ""), Refused: "may only update PVC status"},
	})
}

func TestTokens(t *testing.T) {
	token := func(spec string) string {
		return `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","metadata":{"namespace":"default","name":"sa"},"spec":{` + spec + `}}`
	}
	bound := func(pod string) string {
		return `"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"` + pod + `","uid":"uid-` + pod + `"}`
	}
	cases := []admissiontest.Case{
		{Name: "for a projected volume", Object: token(bound("mine") + `,"audiences":["vault"]`)},
		{Name: "for a driver", Object: token(bound("mine") + `,"audiences":["storage"]`)},
		{Name: "granted", Object: token(bound("mine") + `,"audiences":["granted"]`)},
		{Name: "for nobody", Object: token(bound("mine") + `,"audiences":["other"]`), Refused: `system:node:n1 is not authorized to request tokens for audience "other"`},
		{Name: "for several", Object: token(bound("mine") + `,"audiences":["vault","storage"]`), Refused: "node may only request 0 or 1 audiences"},
		{Name: "unbound", Object: token(``), Refused: "node requested token not bound to a pod"},
		{Name: "without uid", Object: token(`"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"mine"}`), Refused: "node requested token with a pod binding without a uid"},
		{Name: "another uid", Object: token(`"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":"mine","uid":"x"}`), Refused: "the UID in the bound object reference (x) does not match the UID in record"},
		{Name: "another's pod", Object: token(bound("theirs")), Refused: "node requested token bound to a pod scheduled on a different node"},
		{Name: "no pod", Object: token(bound("none")), Refused: `pods "none" not found`},
	}
	for i := range cases {
		cases[i].Resource, cases[i].Group, cases[i].Subresource = "serviceaccounts", "-", "token"
	}
	run(t, cases)
}

func TestCertificates(t *testing.T) {
	request := func(pod, change string) string {
		text := `{"apiVersion":"certificates.k8s.io/v1","kind":"PodCertificateRequest","metadata":{"namespace":"default","name":"r"},"spec":{"nodeName":"n1","nodeUID":"uid-n1","podName":"` + pod + `","podUID":"uid-` + pod + `","serviceAccountName":"sa","serviceAccountUID":"uid-sa","signerName":"example.com/s"}}`
		before, after, _ := strings.Cut(change, "=")
		return strings.Replace(text, before, after, 1)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr := func(signer, name string) string {
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
		if err != nil {
			t.Fatal(err)
		}
		return `{"apiVersion":"certificates.k8s.io/v1","kind":"CertificateSigningRequest","metadata":{"name":"c"},"spec":{"signerName":"` + signer + `","request":"` + base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})) + `"}}`
	}
	run(t, []admissiontest.Case{
		{Name: "mounted", Object: request("mine", "=")},
		{Name: "granted", Object: request("mine", "com/s=com/granted")},
		{Name: "not mounted", Object: request("mine", "com/s=com/x"), Refused: `pod "default/mine" does not mount a podCertificate projected volume for signer "example.com/x"`},
		{Name: "another node", Object: request("mine", `"n1"="n2"`), Refused: `PodCertificateRequest.Spec.NodeName="n2", which is not the requesting node "n1"`},
		{Name: "another node's uid", Object: request("mine", `uid-n1=x`), Refused: `names node UID "x", inconsistent with the running node ("uid-n1")`},
		{Name: "another pod's uid", Object: request("mine", `uid-mine=x`), Refused: `contains pod UID ("x") which differs from running pod "uid-mine"`},
		{Name: "another's pod", Object: request("theirs", "="), Refused: `pod "default/theirs" is not running on node "n1" named in the PodCertificateRequest`},
		{Name: "mirror pod", Object: request("mirror", "="), Refused: `pod "default/mirror" is a mirror pod`},
		{Name: "another account", Object: request("mine", `"sa"="x"`), Refused: `contains serviceAccountName ("x") that differs from running pod ("sa")`},
		{Name: "another account's uid", Object: request("mine", `uid-sa=x`), Refused: `names service account UID "x", which differs from the running service account ("uid-sa")`},
		{Name: "update", Object: request("mine", "="), Old: request("mine", "="), Refused: "unexpected operation UPDATE"},
		{Name: "own certificate", Object: csr("kubernetes.io/kubelet-serving", "system:node:n1")},
		{Name: "another's certificate", Object: csr("kubernetes.io/kube-apiserver-client-kubelet", "system:node:n2"), Refused: "can only create a node CSR with CN=system:node:n1"},
		{Name: "of another signer", Object: csr("example.com/s", "x")},
		{Name: "delete", Op: admission.Delete, Old: csr("kubernetes.io/kubelet-serving", "x")},
	})
}
