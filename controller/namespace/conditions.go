package namespace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
)

// findings is what one pass over a namespace found.
type findings struct {
	discovery, parsing error

	mu         sync.Mutex
	errs       []error
	kinds      map[string]int // objects left, by "resource.group"
	finalizers map[string]int // objects left that have the finalizer
}

func newFindings() *findings {
	return &findings{kinds: make(map[string]int), finalizers: make(map[string]int)}
}

func (f *findings) failed(err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *findings) remaining(kind resource, items []metav1.PartialObjectMetadata) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(items) == 0 {
		return
	}
	f.kinds[kind.Resource+"."+kind.Group] = len(items)
	for _, item := range items {
		for _, finalizer := range item.Finalizers {
			f.finalizers[finalizer]++
		}
	}
}

func (f *findings) left() bool { return len(f.kinds) > 0 }

func (f *findings) err() error {
	return errors.Join(append([]error{f.discovery, f.parsing}, f.errs...)...)
}

// conditions are all conditions of a namespace being deleted, good or bad.
func (f *findings) conditions() []corev1.NamespaceCondition {
	return []corev1.NamespaceCondition{
		verdict(corev1.NamespaceDeletionDiscoveryFailure, f.discoveryMessage(),
			"DiscoveryFailed", "ResourcesDiscovered", "All resources successfully discovered"),
		verdict(corev1.NamespaceDeletionGVParsingFailure, messageOf(f.parsing),
			"GroupVersionParsingFailed", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
		verdict(corev1.NamespaceDeletionContentFailure, f.contentMessage(),
			"ContentDeletionFailed", "ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
		verdict(corev1.NamespaceContentRemaining, tally("Some resources are remaining: ", "%s has %d resource instances", f.kinds),
			"SomeResourcesRemain", "ContentRemoved", "All content successfully removed"),
		verdict(corev1.NamespaceFinalizersRemaining, tally("Some content in the namespace has finalizers remaining: ", "%s in %d resource instances", f.finalizers),
			"SomeFinalizersRemain", "ContentHasNoFinalizers", "All content-preserving finalizers finished"),
	}
}

// verdict is the bad condition where there is a message, else the good one.
func verdict(of corev1.NamespaceConditionType, message, badReason, goodReason, goodMessage string) corev1.NamespaceCondition {
	if message != "" {
		return corev1.NamespaceCondition{Type: of, Status: corev1.ConditionTrue, Reason: badReason, Message: message}
	}
	return corev1.NamespaceCondition{Type: of, Status: corev1.ConditionFalse, Reason: goodReason, Message: goodMessage}
}

func messageOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (f *findings) discoveryMessage() string {
	var some *discovery.ErrGroupDiscoveryFailed
	if errors.As(f.discovery, &some) {
		return fmt.Sprintf("Discovery failed for some groups, %d failing: %v", len(some.Groups), f.discovery)
	}
	return messageOf(f.discovery)
}

func (f *findings) contentMessage() string {
	if len(f.errs) == 0 {
		return ""
	}
	messages := make([]string, len(f.errs))
	for i, err := range f.errs {
		messages[i] = err.Error()
	}
	slices.Sort(messages)
	return fmt.Sprintf("Failed to delete all resource types, %d remaining: %s", len(messages), strings.Join(messages, ", "))
}

func tally(head, format string, counts map[string]int) string {
	if len(counts) == 0 {
		return ""
	}
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf(format, name, counts[name]))
	}
	return head + strings.Join(parts, ", ")
}

// setConditions merges the conditions in and reports whether any changed.
func setConditions(status *corev1.NamespaceStatus, next []corev1.NamespaceCondition, now time.Time) bool {
	changed := false
	for _, c := range next {
		c.LastTransitionTime = metav1.NewTime(now)
		i := slices.IndexFunc(status.Conditions, func(have corev1.NamespaceCondition) bool { return have.Type == c.Type })
		if i < 0 {
			status.Conditions = append(status.Conditions, c)
			changed = true
			continue
		}
		have := &status.Conditions[i]
		if have.Status == c.Status {
			c.LastTransitionTime = have.LastTransitionTime
		}
		if have.Status != c.Status || have.Reason != c.Reason || have.Message != c.Message {
			*have = c
			changed = true
		}
	}
	return changed
}
