package apiregistration

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

const httpsPort = 443

func apiService() *kinds.Kind {
	return kinds.Definition[*apiregistrationv1.APIService]{
		GVK:        apiregistrationv1.SchemeGroupVersion.WithKind("APIService"),
		Names:      kinds.Names{Resource: "apiservices", Singular: "apiservice", Categories: []string{"api-extensions"}},
		StorageKey: "apiregistration.k8s.io/apiservices",

		TypeConverter: newConverter(),
		Encode:        encode,

		New:     func() *apiregistrationv1.APIService { return &apiregistrationv1.APIService{} },
		NewList: func() runtime.Object { return &apiregistrationv1.APIServiceList{} },

		ValidName: func(string, bool) []string { return nil }, // it follows from the spec: see validate
		Default: func(s *apiregistrationv1.APIService) {
			if to := s.Spec.Service; to != nil && to.Port == nil {
				port := int32(httpsPort)
				to.Port = &port
			}
		},
		PrepareCreate: func(_ context.Context, s *apiregistrationv1.APIService) {
			s.Status = apiregistrationv1.APIServiceStatus{}
			if s.Spec.Service == nil {
				SetAvailable(s, Local())
			}
		},
		PrepareUpdate: func(_ context.Context, s, old *apiregistrationv1.APIService) { s.Status = old.Status },
		Validate:      func(_ context.Context, s *apiregistrationv1.APIService) field.ErrorList { return validate(s) },
		ValidateUpdate: func(_ context.Context, s, _ *apiregistrationv1.APIService) field.ErrorList {
			return validate(s)
		},
		AnyFinalizer: true,

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, s, old *apiregistrationv1.APIService) {
			s.Spec = old.Spec
			s.Labels, s.Annotations = old.Labels, old.Annotations
			s.Finalizers, s.OwnerReferences = old.Finalizers, old.OwnerReferences
		},
		ValidateStatusUpdate: func(_ context.Context, s, _ *apiregistrationv1.APIService) field.ErrorList {
			return validateStatus(s)
		},
		Resets: map[string][]string{"status": {"metadata"}},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Service", "The reference to the service that hosts this API endpoint."),
			column.Text("Available", "Whether this service is available."),
			column.Age(),
		},
		Cells: func(s *apiregistrationv1.APIService) []any {
			by := "Local"
			if to := s.Spec.Service; to != nil {
				by = to.Namespace + "/" + to.Name
			}
			available := string(apiregistrationv1.ConditionUnknown)
			if c := Available(s); c != nil {
				available = string(c.Status)
				if c.Status != apiregistrationv1.ConditionTrue && c.Reason != "" {
					available = fmt.Sprintf("%s (%s)", c.Status, c.Reason)
				}
			}
			return []any{s.Name, by, available, column.Since(s.CreationTimestamp)}
		},
	}.Kind()
}

// Local is the condition of an APIService that the server answers itself.
func Local() apiregistrationv1.APIServiceCondition {
	return apiregistrationv1.APIServiceCondition{
		Type: apiregistrationv1.Available, Status: apiregistrationv1.ConditionTrue, LastTransitionTime: metav1.Now(),
		Reason: "Local", Message: "Local APIServices are always available",
	}
}

// Available returns the condition that says whether an APIService is, or nil.
func Available(s *apiregistrationv1.APIService) *apiregistrationv1.APIServiceCondition {
	i := slices.IndexFunc(s.Status.Conditions, func(c apiregistrationv1.APIServiceCondition) bool { return c.Type == apiregistrationv1.Available })
	if i < 0 {
		return nil
	}
	return &s.Status.Conditions[i]
}

// SetAvailable sets that condition; its time moves only if its status does.
func SetAvailable(s *apiregistrationv1.APIService, c apiregistrationv1.APIServiceCondition) {
	have := Available(s)
	if have == nil {
		s.Status.Conditions = append(s.Status.Conditions, c)
		return
	}
	if have.Status == c.Status {
		c.LastTransitionTime = have.LastTransitionTime
	}
	*have = c
}
