package componentstatus

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	// timeout is how long a component may take to answer.
	timeout = 20 * time.Second
	// maxAnswer is how much of its answer is told, in bytes.
	maxAnswer = 10 << 10
)

// Component is a part of the control plane.
type Component struct {
	Name string
	// Ask returns what the component says, and whether it is well; an error
	// says that it is not.
	Ask func(ctx context.Context) (message string, healthy bool, err error)
}

// Components are those that kube-apiserver tells of: the controller manager and
// the scheduler at their usual ports of this host, and the store.
func Components(store func(ctx context.Context) error) []Component {
	return []Component{
		{"controller-manager", func(ctx context.Context) (string, bool, error) { return get(ctx, "https://127.0.0.1:10257/healthz") }},
		{"scheduler", func(ctx context.Context) (string, bool, error) { return get(ctx, "https://127.0.0.1:10259/healthz") }},
		{"etcd-0", func(ctx context.Context) (string, bool, error) {
			if err := store(ctx); err != nil {
				return "", false, err
			}
			return "ok", true, nil
		}},
	}
}

// get asks for a component's health. What keeps it from answering is told as if
// it had said so.
func get(ctx context.Context, url string) (string, bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", false, fmt.Errorf("failed to construct probe request: %w", err)
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // only whether it is well is asked, of this host
		DisableKeepAlives: true,
	}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return fmt.Sprintf("Get %q: %v", url, err), false, nil
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	_ = resp.Body.Close() // there is nothing to lose in it
	if err != nil {
		return "", false, err
	}
	if resp.StatusCode < http.StatusOK || resp.StatusCode >= http.StatusBadRequest {
		return fmt.Sprintf("HTTP probe failed with statuscode: %d", resp.StatusCode), false, nil
	}
	return string(data), true, nil
}

// Virtual is the resource.
func Virtual(components []Component) registry.Virtual {
	return registry.Virtual{
		Parent: corev1.SchemeGroupVersion, Kind: corev1.SchemeGroupVersion.WithKind("ComponentStatus"),
		Names:      kinds.Names{Resource: "componentstatuses", Singular: "componentstatus", ShortNames: []string{"cs"}},
		Deprecated: "v1 ComponentStatus is deprecated in v1.19+",
		Handler:    handler{components},
	}
}

type handler struct{ components []Component }

// Get implements registry.Getter.
func (h handler) Get(ctx context.Context, _, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	for i := range h.components {
		if h.components[i].Name == name {
			s := h.components[i].status(ctx)
			return &s, nil
		}
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "componentstatus"}, name)
}

// NewList implements registry.Lister.
func (h handler) NewList() runtime.Object { return &corev1.ComponentStatusList{} }

// List implements registry.Lister. All components are asked at the same time.
func (h handler) List(ctx context.Context, _ string, opts *internalversion.ListOptions) (runtime.Object, error) {
	all := make([]corev1.ComponentStatus, len(h.components))
	var wg sync.WaitGroup
	for i := range h.components {
		wg.Go(func() { all[i] = h.components[i].status(ctx) })
	}
	wg.Wait()
	out := &corev1.ComponentStatusList{Items: []corev1.ComponentStatus{}}
	for _, s := range all {
		if opts.LabelSelector != nil && !opts.LabelSelector.Matches(labels.Set{}) {
			continue
		}
		if opts.FieldSelector != nil && !opts.FieldSelector.Matches(fields.Set{"metadata.name": s.Name, "metadata.namespace": ""}) {
			continue
		}
		out.Items = append(out.Items, s)
	}
	return out, nil
}

func (c *Component) status(ctx context.Context) corev1.ComponentStatus {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	condition := corev1.ComponentCondition{Type: corev1.ComponentHealthy, Status: corev1.ConditionFalse}
	message, healthy, err := c.Ask(ctx)
	condition.Message = message
	switch {
	case err != nil:
		condition.Error = err.Error()
	case healthy:
		condition.Status = corev1.ConditionTrue
	}
	return corev1.ComponentStatus{ObjectMeta: metav1.ObjectMeta{Name: c.Name}, Conditions: []corev1.ComponentCondition{condition}}
}

// Columns implements registry.Tabler.
func (handler) Columns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		column.Name(),
		column.Text("Status", "Status of the component conditions"),
		column.Text("Message", "Message of the component conditions"),
		column.Text("Error", "Error of the component conditions"),
	}
}

// Cells implements registry.Tabler.
func (handler) Cells(obj runtime.Object) []any {
	s := obj.(*corev1.ComponentStatus)
	c := s.Conditions[0]
	status := "Unhealthy"
	if c.Status == corev1.ConditionTrue {
		status = "Healthy"
	}
	return []any{s.Name, status, c.Message, c.Error}
}
