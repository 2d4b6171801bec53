package ingressclass_test

import (
	"context"
	"slices"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/ingressclass"
)

func TestDefault(t *testing.T) {
	class := func(name, made, is string) *networkingv1.IngressClass {
		return admissiontest.Decode(t, `{"apiVersion":"networking.k8s.io/v1","kind":"IngressClass","metadata":{"name":"`+name+`","creationTimestamp":"`+made+`","annotations":{"ingressclass.kubernetes.io/is-default-class":"`+is+`"}}}`).(*networkingv1.IngressClass)
	}
	for _, c := range []struct {
		name, want string
		classes    []*networkingv1.IngressClass
	}{
		{"none", "", []*networkingv1.IngressClass{class("a", "2026-01-01T00:00:00Z", "false")}},
		{"the youngest", "b", []*networkingv1.IngressClass{class("a", "2026-01-01T00:00:00Z", "true"), class("b", "2026-01-02T00:00:00Z", "true")}},
		{"the first of equals", "a", []*networkingv1.IngressClass{class("a", "2026-01-01T00:00:00Z", "true"), class("b", "2026-01-01T00:00:00Z", "true")}},
	} {
		if got := ingressclass.Default(slices.Values(c.classes)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestIngresses(t *testing.T) {
	ingress := func(meta, spec string) string {
		return `{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"i","namespace":"n"` + meta + `},"spec":{` + spec + `}}`
	}
	step := func(name string) ingressclass.Plugin {
		return ingressclass.Plugin{Default: func(context.Context) (string, error) { return name, nil }}
	}
	admissiontest.Run(t, step("edge"), []admissiontest.Case{
		{Name: "gets it", Object: ingress("", ""), Want: `{"spec":{"ingressClassName":"edge"}}`},
		{Name: "has its own", Object: ingress("", `"ingressClassName":"x"`)},
		{Name: "says it the old way", Object: ingress(`,"annotations":{"kubernetes.io/ingress.class":"x"}`, "")},
		{Name: "is there already", Object: ingress("", ""), Old: ingress("", "")},
	})
	admissiontest.Run(t, step(""), []admissiontest.Case{{Name: "no default", Object: ingress("", "")}})
}
