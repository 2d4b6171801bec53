package resource

import (
	"context"
	"fmt"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/resource/v1"
)

func resourceSlice() *kinds.Kind {
	spec := resourcev1.ResourceSliceSpec{}.SwaggerDoc()
	return kinds.Definition[*resourcev1.ResourceSlice]{
		GVK:     gvk("ResourceSlice"),
		Names:   kinds.Names{Resource: "resourceslices", Singular: "resourceslice"},
		New:     func() *resourcev1.ResourceSlice { return &resourcev1.ResourceSlice{} },
		NewList: func() runtime.Object { return &resourcev1.ResourceSliceList{} },

		Default: func(s *resourcev1.ResourceSlice) {
			for i := range s.Spec.Devices {
				taints := s.Spec.Devices[i].Taints
				for j := range taints {
					defaultTime(&taints[j].TimeAdded)
				}
			}
		},
		PrepareCreate: func(_ context.Context, s *resourcev1.ResourceSlice) {
			s.Generation = 1
			dropFromSlice(&s.Spec, &resourcev1.ResourceSliceSpec{})
		},
		PrepareUpdate: func(_ context.Context, s, old *resourcev1.ResourceSlice) {
			if !equality.Semantic.DeepEqual(s.Spec, old.Spec) {
				s.Generation = old.Generation + 1
			}
			dropFromSlice(&s.Spec, &old.Spec)
		},
		UnconditionalUpdate: true,
		ReturnDeleted:       true,
		Warnings: func(_ context.Context, s, _ *resourcev1.ResourceSlice) []string {
			if d := s.Spec.Driver; d != strings.ToLower(d) {
				return []string{fmt.Sprintf("spec.driver: driver names should be lowercase; %q contains uppercase characters", d)}
			}
			return nil
		},

		Rules: declared.Validate_ResourceSlice,
		RuleOptions: func(_, _ *resourcev1.ResourceSlice) map[string]bool {
			return map[string]bool{"DRAPartitionableDevicesType": false}
		},
		Validate: func(_ context.Context, s *resourcev1.ResourceSlice) field.ErrorList {
			return validateSlice(&s.Spec, nil)
		},
		ValidateUpdate: func(_ context.Context, s, old *resourcev1.ResourceSlice) field.ErrorList {
			return validateSlice(&s.Spec, &old.Spec)
		},

		Fields: func(s *resourcev1.ResourceSlice) fields.Set {
			return fields.Set{
				resourcev1.ResourceSliceSelectorNodeName: column.Or(s.Spec.NodeName, ""),
				resourcev1.ResourceSliceSelectorDriver:   s.Spec.Driver,
				resourcev1.ResourceSliceSelectorPoolName: s.Spec.Pool.Name,
			}
		},
		FieldNames: []string{
			resourcev1.ResourceSliceSelectorNodeName, resourcev1.ResourceSliceSelectorDriver, resourcev1.ResourceSliceSelectorPoolName,
		},
		NoNamespaceField: true,
		UnknownField: func(name string) string {
			return fmt.Sprintf("field label not supported for %s: %s", gvk("ResourceSlice"), name)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Node", spec["nodeName"]),
			column.Text("Driver", spec["driver"]),
			column.Text("Pool", resourcev1.ResourcePool{}.SwaggerDoc()["name"]),
			column.Age(),
		},
		Cells: func(s *resourcev1.ResourceSlice) []any {
			return []any{s.Name, column.Or(s.Spec.NodeName, ""), s.Spec.Driver, s.Spec.Pool.Name, column.Since(s.CreationTimestamp)}
		},
	}.Kind()
}

// offFields are fields of features that are off.
type offFields struct{ nodeAllocatable, lists, groups bool }

// dropFromSlice drops what belongs to features that are off.
func dropFromSlice(s, old *resourcev1.ResourceSliceSpec) {
	if old.PartitionTypeAttribute == nil {
		s.PartitionTypeAttribute = nil
	}
	if len(old.SkipNodeOperations) == 0 {
		s.SkipNodeOperations = nil
	}
	var had offFields
	for i := range old.Devices {
		d := &old.Devices[i]
		had.nodeAllocatable = had.nodeAllocatable || len(d.NodeAllocatableResources) > 0
		for _, a := range d.Attributes {
			had.lists = had.lists || hasLists(&a)
		}
		for _, c := range d.ConsumesCounters {
			had.groups = had.groups || len(c.CompatibilityGroups) > 0
		}
	}
	for i := range s.Devices {
		d := &s.Devices[i]
		if !had.nodeAllocatable {
			d.NodeAllocatableResources = nil
		}
		for name, a := range d.Attributes {
			if !had.lists && hasLists(&a) {
				a.BoolValues, a.IntValues, a.StringValues, a.VersionValues = nil, nil, nil, nil
				d.Attributes[name] = a
			}
		}
		for j := range d.ConsumesCounters {
			if !had.groups {
				d.ConsumesCounters[j].CompatibilityGroups = nil
			}
		}
	}
}

func hasLists(a *resourcev1.DeviceAttribute) bool {
	return a.BoolValues != nil || a.IntValues != nil || a.StringValues != nil || a.VersionValues != nil
}
