package admissionregistration

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func webhookColumns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		column.Name(),
		column.Integer("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration"),
		column.Age(),
	}
}

// defaultWebhook fills in what both kinds of webhooks have.
func defaultWebhook(
	failure **admissionregistrationv1.FailurePolicyType, match **admissionregistrationv1.MatchPolicyType,
	namespaces, objects **metav1.LabelSelector, timeout **int32,
) {
	set(failure, admissionregistrationv1.Fail)
	set(match, admissionregistrationv1.Equivalent)
	set(namespaces, metav1.LabelSelector{})
	set(objects, metav1.LabelSelector{})
	set(timeout, 10)
}

func defaultTarget(service *admissionregistrationv1.ServiceReference, rules []admissionregistrationv1.RuleWithOperations) {
	if service != nil {
		set(&service.Port, 443)
	}
	for i := range rules {
		set(&rules[i].Scope, admissionregistrationv1.AllScopes)
	}
}

func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
