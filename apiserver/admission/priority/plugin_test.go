package priority_test

import (
	"context"
	"iter"
	"slices"
	"testing"

	schedulingv1 "k8s.io/api/scheduling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/priority"
)

func step(t *testing.T, classes ...string) priority.Plugin {
	var all []*schedulingv1.PriorityClass
	for _, c := range classes {
		all = append(all, admissiontest.Decode(t, class(c)).(*schedulingv1.PriorityClass))
	}
	return priority.Plugin{
		Class: func(_ context.Context, name string) (*schedulingv1.PriorityClass, error) {
			if i := slices.IndexFunc(all, func(c *schedulingv1.PriorityClass) bool { return c.Name == name }); i >= 0 {
				return all[i], nil
			}
			return nil, apierrors.NewNotFound(schedulingv1.Resource("priorityclasses"), name)
		},
		Default: func(context.Context) (*schedulingv1.PriorityClass, error) {
			return priority.Default(iter.Seq[*schedulingv1.PriorityClass](slices.Values(all))), nil
		},
	}
}

func class(rest string) string {
	return `{"apiVersion":"scheduling.k8s.io/v1","kind":"PriorityClass",` + rest + `}`
}

func pod(spec string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{` + spec + `}}`
}

const (
	high  = `"metadata":{"name":"high"},"value":1000,"preemptionPolicy":"Never"`
	usual = `"metadata":{"name":"usual"},"value":10,"globalDefault":true,"preemptionPolicy":"PreemptLowerPriority"`
	low   = `"metadata":{"name":"low"},"value":1,"globalDefault":true,"preemptionPolicy":"PreemptLowerPriority"`
)

func TestPods(t *testing.T) {
	admissiontest.Run(t, step(t, high), []admissiontest.Case{
		{Name: "no class", Object: pod(``), Want: `{"spec":{"priority":0,"preemptionPolicy":"PreemptLowerPriority"}}`},
		{Name: "class", Object: pod(`"priorityClassName":"high"`), Want: `{"spec":{"priority":1000,"preemptionPolicy":"Never"}}`},
		{Name: "class and its number", Object: pod(`"priorityClassName":"high","priority":1000`), Want: `{"spec":{"preemptionPolicy":"Never"}}`},
		{Name: "missing class", Object: pod(`"priorityClassName":"x"`), Refused: `pods "p" is forbidden: no PriorityClass with name x was found`},
		{Name: "another number", Object: pod(`"priority":5`), Refused: "the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name"},
		{Name: "another policy", Object: pod(`"preemptionPolicy":"Never"`), Refused: "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name"},
		{Name: "update keeps both", Object: pod(``), Old: pod(`"priority":7,"preemptionPolicy":"Never"`), Want: `{"spec":{"priority":7,"preemptionPolicy":"Never"}}`},
	})
	admissiontest.Run(t, step(t, usual, high, low), []admissiontest.Case{
		{Name: "the lowest default", Object: pod(``), Want: `{"spec":{"priority":1,"priorityClassName":"low","preemptionPolicy":"PreemptLowerPriority"}}`},
	})
}

func TestOneDefault(t *testing.T) {
	admissiontest.Run(t, step(t, usual), []admissiontest.Case{
		{Name: "second", Object: class(low), Refused: `priorityclasses.scheduling.k8s.io "low" is forbidden: PriorityClass usual is already marked as default. Only one default can exist`},
		{Name: "itself again", Object: class(usual), Old: class(usual)},
		{Name: "another becomes one", Object: class(low), Old: class(low), Refused: "already marked as default"},
		{Name: "no default", Object: class(high)},
	})
	admissiontest.Run(t, step(t), []admissiontest.Case{{Name: "first", Object: class(usual)}})
}
