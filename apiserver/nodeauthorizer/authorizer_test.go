package nodeauthorizer_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/apiserver/nodeauthorizer"
	"github.com/keelson-project/keelson/apiserver/rbac"
	"github.com/keelson-project/keelson/store/memory"
)

// world are objects of two nodes, by the path of their collection.
var world = []struct{ path, body string }{
	{"/api/v1/namespaces/default/pods", `{"metadata":{"name":"mine"},"spec":{"nodeName":"n1","serviceAccountName":"sa","containers":[{"name":"a","image":"i","resources":{"requests":{"example.com/x":"1"},"limits":{"example.com/x":"1"}},"env":[{"name":"E","valueFrom":{"configMapKeyRef":{"name":"seen","key":"k"}}}]}],
		"imagePullSecrets":[{"name":"pull"}],"resourceClaims":[{"name":"r","resourceClaimName":"devices"}],
		"volumes":[{"name":"s","secret":{"secretName":"secret"}},{"name":"c","persistentVolumeClaim":{"claimName":"claim"}},{"name":"e","ephemeral":{"volumeClaimTemplate":{"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1"}}}}}}]}}`},
	{"/api/v1/namespaces/default/pods", `{"metadata":{"name":"theirs"},"spec":{"nodeName":"n2","serviceAccountName":"other","containers":[{"name":"a","image":"i"}],"volumes":[{"name":"s","secret":{"secretName":"other"}}]}}`},
	{"/api/v1/namespaces/default/pods", `{"metadata":{"name":"mirror","annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n1","containers":[{"name":"a","image":"i"}],"volumes":[{"name":"s","secret":{"secretName":"forged"}}]}}`},
	{"/api/v1/persistentvolumes", `{"metadata":{"name":"mine"},"spec":{"capacity":{"storage":"1"},"accessModes":["ReadWriteOnce"],"claimRef":{"namespace":"default","name":"claim"},"csi":{"driver":"d.example.com","volumeHandle":"h",
		"nodeStageSecretRef":{"namespace":"storage","name":"stage"},"controllerPublishSecretRef":{"namespace":"storage","name":"controller"}}}}`},
	{"/api/v1/persistentvolumes", `{"metadata":{"name":"theirs"},"spec":{"capacity":{"storage":"1"},"accessModes":["ReadWriteOnce"],"claimRef":{"namespace":"default","name":"unused"},"hostPath":{"path":"/x"}}}`},
	{"/apis/storage.k8s.io/v1/volumeattachments", `{"metadata":{"name":"mine"},"spec":{"attacher":"d","nodeName":"n1","source":{"persistentVolumeName":"mine"}}}`},
	{"/apis/storage.k8s.io/v1/volumeattachments", `{"metadata":{"name":"theirs"},"spec":{"attacher":"d","nodeName":"n2","source":{"persistentVolumeName":"mine"}}}`},
	{"/apis/resource.k8s.io/v1/resourceslices", `{"metadata":{"name":"mine"},"spec":{"driver":"d.example.com","nodeName":"n1","pool":{"name":"n1","resourceSliceCount":1}}}`},
}

func TestNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		server, err := apiserver.New(apiserver.Config{Store: st, Kinds: builtin.Kinds()})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		<-server.Ready()
		client, err := kubernetes.NewForConfig(server.LoopbackConfig())
		if err != nil {
			t.Fatal(err)
		}
		rest := client.CoreV1().RESTClient()
		for _, o := range world {
			if err := rest.Post().AbsPath(o.path).SetHeader("Content-Type", "application/json").Body([]byte(o.body)).Do(ctx).Error(); err != nil {
				t.Fatalf("%s: %v", o.path, err)
			}
		}
		if err := rest.Patch(types.MergePatchType).AbsPath("/api/v1/namespaces/default/pods/mine/status").Body([]byte(`{"status":{"extendedResourceClaimStatus":{"resourceClaimName":"extended","requestMappings":[{"containerName":"a","resourceName":"example.com/x","requestName":"r"}]}}}`)).Do(ctx).Error(); err != nil {
			t.Fatal(err)
		}
		policy, err := rbac.DefaultPolicy()
		if err != nil {
			t.Fatal(err)
		}
		check(t, nodeauthorizer.New(server.Registry(), policy.Rules("system:node")))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

