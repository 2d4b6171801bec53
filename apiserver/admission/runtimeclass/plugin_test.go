package runtimeclass_test

import (
	"context"
	"testing"

	nodev1 "k8s.io/api/node/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/runtimeclass"
)

func TestPods(t *testing.T) {
	step := runtimeclass.Plugin{Class: func(_ context.Context, name string) (*nodev1.RuntimeClass, error) {
		more, ok := map[string]string{
			"plain": ``,
			"heavy": `,"overhead":{"podFixed":{"cpu":"100m"}}`,
			"bound": `,"scheduling":{"nodeSelector":{"vm":"yes"},"tolerations":[{"key":"vm","operator":"Exists","effect":"NoSchedule"}]}`,
		}[name]
		if !ok {
			return nil, apierrors.NewNotFound(nodev1.Resource("runtimeclasses"), name)
		}
		return admissiontest.Decode(t, `{"apiVersion":"node.k8s.io/v1","kind":"RuntimeClass","handler":"h"`+more+`}`).(*nodev1.RuntimeClass), nil
	}}
	pod := func(spec string) string {
		return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{` + spec + `}}`
	}
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "no class", Object: pod(``)},
		{Name: "plain", Object: pod(`"runtimeClassName":"plain"`)},
		{Name: "missing", Object: pod(`"runtimeClassName":"x"`), Refused: `pods "p" is forbidden: pod rejected: RuntimeClass "x" not found`},
		{Name: "overhead", Object: pod(`"runtimeClassName":"heavy"`), Want: `{"spec":{"overhead":{"cpu":"100m"}}}`},
		{Name: "equal overhead", Object: pod(`"runtimeClassName":"heavy","overhead":{"cpu":"0.1"}`)},
		{Name: "other overhead", Object: pod(`"runtimeClassName":"heavy","overhead":{"cpu":"1"}`), Refused: "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"},
		{Name: "overhead without class", Object: pod(`"overhead":{"cpu":"1"}`), Refused: "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"},
		{Name: "overhead with plain class", Object: pod(`"runtimeClassName":"plain","overhead":{"cpu":"1"}`), Refused: "Pod Overhead set without"},
		{Name: "scheduling", Object: pod(`"runtimeClassName":"bound"`), Want: `{"spec":{"nodeSelector":{"vm":"yes"},"tolerations":[{"key":"vm","operator":"Exists","effect":"NoSchedule"}]}}`},
		{Name: "scheduling beside its own", Object: pod(`"runtimeClassName":"bound","nodeSelector":{"a":"b"},"tolerations":[{"key":"vm","operator":"Equal","value":"v","effect":"NoSchedule"},{"key":"x","operator":"Exists"}]`),
			Want: `{"spec":{"nodeSelector":{"vm":"yes"},"tolerations":[{"key":"x","operator":"Exists"},{"key":"vm","operator":"Exists","effect":"NoSchedule"}]}}`},
		{Name: "tolerates everything", Object: pod(`"runtimeClassName":"bound","nodeSelector":{"vm":"yes"},"tolerations":[{"operator":"Exists"}]`)},
		{Name: "conflict", Object: pod(`"runtimeClassName":"bound","nodeSelector":{"vm":"no"}`), Refused: "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no"},
		{Name: "update", Object: pod(`"overhead":{"cpu":"1"}`), Old: pod(`"overhead":{"cpu":"1"}`)},
	})
}
