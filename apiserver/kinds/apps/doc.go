// Package apps holds the kinds of apps/v1, one file for each.
package apps

import (
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

// Kinds returns the kinds of apps/v1.
func Kinds() []*kinds.Kind {
	return []*kinds.Kind{deployment(), replicaSet(), statefulSet(), daemonSet(), controllerRevision()}
}

func gvk(kind string) schema.GroupVersionKind { return appsv1.SchemeGroupVersion.WithKind(kind) }

func set[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func deref(n *int32) int32 {
	if n == nil {
		return 0
	}
	return *n
}

// columns joins a kind's own columns with those of its template's containers
// and its selector.
func columns(selectorDoc string, own ...metav1.TableColumnDefinition) []metav1.TableColumnDefinition {
	return append(append(own, column.Templates()...), column.Wide("Selector", selectorDoc))
}

// scaleSelector is the selector in a scale's status.
func scaleSelector(s *metav1.LabelSelector) string {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return ""
	}
	return selector.String()
}
