package resource

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	resourcev1beta2 "k8s.io/api/resource/v1beta2"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func newClaim() *resourcev1.ResourceClaim {
	return &resourcev1.ResourceClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "c", Namespace: "ns"},
		Spec: resourcev1.ResourceClaimSpec{Devices: resourcev1.DeviceClaim{Requests: []resourcev1.DeviceRequest{
			{Name: "a", Exactly: &resourcev1.ExactDeviceRequest{DeviceClassName: "class"}},
		}}},
	}
}

func result(device string) resourcev1.DeviceRequestAllocationResult {
	return resourcev1.DeviceRequestAllocationResult{Request: "a", Driver: "d.x", Pool: "p", Device: device}
}

// given is a claim to which devices are allocated.
func given(devices ...string) *resourcev1.ResourceClaim {
	c := newClaim()
	c.Status.Allocation = &resourcev1.AllocationResult{}
	for _, d := range devices {
		c.Status.Allocation.Devices.Results = append(c.Status.Allocation.Devices.Results, result(d))
	}
	return c
}

func reported(device string) resourcev1.AllocatedDeviceStatus {
	return resourcev1.AllocatedDeviceStatus{Driver: "d.x", Pool: "p", Device: device}
}

func consumer(name string) resourcev1.ResourceClaimConsumerReference {
	return resourcev1.ResourceClaimConsumerReference{Resource: "pods", Name: name, UID: "u"}
}

// ofStatus is what is wrong with an update of a kind's status, by hand and by
// the rules of the type.
func ofStatus(t *testing.T, k *kinds.Kind, rules kinds.Rules, obj, old kinds.Object) field.ErrorList {
	t.Helper()
	op := operation.Operation{Type: operation.Update, Request: operation.Request{Subresources: []string{"status"}}}
	found := validate.FilterEnforcedDeclarativeErrors(t.Context(), rules(t.Context(), op, obj, old), true)
	return append(found, k.Status.ValidateUpdate(t.Context(), obj, old)...)
}

func expect(t *testing.T, errs field.ErrorList, want string) {
	t.Helper()
	if want == "" && len(errs) > 0 || want != "" && !slices.ContainsFunc(errs, func(e *field.Error) bool { return strings.HasPrefix(e.Error(), want) }) {
		t.Errorf("%v, want %q", errs, want)
	}
}

