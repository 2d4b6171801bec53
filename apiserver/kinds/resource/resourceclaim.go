package resource

import (
	"context"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/resource/v1"
)

func resourceClaim() *kinds.Kind {
	return kinds.Definition[*resourcev1.ResourceClaim]{
		GVK:        gvk("ResourceClaim"),
		Names:      kinds.Names{Resource: "resourceclaims", Singular: "resourceclaim"},
		Namespaced: true,
		New:        func() *resourcev1.ResourceClaim { return &resourcev1.ResourceClaim{} },
		NewList:    func() runtime.Object { return &resourcev1.ResourceClaimList{} },

		Default: func(c *resourcev1.ResourceClaim) {
			defaultClaim(&c.Spec)
			if a := c.Status.Allocation; a != nil {
				for i := range a.Devices.Results {
					defaultTolerations(a.Devices.Results[i].Tolerations)
				}
			}
		},
		PrepareCreate: func(_ context.Context, c *resourcev1.ResourceClaim) {
			c.Status = resourcev1.ResourceClaimStatus{}
			dropFromClaim(&c.Spec, &resourcev1.ResourceClaimSpec{})
		},
		PrepareUpdate: func(_ context.Context, c, old *resourcev1.ResourceClaim) {
			c.Status = old.Status
			dropFromClaim(&c.Spec, &old.Spec)
		},
		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		HasStatus: true,
		Resets:    map[string][]string{"status": {"metadata"}},
		PrepareStatusUpdate: func(_ context.Context, c, old *resourcev1.ResourceClaim) {
			c.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(c, old)
			dropFromStatus(&c.Status, &old.Status)
			dropGivenBack(&c.Status, &old.Status)
		},

		Rules: declared.Validate_ResourceClaim,
		Validate: func(_ context.Context, c *resourcev1.ResourceClaim) field.ErrorList {
			return validateClaim(field.NewPath("spec"), &c.Spec)
		},
		ValidateStatusUpdate: func(_ context.Context, c, old *resourcev1.ResourceClaim) field.ErrorList {
			return validateStatus(c, old)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("State", "A summary of the current state (allocated, pending, reserved, etc.)."),
			column.Age(),
		},
		Cells: func(c *resourcev1.ResourceClaim) []any {
			return []any{c.Name, state(c), column.Since(c.CreationTimestamp)}
		},
	}.Kind()
}

func state(c *resourcev1.ResourceClaim) string {
	var words []string
	if c.DeletionTimestamp != nil {
		words = append(words, "deleted")
	}
	switch {
	case c.Status.Allocation != nil:
		words = append(words, "allocated")
		if len(c.Status.ReservedFor) > 0 {
			words = append(words, "reserved")
		}
	case c.DeletionTimestamp == nil:
		words = append(words, "pending")
	}
	return strings.Join(words, ",")
}

func defaultClaim(s *resourcev1.ResourceClaimSpec) {
	for i := range s.Devices.Requests {
		r := &s.Devices.Requests[i]
		if x := r.Exactly; x != nil {
			defaultCount(&x.AllocationMode, &x.Count)
			defaultTolerations(x.Tolerations)
		}
		for j := range r.FirstAvailable {
			x := &r.FirstAvailable[j]
			defaultCount(&x.AllocationMode, &x.Count)
			defaultTolerations(x.Tolerations)
		}
	}
}

func defaultCount(mode *resourcev1.DeviceAllocationMode, n *int64) {
	if *mode == "" {
		*mode = resourcev1.DeviceAllocationModeExactCount
	}
	if *mode == resourcev1.DeviceAllocationModeExactCount && *n == 0 {
		*n = 1
	}
}

func defaultTolerations(list []resourcev1.DeviceToleration) {
	for i := range list {
		if list[i].Operator == "" {
			list[i].Operator = resourcev1.DeviceTolerationOpEqual
		}
	}
}

// dropFromClaim drops what belongs to features that are off.
func dropFromClaim(s, old *resourcev1.ResourceClaimSpec) {
	derived := func(r resourcev1.DeviceRequest) bool {
		return r.Exactly != nil && len(r.Exactly.DerivedAttributes) > 0 ||
			slices.ContainsFunc(r.FirstAvailable, func(s resourcev1.DeviceSubRequest) bool { return len(s.DerivedAttributes) > 0 })
	}
	if slices.ContainsFunc(old.Devices.Requests, derived) {
		return
	}
	for i := range s.Devices.Requests {
		r := &s.Devices.Requests[i]
		if r.Exactly != nil {
			r.Exactly.DerivedAttributes = nil
		}
		for j := range r.FirstAvailable {
			r.FirstAvailable[j].DerivedAttributes = nil
		}
	}
}

func dropFromStatus(s, old *resourcev1.ResourceClaimStatus) {
	skips := func(r resourcev1.DeviceRequestAllocationResult) bool { return len(r.SkipNodeOperations) > 0 }
	if s.Allocation == nil || old.Allocation != nil && slices.ContainsFunc(old.Allocation.Devices.Results, skips) {
		return
	}
	for i := range s.Allocation.Devices.Results {
		s.Allocation.Devices.Results[i].SkipNodeOperations = nil
	}
}

// dropGivenBack drops what drivers said of devices that are the claim's no
// more.
func dropGivenBack(s, old *resourcev1.ResourceClaimStatus) {
	had, has := allocated(old.Allocation), allocated(s.Allocation)
	s.Devices = slices.DeleteFunc(s.Devices, func(d resourcev1.AllocatedDeviceStatus) bool {
		id := statusID(&d)
		return had[id] && !has[id]
	})
	if len(s.Devices) == 0 {
		s.Devices = nil
	}
}
