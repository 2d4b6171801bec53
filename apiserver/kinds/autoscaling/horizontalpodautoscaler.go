package autoscaling

import (
	"context"
	"fmt"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declaredv1 "github.com/keelson-project/keelson/apiserver/kinds/declarative/autoscaling/v1"
	declaredv2 "github.com/keelson-project/keelson/apiserver/kinds/declarative/autoscaling/v2"
)

func horizontalPodAutoscaler() *kinds.Kind {
	spec := autoscalingv2.HorizontalPodAutoscalerSpec{}.SwaggerDoc()
	names := kinds.Names{
		Resource: "horizontalpodautoscalers", Singular: "horizontalpodautoscaler",
		ShortNames: []string{"hpa"}, Categories: []string{"all"},
	}
	return kinds.Definition[*autoscalingv2.HorizontalPodAutoscaler]{
		GVK: gvk("HorizontalPodAutoscaler"), Names: names, Namespaced: true,
		New:     func() *autoscalingv2.HorizontalPodAutoscaler { return &autoscalingv2.HorizontalPodAutoscaler{} },
		NewList: func() runtime.Object { return &autoscalingv2.HorizontalPodAutoscalerList{} },
		Views: []kinds.View{{
			GroupVersionKind: autoscalingv1.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"), Names: names,
			New:     func() kinds.Object { return &autoscalingv1.HorizontalPodAutoscaler{} },
			NewList: func() runtime.Object { return &autoscalingv1.HorizontalPodAutoscalerList{} },
			Default: func(obj kinds.Object) {
				if h, ok := obj.(*autoscalingv1.HorizontalPodAutoscaler); ok {
					set(&h.Spec.MinReplicas, 1)
				}
			},
			ToStored: func(obj kinds.Object) (kinds.Object, error) {
				h, ok := obj.(*autoscalingv1.HorizontalPodAutoscaler)
				if !ok {
					return nil, fmt.Errorf("an autoscaler of autoscaling/v1 cannot be made of %T", obj)
				}
				return fromV1(h)
			},
			FromStored: func(obj kinds.Object) (kinds.Object, error) {
				h, ok := obj.(*autoscalingv2.HorizontalPodAutoscaler)
				if !ok {
					return nil, fmt.Errorf("a stored autoscaler cannot be %T", obj)
				}
				return toV1(h)
			},
			Rules: kinds.RulesOf(declaredv1.Validate_HorizontalPodAutoscaler),
		}},

		Default: defaultAutoscaler,
		Convert: func(h *autoscalingv2.HorizontalPodAutoscaler) error {
			h.Annotations = withoutCarried(h.Annotations)
			return nil
		},
		Carriers: carriers(),
		PrepareCreate: func(_ context.Context, h *autoscalingv2.HorizontalPodAutoscaler) {
			h.Status = autoscalingv2.HorizontalPodAutoscalerStatus{}
			h.Generation = 1
		},
		PrepareUpdate: func(_ context.Context, h, old *autoscalingv2.HorizontalPodAutoscaler) {
			h.Status = old.Status
			h.Generation = old.Generation
			if !equality.Semantic.DeepEqual(h.Spec, old.Spec) {
				h.Generation++
			}
		},
		UnconditionalUpdate: true,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, h, old *autoscalingv2.HorizontalPodAutoscaler) { h.Spec = old.Spec },

		Rules: declaredv2.Validate_HorizontalPodAutoscaler,
		RuleOptions: func(_, _ *autoscalingv2.HorizontalPodAutoscaler) map[string]bool {
			return map[string]bool{"HPAScaleToZero": true}
		},
		Validate: func(_ context.Context, o *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
			return validate(o, nil)
		},
		ValidateUpdate: func(_ context.Context, o, old *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
			return validate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, _ *autoscalingv2.HorizontalPodAutoscaler) field.ErrorList {
			return validateStatus(o)
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Reference", spec["scaleTargetRef"]),
			column.Text("Targets", spec["metrics"]),
			column.Text("MinPods", spec["minReplicas"]),
			column.Text("MaxPods", spec["maxReplicas"]),
			column.Text("Replicas", autoscalingv2.HorizontalPodAutoscalerStatus{}.SwaggerDoc()["currentReplicas"]),
			column.Age(),
		},
		Cells: func(h *autoscalingv2.HorizontalPodAutoscaler) []any {
			least := column.Unset
			if n := h.Spec.MinReplicas; n != nil {
				least = fmt.Sprint(*n)
			}
			to := h.Spec.ScaleTargetRef
			return []any{
				h.Name, to.Kind + "/" + to.Name, metricsCell(h), least, int64(h.Spec.MaxReplicas), int64(h.Status.CurrentReplicas),
				column.Since(h.CreationTimestamp),
			}
		},
	}.Kind()
}