func TestClaimStatus(t *testing.T) {
	long := strings.Repeat("a", 300)
	for _, c := range []struct {
		name string
		was  *resourcev1.ResourceClaim
		now  func(s *resourcev1.ResourceClaimStatus)
		want string
	}{
		{"allocate", newClaim(), func(s *resourcev1.ResourceClaimStatus) { s.Allocation = given("d").Status.Allocation }, ""},
		{"give back", given("d"), func(s *resourcev1.ResourceClaimStatus) { s.Allocation = nil }, ""},
		{"reallocate", given("d"), func(s *resourcev1.ResourceClaimStatus) { s.Allocation = given("e").Status.Allocation }, "status.allocation: Invalid value: null: field cannot be modified once set"},
		{"no request", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Results[0].Request = "z"
		}, `status.allocation.devices.results[0].request: Invalid value: "z": must be the name of a request in the claim`},
		{"no driver", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Results[0].Driver = ""
		}, "status.allocation.devices.results[0].driver: Required value"},
		{"odd pool", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Results[0].Pool = "A"
		}, `status.allocation.devices.results[0].pool: Invalid value: "A"`},
		{"odd device", newClaim(), func(s *resourcev1.ResourceClaimStatus) { s.Allocation = given("A").Status.Allocation }, `status.allocation.devices.results[0].device: Invalid value: "A"`},
		{"odd share", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Results[0].ShareID = ptr(types.UID("x"))
		}, `status.allocation.devices.results[0].shareID: Invalid value: "x"`},
		{"binding", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Results[0].BindingConditions = []string{"a"}
		}, "status.allocation.devices.results[0].bindingFailureConditions: Invalid value"},
		{"toleration", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Results[0].Tolerations = []resourcev1.DeviceToleration{{Operator: "Equal", Value: "v v"}}
		}, `status.allocation.devices.results[0].tolerations[0].value: Invalid value: "v v"`},
		{"too much", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given(make([]string, 33)...).Status.Allocation
		}, "status.allocation.devices.results: Too many: 33: must have at most 32 items"},
		{"configuration", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Config = []resourcev1.DeviceAllocationConfiguration{{Source: "Other"}}
		}, `status.allocation.devices.config[0].source: Unsupported value: "Other"`},
		{"no parameters", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.Devices.Config = []resourcev1.DeviceAllocationConfiguration{{Source: "FromClass", Requests: []string{"z"}}}
		}, "status.allocation.devices.config[0].opaque: Required value"},
		{"node selector", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.Allocation = given("d").Status.Allocation
			s.Allocation.NodeSelector = &corev1.NodeSelector{}
		}, "status.allocation.nodeSelector.nodeSelectorTerms: Required value"},
		{"reserve", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.ReservedFor = []resourcev1.ResourceClaimConsumerReference{consumer("a")}
		}, ""},
		{"reserve nothing", newClaim(), func(s *resourcev1.ResourceClaimStatus) {
			s.ReservedFor = []resourcev1.ResourceClaimConsumerReference{consumer("a")}
		}, "status.reservedFor: Forbidden: may not be specified when `allocated` is not set"},
		{"reserve for nobody", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.ReservedFor = []resourcev1.ResourceClaimConsumerReference{{}}
		}, "status.reservedFor[0].uid: Required value"},
		{"reserve twice", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.ReservedFor = []resourcev1.ResourceClaimConsumerReference{consumer("a"), consumer("b")}
		}, "status.reservedFor[1]: Duplicate value"},
		{"reserve for too many", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.ReservedFor = make([]resourcev1.ResourceClaimConsumerReference, 257)
		}, "status.reservedFor: Too many: 257: must have at most 256 items"},
		{"reserve what goes", func() *resourcev1.ResourceClaim {
			c := given("d")
			c.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			return c
		}(), func(s *resourcev1.ResourceClaimStatus) {
			s.ReservedFor = []resourcev1.ResourceClaimConsumerReference{consumer("a")}
		}, "status.reservedFor: Forbidden: new entries may not be added while"},
		{"report", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
		}, ""},
		{"report another device", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("e")}
		}, `status.devices[0]: Invalid value: {"Driver":"d.x","Pool":"p","Device":"e","ShareID":""}: must be an allocated device in the claim`},
		{"report twice", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d"), reported("d")}
		}, "status.devices[1]: Duplicate value"},
		{"report nothing", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = make([]resourcev1.AllocatedDeviceStatus, 1)
		}, "status.devices[0].driver: Required value"},
		{"odd condition", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
			s.Devices[0].Conditions = make([]metav1.Condition, 1)
		}, "status.devices[0].conditions[0].type: Required value"},
		{"too many conditions", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
			s.Devices[0].Conditions = make([]metav1.Condition, 9)
		}, "status.devices[0].conditions: Too many: 9: must have at most 8 items"},
		{"odd data", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
			s.Devices[0].Data = &runtime.RawExtension{Raw: []byte("1")}
		}, `status.devices[0].data: Invalid value: "<value omitted>": must be a valid JSON object`},
		{"odd address", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
			s.Devices[0].NetworkData = &resourcev1.NetworkDeviceData{IPs: []string{"10.0.0.1"}}
		}, `status.devices[0].networkData.ips[0]: Invalid value: "10.0.0.1"`},
		{"long names", given("d"), func(s *resourcev1.ResourceClaimStatus) {
			s.Devices = []resourcev1.AllocatedDeviceStatus{reported("d")}
			s.Devices[0].NetworkData = &resourcev1.NetworkDeviceData{InterfaceName: long}
		}, "status.devices[0].networkData.interfaceName: Too long: may not be more than 256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, now := resourceClaim(), c.was.DeepCopy()
			c.now(&now.Status)
			k.Status.PrepareUpdate(t.Context(), now, c.was)
			expect(t, ofStatus(t, k, k.Rules, now, c.was), c.want)
		})
	}
}

