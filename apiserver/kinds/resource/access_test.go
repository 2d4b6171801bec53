package resource

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	authuser "k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// guarded are the kinds on a server where user may do what is listed.
func guarded(may ...string) map[string]*kinds.Kind {
	all := Kinds()
	Access{
		Authorizer: authorizer.AuthorizerFunc(func(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
			what := fmt.Sprintf("%s %s/%s %s/%s", a.GetVerb(), a.GetResource(), a.GetSubresource(), a.GetNamespace(), a.GetName())
			if slices.Contains(may, what) {
				return authorizer.DecisionAllow, "", nil
			}
			return authorizer.DecisionNoOpinion, "no rule", nil
		}),
		Namespace: func(_ context.Context, name string) (*corev1.Namespace, error) {
			switch name {
			case "marked":
				return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{resourcev1.DRAAdminNamespaceLabelKey: "true"}}}, nil
			case "ns":
				return &corev1.Namespace{}, nil
			}
			return nil, errors.New("not there")
		},
		Forbidden: func(a authorizer.Attributes, reason string) error {
			return fmt.Errorf("%s may not %s %s/%s: %s", a.GetUser().GetName(), a.GetVerb(), a.GetSubresource(), a.GetName(), reason)
		},
	}.Install(all)
	byName := map[string]*kinds.Kind{}
	for _, k := range all {
		byName[k.GroupVersionKind.Kind] = k
	}
	return byName
}

// asking is the context of an update of a claim's status.
func asking(t *testing.T, who authuser.Info) context.Context {
	t.Helper()
	gvr := schema.GroupVersionResource{Group: "resource.k8s.io", Version: "v1", Resource: "resourceclaims"}
	ctx := request.WithRequestInfo(t.Context(), &request.RequestInfo{
		IsResourceRequest: true, Verb: "update", APIGroup: gvr.Group, APIVersion: gvr.Version, Resource: gvr.Resource,
		Subresource: "status", Namespace: "ns", Name: "c",
	})
	return request.WithUser(ctx, who)
}

func TestAdministrativeAccess(t *testing.T) {
	yes := true
	spec := newClaim().Spec
	spec.Devices.Requests[0].Exactly.AdminAccess = &yes
	spec.Devices.Requests[0].Exactly.Count, spec.Devices.Requests[0].Exactly.AllocationMode = 1, resourcev1.DeviceAllocationModeExactCount
	const missing = "spec.devices.requests[0].adminAccess: Forbidden: admin access to devices requires the `resource.kubernetes.io/admin-access: true` label on the containing namespace"
	for namespace, want := range map[string]string{
		"marked": "", "ns": missing, "none": "spec.devices.requests[0].adminAccess: Internal error: could not retrieve namespace to verify admin access: not there",
	} {
		k := guarded()
		c := &resourcev1.ResourceClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}, Spec: spec}
		expect(t, k["ResourceClaim"].Validate(t.Context(), c), want)
		tmpl := &resourcev1.ResourceClaimTemplate{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}
		tmpl.Spec.Spec = spec
		expect(t, k["ResourceClaimTemplate"].Validate(t.Context(), tmpl), want)

		now := given("d")
		now.Namespace, now.Status.Allocation.Devices.Results[0].AdminAccess = namespace, &yes
		ctx := asking(t, &authuser.DefaultInfo{Name: "scheduler"})
		errs := guarded("update resourceclaims/binding /")["ResourceClaim"].Status.ValidateUpdate(ctx, now, newClaim())
		expect(t, errs, strings.Replace(want, "spec.devices.requests[0]", "status.allocation.devices.results[0]", 1))
		// What is granted stays so.
		expect(t, guarded()["ResourceClaim"].Status.ValidateUpdate(ctx, now, now.DeepCopy()), "")
	}
}

func TestWhoMayAllocate(t *testing.T) {
	k := guarded()["ResourceClaim"]
	ctx := asking(t, &authuser.DefaultInfo{Name: "jane"})
	const refused = `status.allocation: Forbidden: changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="update" permission: jane may not update binding/: no rule`
	expect(t, k.Status.ValidateUpdate(ctx, given("d"), newClaim()), refused)
	expect(t, guarded("update resourceclaims/binding ns/c")["ResourceClaim"].Status.ValidateUpdate(ctx, given("d"), newClaim()), refused)
	expect(t, guarded("update resourceclaims/binding /")["ResourceClaim"].Status.ValidateUpdate(ctx, given("d"), newClaim()), "")
	reserved := given("d")
	reserved.Status.ReservedFor = []resourcev1.ResourceClaimConsumerReference{consumer("a")}
	expect(t, k.Status.ValidateUpdate(ctx, reserved, given("d")), refused)
	expect(t, k.Status.ValidateUpdate(ctx, given("d"), given("d")), "")
	expect(t, k.Status.ValidateUpdate(t.Context(), given("d"), newClaim()), "status.allocation: Internal error: cannot build authorizer attributes")
}

func TestWhoMayReport(t *testing.T) {
	onNode := func(node string) authuser.Info {
		return &authuser.DefaultInfo{Name: "system:serviceaccount:ns:driver", Extra: map[string][]string{"authentication.kubernetes.io/node-name": {node}}}
	}
	jane := &authuser.DefaultInfo{Name: "jane"}
	const anywhere, associated = "arbitrary-node:update resourceclaims/driver ns/d.x", "associated-node:update resourceclaims/driver ns/d.x"
	was := given("d")
	was.Status.Allocation.NodeSelector = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n1"}}},
	}}}
	now := was.DeepCopy()
	now.Status.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
	for _, c := range []struct {
		who  authuser.Info
		may  string
		want string
	}{
		{jane, anywhere, ""},
		{jane, associated, `status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[arbitrary-node:update]" permission: jane may not arbitrary-node:update driver/d.x: no rule`},
		{onNode("n1"), anywhere, ""},
		{onNode("n1"), associated, ""},
		{onNode("n1"), "", `status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[associated-node:update arbitrary-node:update]" permission: system:serviceaccount:ns:driver may not associated-node:update driver/d.x: no rule`},
		{onNode("n2"), associated, `status.devices: Forbidden: changing status.devices requires resource="resourceclaims/driver", verb="[arbitrary-node:update]"`},
	} {
		k := guarded(c.may)["ResourceClaim"]
		expect(t, k.Status.ValidateUpdate(asking(t, c.who), now, was), c.want)
		expect(t, k.Status.ValidateUpdate(asking(t, c.who), was, now), c.want) // nor take away
	}
	k := guarded()["ResourceClaim"]
	expect(t, k.Status.ValidateUpdate(asking(t, jane), now, now.DeepCopy()), "")
}
