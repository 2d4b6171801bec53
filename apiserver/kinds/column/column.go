// Package column makes the columns and cells of Tables, the form in which
// kubectl get shows objects.
//
// A column's description is the documentation of the field it shows, as the
// Go types of the API carry it (SwaggerDoc); the functions here take it as doc.
package column

import (
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/duration"
)

// None, Unset and Unknown stand in cells for what an object does not say.
const (
	None    = "<none>"
	Unset   = "<unset>"
	Unknown = "<unknown>"
)

// Name is the column of metadata.name.
func Name() metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: "Name", Type: "string", Format: "name", Description: meta("name")}
}

// Age is the column of the time since creation.
func Age() metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: "Age", Type: "string", Description: meta("creationTimestamp")}
}

func meta(field string) string { return metav1.ObjectMeta{}.SwaggerDoc()[field] }

// Text is a column of strings.
func Text(name, doc string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Description: doc}
}

// Wide is a column of strings that only kubectl get -o wide shows.
func Wide(name, doc string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "string", Priority: 1, Description: doc}
}

// Integer is a column of whole numbers; its cells are int64.
func Integer(name, doc string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "integer", Description: doc}
}

// Boolean is a column of truth values.
func Boolean(name, doc string) metav1.TableColumnDefinition {
	return metav1.TableColumnDefinition{Name: name, Type: "boolean", Description: doc}
}

// Templates are the wide columns of names and images of a pod template's
// containers.
func Templates() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		Wide("Containers", "Names of each container in the template."),
		Wide("Images", "Images referenced by each container in the template."),
	}
}

// Since is the cell for how long ago t was.
func Since(t metav1.Time) string { return ago(t.Time) }

// SinceMicro is Since for a time with microseconds.
func SinceMicro(t metav1.MicroTime) string { return ago(t.Time) }

func ago(t time.Time) string {
	if t.IsZero() {
		return Unknown
	}
	return duration.HumanDuration(time.Since(t))
}

// Containers are the cells of Templates.
func Containers(cs []corev1.Container) (names, images string) {
	n, im := make([]string, len(cs)), make([]string, len(cs))
	for i := range cs {
		n[i], im[i] = cs[i].Name, cs[i].Image
	}
	return strings.Join(n, ","), strings.Join(im, ",")
}

// Selector is the cell of a label selector.
func Selector(s *metav1.LabelSelector) string { return metav1.FormatLabelSelector(s) }

// Labels is the cell of a set of labels.
func Labels(set map[string]string) string { return labels.FormatLabels(set) }

// First joins at most the given number of entries and says how many more
// there are.
func First(most int, entries []string) string {
	if len(entries) <= most {
		return strings.Join(entries, ",")
	}
	return strings.Join(entries[:most], ",") + " + " + strconv.Itoa(len(entries)-most) + " more..."
}

// Or is what *s says, or otherwise where s is nil.
func Or[T ~string](s *T, otherwise string) string {
	if s == nil {
		return otherwise
	}
	return string(*s)
}
