package flowcontrol

import (
	"context"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func flowSchema() *kinds.Kind {
	spec := flowcontrolv1.FlowSchemaSpec{}.SwaggerDoc()
	return kinds.Definition[*flowcontrolv1.FlowSchema]{
		GVK:     gvk("FlowSchema"),
		Names:   kinds.Names{Resource: "flowschemas", Singular: "flowschema"},
		New:     func() *flowcontrolv1.FlowSchema { return &flowcontrolv1.FlowSchema{} },
		NewList: func() runtime.Object { return &flowcontrolv1.FlowSchemaList{} },

		Default: DefaultFlowSchema,
		PrepareCreate: func(_ context.Context, s *flowcontrolv1.FlowSchema) {
			s.Status = flowcontrolv1.FlowSchemaStatus{}
			s.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, s, old *flowcontrolv1.FlowSchema) {
			s.Status = old.Status
			s.Generation = old.Generation
			if !equality.Semantic.DeepEqual(s.Spec, old.Spec) {
				s.Generation++
			}
		},
		UnconditionalUpdate: true,

		Resets:    map[string][]string{"status": {"metadata"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, s, old *flowcontrolv1.FlowSchema) {
			s.Spec = old.Spec
			keepMeta(&s.ObjectMeta, &old.ObjectMeta)
		},

		Validate:       func(_ context.Context, o *flowcontrolv1.FlowSchema) field.ErrorList { return validateSchema(o) },
		ValidateUpdate: func(_ context.Context, o, _ *flowcontrolv1.FlowSchema) field.ErrorList { return validateSchema(o) },
		ValidateStatusUpdate: func(_ context.Context, o, _ *flowcontrolv1.FlowSchema) field.ErrorList {
			return validateSchemaStatus(o)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("PriorityLevel", flowcontrolv1.PriorityLevelConfigurationReference{}.SwaggerDoc()["name"]),
			column.Text("MatchingPrecedence", spec["matchingPrecedence"]),
			column.Text("DistinguisherMethod", spec["distinguisherMethod"]),
			column.Age(),
			column.Text("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
		},
		Cells: func(s *flowcontrolv1.FlowSchema) []any {
			method, dangling := column.None, "?"
			if m := s.Spec.DistinguisherMethod; m != nil {
				method = string(m.Type)
			}
			for _, c := range s.Status.Conditions {
				if c.Type == flowcontrolv1.FlowSchemaConditionDangling {
					dangling = string(c.Status)
					break
				}
			}
			return []any{
				s.Name, s.Spec.PriorityLevelConfiguration.Name, int64(s.Spec.MatchingPrecedence), method,
				column.Since(s.CreationTimestamp), dangling,
			}
		},
	}.Kind()
}

// DefaultFlowSchema fills in what a flow schema leaves out.
func DefaultFlowSchema(s *flowcontrolv1.FlowSchema) {
	if s.Spec.MatchingPrecedence == 0 {
		s.Spec.MatchingPrecedence = 1000
	}
}

// keepMeta restores all metadata but the managed fields.
func keepMeta(meta, old *metav1.ObjectMeta) {
	managed := meta.ManagedFields
	*meta = *old
	meta.ManagedFields = managed
}
