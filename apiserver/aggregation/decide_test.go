package aggregation

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

func apiService(kept string, priority int32) *apiregistrationv1.APIService {
	s := &apiregistrationv1.APIService{Spec: apiregistrationv1.APIServiceSpec{GroupPriorityMinimum: priority}}
	if kept != "" {
		s.Labels = map[string]string{label: kept}
	}
	return s
}

func TestDecide(t *testing.T) {
	onStart1, onStart2, always1, always2, mine := apiService(onStart, 1), apiService(onStart, 2), apiService(always, 1), apiService(always, 2), apiService("", 2)
	for _, c := range []struct {
		what            string
		want, have      *apiregistrationv1.APIService
		synced, atStart bool
		do              action
	}{
		{"a name that nobody has", nil, nil, false, false, nothing},
		{"the first start", onStart1, nil, false, false, create},
		{"the next start", onStart1, onStart1, false, true, nothing},
		{"another version of the server starts", onStart1, onStart2, false, true, update},
		{"changed by somebody after the start", onStart1, onStart2, true, true, nothing},
		{"removed by somebody after the start", onStart1, nil, true, true, nothing},
		{"somebody's own in its place", onStart1, mine, false, true, nothing},
		{"not served any more at the start", nil, onStart1, false, true, remove},
		{"made by another server since", nil, onStart1, false, false, nothing},
		{"a custom version", always1, nil, false, false, create},
		{"a custom version whose APIService was removed", always1, nil, true, false, create},
		{"a custom version whose APIService was changed", always1, always2, true, false, update},
		{"a custom version that is gone", nil, always1, true, false, remove},
		{"somebody's own", nil, mine, true, true, nothing},
		{"somebody's own for a custom version", always1, mine, true, true, nothing},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := decide(c.want, c.have, c.synced, c.atStart); got != c.do {
				t.Errorf("does %d, want %d", got, c.do)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	no, port, named, other := false, int32(8443), "https", "http"
	s := &apiregistrationv1.APIService{Spec: apiregistrationv1.APIServiceSpec{Service: &apiregistrationv1.ServiceReference{Namespace: "ns", Name: "s", Port: &port}}}
	service := func(t corev1.ServiceType, port int32) *corev1.Service {
		return &corev1.Service{Spec: corev1.ServiceSpec{Type: t, Ports: []corev1.ServicePort{{Name: "https", Port: port}}}}
	}
	slice := func(port *discoveryv1.EndpointPort, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
		out := &discoveryv1.EndpointSlice{Endpoints: endpoints}
		if port != nil {
			out.Ports = []discoveryv1.EndpointPort{*port}
		}
		return out
	}
	ready, unready := discoveryv1.Endpoint{}, discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: &no}}
	https := &discoveryv1.EndpointPort{Name: &named, Port: &port}
	for _, c := range []struct {
		service *corev1.Service
		slices  []*discoveryv1.EndpointSlice
		want    string
	}{
		{nil, nil, `ServiceNotFound: service/s in "ns" is not present`},
		{service("ClusterIP", 443), nil, `ServicePortError: service/s in "ns" is not listening on port 8443`},
		{service("ClusterIP", 8443), nil, `EndpointsNotFound: cannot find endpointslices for service/s in "ns"`},
		{service("ClusterIP", 8443), []*discoveryv1.EndpointSlice{slice(https)}, `MissingEndpoints: endpointslices for service/s in "ns" have no addresses with port name "https"`},
		{service("ClusterIP", 8443), []*discoveryv1.EndpointSlice{slice(https, unready)}, `MissingEndpoints: `},
		{service("ClusterIP", 8443), []*discoveryv1.EndpointSlice{slice(&discoveryv1.EndpointPort{Name: &other, Port: &port}, ready)}, `MissingEndpoints: `},
		{service("ClusterIP", 8443), []*discoveryv1.EndpointSlice{slice(https), slice(nil, ready)}, `MissingEndpoints: `},
		{service("ClusterIP", 8443), []*discoveryv1.EndpointSlice{slice(https, unready, ready)}, `FailedDiscoveryCheck: `},
		{service("ExternalName", 443), nil, `FailedDiscoveryCheck: `},
	} {
		t.Run(c.want, func(t *testing.T) {
			reason, message := unreachable(s, c.service, func() []*discoveryv1.EndpointSlice { return c.slices })
			if got := reason + ": " + message; !strings.HasPrefix(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestWithoutServices(t *testing.T) {
	b := &backends{}
	s := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: "v1.g"}, Spec: apiregistrationv1.APIServiceSpec{Service: &apiregistrationv1.ServiceReference{Namespace: "ns", Name: "s"}}}
	if got := b.condition(s); got.Status != "Unknown" || got.Reason != "ServiceAccessError" {
		t.Errorf("the condition is %+v", got)
	}
}
