package scheduling

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// The two classes that clusters have by themselves, and the most that others
// may be worth.
const (
	nodeCritical    = "system-node-critical"
	clusterCritical = "system-cluster-critical"
	systemPrefix    = "system-"
	mostForUsers    = int32(1000000000)
)

func validate(pc *schedulingv1.PriorityClass) field.ErrorList {
	e := &check.Errors{}
	if strings.HasPrefix(pc.Name, systemPrefix) {
		if wrong := notSystem(pc); wrong != "" {
			e.Forbidden(field.NewPath("metadata", "name"), "priority class names with '"+systemPrefix+"' prefix are reserved for system use only. error: "+wrong)
		}
	} else if pc.Value > mostForUsers {
		e.Forbidden(field.NewPath("value"), fmt.Sprintf("maximum allowed value of a user defined priority is %v", mostForUsers))
	}
	if policy := pc.PreemptionPolicy; policy != nil {
		check.RequiredOneOf(e, field.NewPath("preemptionPolicy"), *policy, corev1.PreemptLowerPriority, corev1.PreemptNever)
	}
	return e.List
}

// notSystem says in what a class differs from the system's own of its name.
func notSystem(pc *schedulingv1.PriorityClass) string {
	known := map[string]int32{nodeCritical: 2*mostForUsers + 1000, clusterCritical: 2 * mostForUsers}
	value, ok := known[pc.Name]
	switch {
	case !ok:
		return fmt.Sprintf("%v is not a known system priority class", pc.Name)
	case pc.Value != value:
		return fmt.Sprintf("value of %v PriorityClass must be %v", pc.Name, value)
	case pc.GlobalDefault:
		return fmt.Sprintf("globalDefault of %v PriorityClass must be false", pc.Name)
	}
	return ""
}

func validateUpdate(pc, old *schedulingv1.PriorityClass) field.ErrorList {
	e := &check.Errors{}
	if pc.Value != old.Value {
		e.Forbidden(field.NewPath("value"), "may not be changed in an update.")
	}
	e.Same(field.NewPath("preemptionPolicy"), pc.PreemptionPolicy, old.PreemptionPolicy)
	return e.List
}
