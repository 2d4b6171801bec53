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
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/flowcontrol/v1"
)

func priorityLevelConfiguration() *kinds.Kind {
	queuing := flowcontrolv1.QueuingConfiguration{}.SwaggerDoc()
	return kinds.Definition[*flowcontrolv1.PriorityLevelConfiguration]{
		GVK:     gvk("PriorityLevelConfiguration"),
		Names:   kinds.Names{Resource: "prioritylevelconfigurations", Singular: "prioritylevelconfiguration"},
		New:     func() *flowcontrolv1.PriorityLevelConfiguration { return &flowcontrolv1.PriorityLevelConfiguration{} },
		NewList: func() runtime.Object { return &flowcontrolv1.PriorityLevelConfigurationList{} },

		Default: DefaultPriorityLevel,
		PrepareCreate: func(_ context.Context, p *flowcontrolv1.PriorityLevelConfiguration) {
			p.Status = flowcontrolv1.PriorityLevelConfigurationStatus{}
			p.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, p, old *flowcontrolv1.PriorityLevelConfiguration) {
			p.Status = old.Status
			p.Generation = old.Generation
			if !equality.Semantic.DeepEqual(p.Spec, old.Spec) {
				p.Generation++
			}
		},
		UnconditionalUpdate: true,

		Resets:    map[string][]string{"status": {"metadata"}},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, p, old *flowcontrolv1.PriorityLevelConfiguration) {
			p.Spec = old.Spec
			keepMeta(&p.ObjectMeta, &old.ObjectMeta)
		},

		Rules: declared.Validate_PriorityLevelConfiguration,
		Validate: func(_ context.Context, o *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
			return validateLevel(o)
		},
		ValidateUpdate: func(_ context.Context, o, _ *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
			return validateLevel(o)
		},
		ValidateStatusUpdate: func(_ context.Context, o, _ *flowcontrolv1.PriorityLevelConfiguration) field.ErrorList {
			return validateLevelStatus(o)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Type", flowcontrolv1.PriorityLevelConfigurationSpec{}.SwaggerDoc()["type"]),
			column.Text("NominalConcurrencyShares", flowcontrolv1.LimitedPriorityLevelConfiguration{}.SwaggerDoc()["nominalConcurrencyShares"]),
			column.Text("Queues", queuing["queues"]),
			column.Text("HandSize", queuing["handSize"]),
			column.Text("QueueLengthLimit", queuing["queueLengthLimit"]),
			column.Age(),
		},
		Cells: func(p *flowcontrolv1.PriorityLevelConfiguration) []any {
			var shares, queues, hand, length any = column.None, column.None, column.None, column.None
			if l := p.Spec.Limited; l != nil {
				if l.NominalConcurrencyShares != nil {
					shares = int64(*l.NominalConcurrencyShares)
				}
				if q := l.LimitResponse.Queuing; q != nil {
					queues, hand, length = int64(q.Queues), int64(q.HandSize), int64(q.QueueLengthLimit)
				}
			}
			return []any{p.Name, string(p.Spec.Type), shares, queues, hand, length, column.Since(p.CreationTimestamp)}
		},
	}.Kind()
}

// DefaultPriorityLevel fills in what a priority level leaves out.
func DefaultPriorityLevel(p *flowcontrolv1.PriorityLevelConfiguration) {
	if l := p.Spec.Limited; l != nil {
		set(&l.NominalConcurrencyShares, 30)
		set(&l.LendablePercent, 0)
		if q := l.LimitResponse.Queuing; q != nil {
			for _, f := range []struct {
				field *int32
				value int32
			}{{&q.HandSize, 8}, {&q.Queues, 64}, {&q.QueueLengthLimit, 50}} {
				if *f.field == 0 {
					*f.field = f.value
				}
			}
		}
	}
	if e := p.Spec.Exempt; e != nil {
		set(&e.NominalConcurrencyShares, 0)
		set(&e.LendablePercent, 0)
	}
}

func set(field **int32, value int32) {
	if *field == nil {
		*field = &value
	}
}