func defaultAutoscaler(h *autoscalingv2.HorizontalPodAutoscaler) {
	set(&h.Spec.MinReplicas, 1)
	if len(h.Spec.Metrics) == 0 {
		h.Spec.Metrics = []autoscalingv2.MetricSpec{cpuUtilization(80)}
	}
	if b := h.Spec.Behavior; b != nil {
		const period = 15
		percent := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PercentScalingPolicy, Value: 100, PeriodSeconds: period}
		pods := autoscalingv2.HPAScalingPolicy{Type: autoscalingv2.PodsScalingPolicy, Value: 4, PeriodSeconds: period}
		set(&b.ScaleUp, autoscalingv2.HPAScalingRules{})
		set(&b.ScaleUp.StabilizationWindowSeconds, 0)
		defaultRules(b.ScaleUp, pods, percent)
		set(&b.ScaleDown, autoscalingv2.HPAScalingRules{})
		defaultRules(b.ScaleDown, percent)
	}
}

func defaultRules(r *autoscalingv2.HPAScalingRules, policies ...autoscalingv2.HPAScalingPolicy) {
	set(&r.SelectPolicy, autoscalingv2.MaxChangePolicySelect)
	if r.Policies == nil {
		r.Policies = policies
	}
}

func cpuUtilization(percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{
		Type: autoscalingv2.ResourceMetricSourceType,
		Resource: &autoscalingv2.ResourceMetricSource{
			Name:   corev1.ResourceCPU,
			Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
		},
	}
}

func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func metricsCell(h *autoscalingv2.HorizontalPodAutoscaler) string {
	if len(h.Spec.Metrics) == 0 {
		return column.None
	}
	const most = 2
	var out []string
	for i := range h.Spec.Metrics {
		var status *autoscalingv2.MetricStatus
		if i < len(h.Status.CurrentMetrics) {
			status = &h.Status.CurrentMetrics[i]
		}
		out = append(out, metricCell(&h.Spec.Metrics[i], status))
	}
	if more := len(out) - most; more > 0 {
		return fmt.Sprintf("%s + %d more...", strings.Join(out[:most], ", "), more)
	}
	return strings.Join(out, ", ")
}

// metricCell is a metric as current/target; status may be nil.
func metricCell(m *autoscalingv2.MetricSpec, status *autoscalingv2.MetricStatus) string {
	if status == nil {
		status = &autoscalingv2.MetricStatus{}
	}
	var now autoscalingv2.MetricValueStatus
	switch {
	case m.Type == autoscalingv2.ExternalMetricSourceType && m.External != nil:
		if status.External != nil {
			now = status.External.Current
		}
		return valueCell(m.External.Target, now)
	case m.Type == autoscalingv2.ObjectMetricSourceType && m.Object != nil:
		if status.Object != nil {
			now = status.Object.Current
		}
		return valueCell(m.Object.Target, now)
	case m.Type == autoscalingv2.PodsMetricSourceType && m.Pods != nil:
		if status.Pods != nil {
			now = status.Pods.Current
		}
		return quantity(now.AverageValue) + "/" + quantity(m.Pods.Target.AverageValue)
	case m.Type == autoscalingv2.ResourceMetricSourceType && m.Resource != nil:
		if status.Resource != nil {
			now = status.Resource.Current
		}
		return string(m.Resource.Name) + ": " + averageCell(m.Resource.Target, now)
	case m.Type == autoscalingv2.ContainerResourceMetricSourceType && m.ContainerResource != nil:
		if status.ContainerResource != nil {
			now = status.ContainerResource.Current
		}
		return string(m.ContainerResource.Name) + ": " + averageCell(m.ContainerResource.Target, now)
	}
	return "<unknown type>"
}

func valueCell(target autoscalingv2.MetricTarget, now autoscalingv2.MetricValueStatus) string {
	if target.AverageValue != nil {
		return quantity(now.AverageValue) + "/" + quantity(target.AverageValue) + " (avg)"
	}
	return quantity(now.Value) + "/" + quantity(target.Value)
}

func averageCell(target autoscalingv2.MetricTarget, now autoscalingv2.MetricValueStatus) string {
	if target.AverageValue != nil {
		return quantity(now.AverageValue) + "/" + quantity(target.AverageValue)
	}
	is, want := column.Unknown, "<auto>"
	if now.AverageUtilization != nil {
		is = fmt.Sprintf("%d%%", *now.AverageUtilization)
	}
	if target.AverageUtilization != nil {
		want = fmt.Sprintf("%d%%", *target.AverageUtilization)
	}
	return is + "/" + want
}

func quantity(q *resource.Quantity) string {
	if q == nil {
		return column.Unknown
	}
	return q.String()
}
