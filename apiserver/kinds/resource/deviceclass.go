package resource

import (
	"context"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/resource/v1"
)

func deviceClass() *kinds.Kind {
	return kinds.Definition[*resourcev1.DeviceClass]{
		GVK:     gvk("DeviceClass"),
		Names:   kinds.Names{Resource: "deviceclasses", Singular: "deviceclass"},
		New:     func() *resourcev1.DeviceClass { return &resourcev1.DeviceClass{} },
		NewList: func() runtime.Object { return &resourcev1.DeviceClassList{} },

		ValidName: check.GivenName,

		PrepareCreate: func(_ context.Context, c *resourcev1.DeviceClass) { c.Generation = 1 },
		PrepareUpdate: func(_ context.Context, c, old *resourcev1.DeviceClass) {
			if !equality.Semantic.DeepEqual(c.Spec, old.Spec) {
				c.Generation = old.Generation + 1
			}
		},
		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		Rules: declared.Validate_DeviceClass,
		Validate: func(_ context.Context, c *resourcev1.DeviceClass) field.ErrorList {
			return validateClass(&c.Spec, &resourcev1.DeviceClassSpec{})
		},
		ValidateUpdate: func(_ context.Context, c, old *resourcev1.DeviceClass) field.ErrorList {
			return validateClass(&c.Spec, &old.Spec)
		},

		Columns: []metav1.TableColumnDefinition{column.Name(), column.Age()},
		Cells: func(c *resourcev1.DeviceClass) []any {
			return []any{c.Name, column.Since(c.CreationTimestamp)}
		},
	}.Kind()
}

// validateClass checks a class. Selectors and parameters that are as they were
// are taken to be right.
func validateClass(s, old *resourcev1.DeviceClassSpec) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	age := unless(equality.Semantic.DeepEqual(s.Selectors, old.Selectors))
	selectors(e, p.Child("selectors"), s.Selectors, age)
	if len(s.Config) > resourcev1.DeviceConfigMaxSize {
		return e.List
	}
	age = unless(equality.Semantic.DeepEqual(s.Config, old.Config))
	for i := range s.Config {
		configuration(e, p.Child("config").Index(i), &s.Config[i].DeviceConfiguration, age)
	}
	return e.List
}