func TestStatusOfDevicesThatAreGivenBackGoes(t *testing.T) {
	k := resourceClaim()
	old := given("d", "e")
	old.Status.Devices = []resourcev1.AllocatedDeviceStatus{reported("d"), reported("e")}
	now := old.DeepCopy()
	now.Status.Allocation = nil
	k.Status.PrepareUpdate(t.Context(), now, old)
	if now.Status.Devices != nil {
		t.Error("left:", now.Status.Devices)
	}
	if len(old.Status.Devices) != 2 || old.Status.Devices[0].Device != "d" {
		t.Error("the old claim is changed:", old.Status.Devices)
	}
	// What was never allocated is kept for validation to refuse.
	now = old.DeepCopy()
	now.Status.Devices = append(now.Status.Devices, reported("f"))
	k.Status.PrepareUpdate(t.Context(), now, old)
	if len(now.Status.Devices) != 3 {
		t.Error("dropped:", now.Status.Devices)
	}
}

func TestClaimState(t *testing.T) {
	gone := &metav1.Time{Time: time.Unix(1, 0)}
	deleted, inUse := given("d"), given("d")
	deleted.DeletionTimestamp = gone
	inUse.Status.ReservedFor = []resourcev1.ResourceClaimConsumerReference{consumer("a")}
	pending := newClaim()
	pending.DeletionTimestamp = gone
	for want, c := range map[string]*resourcev1.ResourceClaim{
		"pending": newClaim(), "allocated": given("d"), "allocated,reserved": inUse, "deleted,allocated": deleted, "deleted": pending,
	} {
		if got := resourceClaim().Cells(c)[1]; got != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

func TestRuleStatus(t *testing.T) {
	k := deviceTaintRule()
	old := &resourcev1beta2.DeviceTaintRule{ObjectMeta: metav1.ObjectMeta{Name: "r"}}
	now := old.DeepCopy()
	now.Status.Conditions = make([]metav1.Condition, 9)
	errs := k.Status.ValidateUpdate(t.Context(), now, old)
	expect(t, errs, "status.conditions: Too many: 9: must have at most 8 items")
	expect(t, errs, "status.conditions[0].type: Required value")
}

// TestTaintTime: the time of a taint is that of its effect.
func TestTaintTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := deviceTaintRule()
		old := &resourcev1beta2.DeviceTaintRule{}
		old.Spec.Taint.Effect = resourcev1beta2.DeviceTaintEffectNone
		k.Default(old)
		k.PrepareCreate(t.Context(), old)
		added := old.Spec.Taint.TimeAdded
		if added == nil || !added.Time.Equal(time.Now().Truncate(time.Second)) {
			t.Fatal("added", added)
		}
		time.Sleep(time.Minute)
		change := func(f func(r *resourcev1beta2.DeviceTaintRule)) *resourcev1beta2.DeviceTaintRule {
			now := old.DeepCopy()
			f(now)
			k.PrepareUpdate(t.Context(), now, old)
			return now
		}
		if r := change(func(r *resourcev1beta2.DeviceTaintRule) { r.Spec.Taint.Value = "v" }); !r.Spec.Taint.TimeAdded.Equal(added) || r.Generation != 2 {
			t.Error("another value:", r.Spec.Taint.TimeAdded, r.Generation)
		}
		if r := change(func(r *resourcev1beta2.DeviceTaintRule) {
			r.Spec.Taint.Effect = resourcev1beta2.DeviceTaintEffectNoExecute
		}); r.Spec.Taint.TimeAdded.Sub(added.Time) != time.Minute {
			t.Error("another effect:", r.Spec.Taint.TimeAdded)
		}
		own := metav1.NewTime(time.Unix(1, 0))
		if r := change(func(r *resourcev1beta2.DeviceTaintRule) {
			r.Spec.Taint.Effect, r.Spec.Taint.TimeAdded = resourcev1beta2.DeviceTaintEffectNoExecute, &own
		}); !r.Spec.Taint.TimeAdded.Equal(&own) {
			t.Error("a time of the writer's own:", r.Spec.Taint.TimeAdded)
		}
	})
}

