package registry

import (
	"reflect"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

func TestEmptyListsAreNone(t *testing.T) {
	r := &Resource{}
	schema := &flowcontrolv1.FlowSchema{Spec: flowcontrolv1.FlowSchemaSpec{Rules: []flowcontrolv1.PolicyRulesWithSubjects{{
		ResourceRules: []flowcontrolv1.ResourcePolicyRule{{Verbs: []string{"get"}, Namespaces: []string{}}},
	}}}}
	r.clearEmpty(schema)
	if rule := schema.Spec.Rules[0].ResourceRules[0]; rule.Namespaces != nil || len(rule.Verbs) != 1 {
		t.Errorf("%#v", rule)
	}
	r = &Resource{}
	d := &appsv1.Deployment{}
	d.Spec.Template.Spec.Containers = []corev1.Container{}
	d.Spec.Template.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{}},
	}}
	r.clearEmpty(d)
	if d.Spec.Template.Spec.Containers != nil || d.Spec.Template.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms != nil {
		t.Errorf("%#v", d.Spec.Template.Spec)
	}
	// A type that holds itself ends.
	(&Resource{}).clearEmpty(&apiextensionsv1.CustomResourceDefinition{})
}

// TestEmptyAsStored: what is left is what comes back from the store.
func TestEmptyAsStored(t *testing.T) {
	for _, obj := range []kinds.Object{
		&corev1.LimitRange{Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{}}},
		&corev1.Secret{Data: map[string][]byte{"a": {}}},
	} {
		(&Resource{}).clearEmpty(obj)
		value, err := obj.(interface{ Marshal() ([]byte, error) }).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(reflect.TypeOf(obj).Elem()).Interface()
		if err := back.(unmarshaler).Unmarshal(value); err != nil {
			t.Fatal(err)
		}
		if !equality.Semantic.DeepEqual(obj, back) || !reflect.DeepEqual(obj, back) {
			t.Errorf("%#v comes back as %#v", obj, back)
		}
	}
}
