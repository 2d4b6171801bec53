package resource

import (
	"context"
	"time"

	resourcev1 "k8s.io/api/resource/v1"
	resourcev1beta2 "k8s.io/api/resource/v1beta2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/resource/v1"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// deviceTaintRule is served as v1 and stored as v1beta2, which Kubernetes 1.36
// can read.
func deviceTaintRule() *kinds.Kind {
	names := kinds.Names{Resource: "devicetaintrules", Singular: "devicetaintrule"}
	doc := resourcev1.DeviceTaint{}.SwaggerDoc()
	return kinds.Definition[*resourcev1beta2.DeviceTaintRule]{
		GVK: resourcev1beta2.SchemeGroupVersion.WithKind("DeviceTaintRule"), Names: names,
		New:        func() *resourcev1beta2.DeviceTaintRule { return &resourcev1beta2.DeviceTaintRule{} },
		NewList:    func() runtime.Object { return &resourcev1beta2.DeviceTaintRuleList{} },
		StoredOnly: true,
		Views: []kinds.View{kinds.ViewDefinition[*resourcev1beta2.DeviceTaintRule, *resourcev1.DeviceTaintRule]{
			GVK: gvk("DeviceTaintRule"), Names: names,
			New:        func() *resourcev1.DeviceTaintRule { return &resourcev1.DeviceTaintRule{} },
			NewList:    func() runtime.Object { return &resourcev1.DeviceTaintRuleList{} },
			Default:    func(r *resourcev1.DeviceTaintRule) { defaultTime(&r.Spec.Taint.TimeAdded) },
			Rules:      declared.Validate_DeviceTaintRule,
			ToStored:   ruleToStored,
			FromStored: ruleFromStored,
		}.View()},

		Default: func(r *resourcev1beta2.DeviceTaintRule) { defaultTime(&r.Spec.Taint.TimeAdded) },
		PrepareCreate: func(_ context.Context, r *resourcev1beta2.DeviceTaintRule) {
			r.Status = resourcev1beta2.DeviceTaintRuleStatus{}
			r.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, r, old *resourcev1beta2.DeviceTaintRule) {
			r.Status = old.Status
			// The time is that of the effect, not of the rule.
			if now, was := &r.Spec.Taint, &old.Spec.Taint; now.Effect != was.Effect && now.TimeAdded.Equal(was.TimeAdded) {
				now.TimeAdded = nil
				defaultTime(&now.TimeAdded)
			}
			if !equality.Semantic.DeepEqual(r.Spec, old.Spec) {
				r.Generation = old.Generation + 1
			}
		},

		HasStatus: true,
		Resets:    map[string][]string{"status": {"metadata"}},
		PrepareStatusUpdate: func(_ context.Context, r, old *resourcev1beta2.DeviceTaintRule) {
			r.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(r, old)
		},

		Validate: func(_ context.Context, r *resourcev1beta2.DeviceTaintRule) field.ErrorList { return validateRule(r) },
		ValidateUpdate: func(_ context.Context, r, _ *resourcev1beta2.DeviceTaintRule) field.ErrorList {
			return validateRule(r)
		},
		ValidateStatusUpdate: func(_ context.Context, r, _ *resourcev1beta2.DeviceTaintRule) field.ErrorList {
			e, p, list := &check.Errors{}, field.NewPath("status", "conditions"), r.Status.Conditions
			e.Add(metavalidation.ValidateConditions(list, p)...)
			if len(list) > resourcev1.DeviceTaintRuleStatusMaxConditions {
				e.Add(field.TooMany(p, len(list), resourcev1.DeviceTaintRuleStatusMaxConditions))
			}
			return e.List
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Key", doc["key"]),
			column.Text("Value", doc["value"]),
			column.Text("Effect", doc["effect"]),
			column.Text("TimeAdded", doc["timeAdded"]),
			column.Age(),
		},
		Cells: func(r *resourcev1beta2.DeviceTaintRule) []any {
			t, added := &r.Spec.Taint, ""
			if t.TimeAdded != nil {
				added = column.Since(*t.TimeAdded)
			}
			return []any{r.Name, t.Key, t.Value, string(t.Effect), added, column.Since(r.CreationTimestamp)}
		},
	}.Kind()
}

// defaultTime makes the time of a taint now, to the second.
func defaultTime(t **metav1.Time) {
	if *t == nil {
		*t = &metav1.Time{Time: time.Now().Truncate(time.Second)}
	}
}

func validateRule(r *resourcev1beta2.DeviceTaintRule) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	if s, p := r.Spec.DeviceSelector, p.Child("deviceSelector"); s != nil {
		if s.Driver != nil {
			podspec.CSIDriverName(e, p.Child("driver"), *s.Driver)
		}
		if s.Pool != nil {
			poolName(e, p.Child("pool"), *s.Pool)
		}
		if s.Device != nil {
			e.DNSLabel(p.Child("device"), *s.Device)
		}
	}
	taint(e, p.Child("taint"), r.Spec.Taint.Key, r.Spec.Taint.Value)
	return e.List
}

func ruleToStored(r *resourcev1.DeviceTaintRule) (*resourcev1beta2.DeviceTaintRule, error) {
	t := &r.Spec.Taint
	return &resourcev1beta2.DeviceTaintRule{
		ObjectMeta: r.ObjectMeta,
		Spec: resourcev1beta2.DeviceTaintRuleSpec{
			DeviceSelector: (*resourcev1beta2.DeviceTaintSelector)(r.Spec.DeviceSelector),
			Taint: resourcev1beta2.DeviceTaint{
				Key: t.Key, Value: t.Value, Effect: resourcev1beta2.DeviceTaintEffect(t.Effect), TimeAdded: t.TimeAdded,
			},
		},
		Status: resourcev1beta2.DeviceTaintRuleStatus(r.Status),
	}, nil
}

func ruleFromStored(r *resourcev1beta2.DeviceTaintRule) (*resourcev1.DeviceTaintRule, error) {
	t := &r.Spec.Taint
	return &resourcev1.DeviceTaintRule{
		ObjectMeta: r.ObjectMeta,
		Spec: resourcev1.DeviceTaintRuleSpec{
			DeviceSelector: (*resourcev1.DeviceTaintSelector)(r.Spec.DeviceSelector),
			Taint: resourcev1.DeviceTaint{
				Key: t.Key, Value: t.Value, Effect: resourcev1.DeviceTaintEffect(t.Effect), TimeAdded: t.TimeAdded,
			},
		},
		Status: resourcev1.DeviceTaintRuleStatus(r.Status),
	}, nil
}