// TestOffFieldsStay: fields of features that are off are dropped, but not where
// they are in use.
func TestOffFieldsStay(t *testing.T) {
	spec := func() *resourcev1.ResourceSliceSpec {
		return &resourcev1.ResourceSliceSpec{
			PartitionTypeAttribute: ptr(resourcev1.FullyQualifiedName("d/a")), SkipNodeOperations: []resourcev1.SkipNodeOperation{"*"},
			Devices: []resourcev1.Device{{
				Attributes:               map[resourcev1.QualifiedName]resourcev1.DeviceAttribute{"a": {IntValues: []int64{1}}},
				ConsumesCounters:         []resourcev1.DeviceCounterConsumption{{CompatibilityGroups: []string{"g"}}},
				NodeAllocatableResources: map[corev1.ResourceName]resourcev1.NodeAllocatableResource{"cpu": {}},
			}},
		}
	}
	s := spec()
	dropFromSlice(s, spec())
	if d := &s.Devices[0]; s.PartitionTypeAttribute == nil || s.SkipNodeOperations == nil || d.Attributes["a"].IntValues == nil ||
		d.ConsumesCounters[0].CompatibilityGroups == nil || d.NodeAllocatableResources == nil {
		t.Errorf("dropped: %+v", s)
	}
	dropFromSlice(s, &resourcev1.ResourceSliceSpec{})
	if d := &s.Devices[0]; s.PartitionTypeAttribute != nil || s.SkipNodeOperations != nil || d.Attributes["a"].IntValues != nil ||
		d.ConsumesCounters[0].CompatibilityGroups != nil || d.NodeAllocatableResources != nil {
		t.Errorf("left: %+v", s)
	}
	claim := func() *resourcev1.ResourceClaimSpec {
		c := newClaim().Spec
		c.Devices.Requests[0].Exactly.DerivedAttributes = make([]resourcev1.DeviceDerivedAttribute, 1)
		return &c
	}
	c := claim()
	dropFromClaim(c, claim())
	if c.Devices.Requests[0].Exactly.DerivedAttributes == nil {
		t.Error("derived attributes dropped")
	}
	status := func() *resourcev1.ResourceClaimStatus {
		s := given("d").Status
		s.Allocation.Devices.Results[0].SkipNodeOperations = []resourcev1.SkipNodeOperation{"*"}
		return &s
	}
	kept, dropped := status(), status()
	dropFromStatus(kept, status())
	dropFromStatus(dropped, &resourcev1.ResourceClaimStatus{})
	if kept.Allocation.Devices.Results[0].SkipNodeOperations == nil || dropped.Allocation.Devices.Results[0].SkipNodeOperations != nil {
		t.Errorf("kept %+v, dropped %+v", kept, dropped)
	}
}

func TestSliceFieldsAndWarning(t *testing.T) {
	s := &resourcev1.ResourceSlice{Spec: resourcev1.ResourceSliceSpec{Driver: "D.x", NodeName: ptr("n"), Pool: resourcev1.ResourcePool{Name: "p"}}}
	k := resourceSlice()
	if got := k.Fields(s).String(); got != "spec.driver=D.x,spec.nodeName=n,spec.pool.name=p" {
		t.Error(got)
	}
	if got := k.Warnings(t.Context(), s, nil); len(got) != 1 || got[0] != `spec.driver: driver names should be lowercase; "D.x" contains uppercase characters` {
		t.Error(got)
	}
	if got := k.UnknownField("spec.x"); got != "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: spec.x" {
		t.Error(got)
	}
}

func ptr[T any](v T) *T { return &v }