// check asks about requests written as "verb group/resource[/subresource]
// namespace/name [field=value]", where - is nothing.
func check(t *testing.T, a *nodeauthorizer.Authorizer) {
	const unrelated = "no relationship found between node 'n1' and this object"
	for _, c := range []struct{ request, reason string }{
		{"get /secrets default/secret", ""},
		{"watch /secrets default/secret", ""},
		{"get /secrets default/pull", ""},
		{"get /secrets storage/stage", ""},
		{"get /secrets storage/controller", unrelated},
		{"get /secrets default/other", unrelated},
		{"get /secrets default/forged", unrelated},
		{"get /secrets elsewhere/secret", unrelated},
		{"list /secrets default/-", "No Object name found"},
		{"list /secrets -/-", "can only read namespaced object of this type"},
		{"update /secrets default/secret", "can only read resources of this type"},
		{"get /secrets/x default/secret", "cannot read subresource"},
		{"get /configmaps default/seen", ""},
		{"get /configmaps default/other", unrelated},
		{"get /persistentvolumeclaims default/claim", ""},
		{"get /persistentvolumeclaims default/mine-e", ""},
		{"list /persistentvolumeclaims default/claim", "can only get individual resources of this type"},
		{"update /persistentvolumeclaims/status default/claim", ""},
		{"get /persistentvolumeclaims/status default/claim", "can only get/update/patch this type"},
		{"update /persistentvolumeclaims/status default/other", unrelated},
		{"get /persistentvolumes -/mine", ""},
		{"get /persistentvolumes -/theirs", unrelated},
		{"get /persistentvolumes -/none", unrelated},
		{"get resource.k8s.io/resourceclaims default/devices", ""},
		{"get resource.k8s.io/resourceclaims default/extended", ""},
		{"get resource.k8s.io/resourceclaims default/other", unrelated},
		{"get storage.k8s.io/volumeattachments -/mine", ""},
		{"get storage.k8s.io/volumeattachments -/theirs", unrelated},
		{"get storage.k8s.io/volumeattachments/status -/mine", "cannot get subresource"},
		{"create /serviceaccounts/token default/sa", ""},
		{"create /serviceaccounts/token default/other", unrelated},
		{"create /serviceaccounts default/-", "can only create tokens for individual service accounts"},
		{"create /serviceaccounts/x default/sa", "can only create token subresource of serviceaccount"},
		{"get /serviceaccounts default/sa", ""},
		{"get coordination.k8s.io/leases kube-node-lease/n1", ""},
		{"create coordination.k8s.io/leases kube-node-lease/-", ""},
		{"get coordination.k8s.io/leases kube-node-lease/n2", "can only access node lease with the same name as the requesting node"},
		{"get coordination.k8s.io/leases default/n1", `can only access leases in the "kube-node-lease" system namespace`},
		{"list coordination.k8s.io/leases kube-node-lease/-", "can only get, create, update, patch, or delete a node lease"},
		{"update storage.k8s.io/csinodes -/n1", ""},
		{"update storage.k8s.io/csinodes -/n2", "can only access CSINode with the same name as the requesting node"},
		{"list storage.k8s.io/csinodes -/-", "can only get, create, update, patch, or delete a CSINode"},
		{"update storage.k8s.io/csinodes/status -/n1", "CSINode status access requires CSIVolumeHealth feature"},
		{"update storage.k8s.io/csinodes/x -/n1", "cannot authorize CSINode subresources"},
		{"create resource.k8s.io/resourceslices -/-", ""},
		{"update resource.k8s.io/resourceslices -/mine", ""},
		{"update resource.k8s.io/resourceslices -/other", unrelated},
		{"list resource.k8s.io/resourceslices -/- spec.nodeName=n1", ""},
		{"list resource.k8s.io/resourceslices -/- spec.nodeName=n2", "can only list/watch/deletecollection resourceslices with nodeName field selector"},
		{"bind resource.k8s.io/resourceslices -/mine", "only the following verbs are allowed for a ResourceSlice"},
		{"get resource.k8s.io/resourceslices/x -/mine", "cannot authorize ResourceSlice subresources"},
		{"create certificates.k8s.io/podcertificaterequests default/-", ""},
		{"list certificates.k8s.io/podcertificaterequests -/- spec.nodeName=n1", ""},
		{"list certificates.k8s.io/podcertificaterequests -/-", "can only list/watch podcertificaterequests with nodeName field selector"},
		{"get certificates.k8s.io/podcertificaterequests default/x", unrelated},
		{"delete certificates.k8s.io/podcertificaterequests default/x", "nodes may not delete podcertificaterequests"},
		{"update certificates.k8s.io/podcertificaterequests/status default/x", "nodes may not access the status subresource of PodCertificateRequests"},
		{"get /nodes -/n1", ""},
		{"create /nodes -/-", ""},
		{"patch /nodes/status -/n2", ""},
		{"get /nodes -/n2", "node 'n1' cannot read 'n2', only its own Node object"},
		{"list /nodes -/-", "node 'n1' cannot read all nodes, only its own Node object"},
		{"delete /nodes -/n1", "-"},
		{"get /pods default/mine", ""},
		{"get /pods default/theirs", unrelated},
		{"list /pods -/- spec.nodeName=n1", ""},
		{"watch /pods default/mine", ""},
		{"list /pods -/-", "can only list/watch pods with spec.nodeName field selector"},
		{"create /pods default/-", ""},
		{"update /pods/status default/theirs", ""},
		{"create /pods/eviction default/mine", ""},
		{"update /pods default/mine", "-"},
		{"get /services default/x", ""},
		{"create /events default/-", ""},
		{"get /podtemplates default/x", "-"},
	} {
		words := strings.Fields(c.request)
		namespace, name, _ := strings.Cut(strings.ReplaceAll(words[2], "-/", "/"), "/")
		if name == "-" {
			name = ""
		}
		group, resource, _ := strings.Cut(words[1], "/")
		resource, subresource, _ := strings.Cut(resource, "/")
		record := authorizer.AttributesRecord{
			User: &user.DefaultInfo{Name: "system:node:n1", Groups: []string{"system:nodes"}}, Verb: words[0], APIGroup: group, Resource: resource, Subresource: subresource,
			Namespace: namespace, Name: name, ResourceRequest: true,
		}
		if len(words) > 3 {
			record.FieldSelectorRequirements = fields.ParseSelectorOrDie(words[3]).Requirements()
		}
		decision, reason, err := a.Authorize(t.Context(), record)
		wanted := authorizer.DecisionNoOpinion
		if c.reason == "" {
			wanted = authorizer.DecisionAllow
		}
		if err != nil || decision != wanted || !strings.HasPrefix(reason, strings.TrimPrefix(c.reason, "-")) || (c.reason == "-" && reason != "") {
			t.Errorf("%s: %v, %q, %v; want %q", c.request, decision, reason, err, c.reason)
		}
	}
	for _, u := range []*user.DefaultInfo{{Name: "system:node:n1"}, {Name: "ann", Groups: []string{"system:nodes"}}, {Name: "system:node:", Groups: []string{"system:nodes"}}} {
		decision, _, err := a.Authorize(t.Context(), authorizer.AttributesRecord{User: u, Verb: "get", Resource: "services", ResourceRequest: true})
		if decision != authorizer.DecisionNoOpinion || err != nil {
			t.Errorf("%v is taken for a node: %v, %v", u, decision, err)
		}
	}
}
