package apps

import (
	"context"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func daemonSet() *kinds.Kind {
	spec, status := appsv1.DaemonSetSpec{}.SwaggerDoc(), appsv1.DaemonSetStatus{}.SwaggerDoc()
	return kinds.Definition[*appsv1.DaemonSet]{
		GVK: gvk("DaemonSet"),
		Names: kinds.Names{
			Resource: "daemonsets", Singular: "daemonset", ShortNames: []string{"ds"}, Categories: []string{"all"},
		},
		Namespaced: true,
		New:        func() *appsv1.DaemonSet { return &appsv1.DaemonSet{} },
		NewList:    func() runtime.Object { return &appsv1.DaemonSetList{} },

		Default: func(ds *appsv1.DaemonSet) {
			u := &ds.Spec.UpdateStrategy
			if u.Type == "" {
				u.Type = appsv1.RollingUpdateDaemonSetStrategyType
			}
			if u.Type == appsv1.RollingUpdateDaemonSetStrategyType {
				set(&u.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
				set(&u.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
				set(&u.RollingUpdate.MaxSurge, intstr.FromInt32(0))
			}
			set(&ds.Spec.RevisionHistoryLimit, 10)
			podspec.Default(&ds.Spec.Template.Spec)
			if _, ok := ds.Annotations[appsv1.DeprecatedTemplateGeneration]; !ok {
				setTemplateGeneration(ds, 0)
			}
		},
		Convert: func(ds *appsv1.DaemonSet) error {
			_, err := strconv.ParseInt(ds.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64)
			return err
		},
		Carriers: []string{appsv1.DeprecatedTemplateGeneration},
		PrepareCreate: func(_ context.Context, ds *appsv1.DaemonSet) {
			ds.Status = appsv1.DaemonSetStatus{}
			ds.Generation = 1
			setTemplateGeneration(ds, max(1, templateGeneration(ds)))
			podspec.DropTemplate(&ds.Spec.Template, nil)
		},
		PrepareUpdate: func(_ context.Context, ds, old *appsv1.DaemonSet) {
			ds.Status = old.Status
			ds.Generation = old.Generation
			podspec.DropTemplate(&ds.Spec.Template, &old.Spec.Template)
			generation := templateGeneration(old)
			switch {
			case !equality.Semantic.DeepEqual(ds.Spec.Template, old.Spec.Template):
				ds.Generation++
				generation++
			case !equality.Semantic.DeepEqual(ds.Spec, old.Spec):
				ds.Generation++
			}
			setTemplateGeneration(ds, generation)
		},
		UnconditionalUpdate: true,

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, ds, old *appsv1.DaemonSet) {
			ds.Spec = old.Spec
			setTemplateGeneration(ds, templateGeneration(old))
		},

		Validate: func(_ context.Context, o *appsv1.DaemonSet) field.ErrorList { return validateDaemonSet(o) },
		ValidateUpdate: func(_ context.Context, o, old *appsv1.DaemonSet) field.ErrorList {
			return validateDaemonSetUpdate(o, old)
		},
		ValidateStatusUpdate: func(_ context.Context, o, old *appsv1.DaemonSet) field.ErrorList {
			return validateDaemonSetStatus(o, old)
		},
		Warnings: func(_ context.Context, o, old *appsv1.DaemonSet) []string {
			if old != nil && o.Generation == old.Generation {
				return nil
			}
			return podspec.TemplateWarnings(below("template"), &o.Spec.Template)
		},

		Columns: columns(spec["selector"],
			column.Name(),
			column.Integer("Desired", status["desiredNumberScheduled"]),
			column.Integer("Current", status["currentNumberScheduled"]),
			column.Integer("Ready", status["numberReady"]),
			column.Integer("Up-to-date", status["updatedNumberScheduled"]),
			column.Integer("Available", status["numberAvailable"]),
			column.Text("Node Selector", corev1.PodSpec{}.SwaggerDoc()["nodeSelector"]),
			column.Age(),
		),
		Cells: func(ds *appsv1.DaemonSet) []any {
			names, images := column.Containers(ds.Spec.Template.Spec.Containers)
			s := ds.Status
			return []any{
				ds.Name, int64(s.DesiredNumberScheduled), int64(s.CurrentNumberScheduled), int64(s.NumberReady),
				int64(s.UpdatedNumberScheduled), int64(s.NumberAvailable), column.Labels(ds.Spec.Template.Spec.NodeSelector),
				column.Since(ds.CreationTimestamp), names, images, column.Selector(ds.Spec.Selector),
			}
		},
	}.Kind()
}

// templateGeneration counts the changes of a daemon set's template. It lives
// in an annotation since the field for it has gone.
func templateGeneration(ds *appsv1.DaemonSet) int64 {
	n, err := strconv.ParseInt(ds.Annotations[appsv1.DeprecatedTemplateGeneration], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func setTemplateGeneration(ds *appsv1.DaemonSet, n int64) {
	// Other revisions may share the map.
	ds.Annotations = maps.Clone(ds.Annotations)
	if ds.Annotations == nil {
		ds.Annotations = make(map[string]string, 1)
	}
	ds.Annotations[appsv1.DeprecatedTemplateGeneration] = strconv.FormatInt(n, 10)
}
