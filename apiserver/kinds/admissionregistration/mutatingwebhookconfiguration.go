package admissionregistration

import (
	"context"
	"reflect"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func mutatingWebhookConfiguration() *kinds.Kind {
	return kinds.Definition[*admissionregistrationv1.MutatingWebhookConfiguration]{
		GVK: gvk("MutatingWebhookConfiguration"),
		Names: kinds.Names{
			Resource: "mutatingwebhookconfigurations", Singular: "mutatingwebhookconfiguration",
			Categories: []string{"api-extensions"},
		},
		New: func() *admissionregistrationv1.MutatingWebhookConfiguration {
			return &admissionregistrationv1.MutatingWebhookConfiguration{}
		},
		NewList:      func() runtime.Object { return &admissionregistrationv1.MutatingWebhookConfigurationList{} },
		AnyFinalizer: true,

		Default: func(c *admissionregistrationv1.MutatingWebhookConfiguration) {
			for i := range c.Webhooks {
				w := &c.Webhooks[i]
				defaultWebhook(&w.FailurePolicy, &w.MatchPolicy, &w.NamespaceSelector, &w.ObjectSelector, &w.TimeoutSeconds)
				defaultTarget(w.ClientConfig.Service, w.Rules)
				set(&w.ReinvocationPolicy, admissionregistrationv1.NeverReinvocationPolicy)
			}
		},
		PrepareCreate: func(_ context.Context, c *admissionregistrationv1.MutatingWebhookConfiguration) { c.Generation = 1 },
		PrepareUpdate: func(_ context.Context, c, old *admissionregistrationv1.MutatingWebhookConfiguration) {
			c.Generation = old.Generation
			// An empty list is not the same as none here.
			if !reflect.DeepEqual(c.Webhooks, old.Webhooks) {
				c.Generation++
			}
		},

		Validate: func(_ context.Context, o *admissionregistrationv1.MutatingWebhookConfiguration) field.ErrorList {
			return append(validateMutating(o, nil), newName(o.Name)...)
		},
		ValidateUpdate: func(_ context.Context, o, old *admissionregistrationv1.MutatingWebhookConfiguration) field.ErrorList {
			return validateMutating(o, old)
		},
		Warnings: func(_ context.Context, o, old *admissionregistrationv1.MutatingWebhookConfiguration) (warnings []string) {
			if old != nil {
				warnings = oldName(o.Name)
			}
			for i := range o.Webhooks {
				warnings = append(warnings, unasked(i, o.Webhooks[i].Rules)...)
			}
			return warnings
		},

		Columns: webhookColumns(),
		Cells: func(c *admissionregistrationv1.MutatingWebhookConfiguration) []any {
			return []any{c.Name, int64(len(c.Webhooks)), column.Since(c.CreationTimestamp)}
		},
	}.Kind()
}
