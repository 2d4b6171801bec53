package standard_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestEventsWithoutNames: events of core/v1 are asked for a name only when
// nothing else is wrong with them, those of events.k8s.io at once.
func TestEventsWithoutNames(t *testing.T) {
	w := start(t)
	const noName, elsewhere = "metadata.name: Required value", "involvedObject.namespace: Invalid value"
	old := func(of string) error {
		_, err := w.admin.CoreV1().Events("default").Create(t.Context(), &corev1.Event{InvolvedObject: corev1.ObjectReference{Namespace: of}}, metav1.CreateOptions{})
		return err
	}
	if err := old("other"); err == nil || strings.Contains(err.Error(), noName) || !strings.Contains(err.Error(), elsewhere) {
		t.Error(err)
	}
	if err := old("default"); err == nil || !strings.Contains(err.Error(), noName) {
		t.Error(err)
	}
	_, err := w.admin.EventsV1().Events("default").Create(t.Context(), &eventsv1.Event{}, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), noName) || strings.Count(err.Error(), noName) != 1 || !strings.Contains(err.Error(), "eventTime: Required value") {
		t.Error(err)
	}
}
