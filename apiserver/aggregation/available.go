package aggregation

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/apiregistration"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// judge writes down whether an APIService is available, if it is not there
// already, and returns the revision it has then.
func (k *Keeper) judge(ctx context.Context, services *registry.Resource, s *apiregistrationv1.APIService, backends *backends) (revision int64, err error) {
	is := backends.condition(s)
	if have := apiregistration.Available(s); have != nil && have.Status == is.Status && have.Reason == is.Reason && have.Message == is.Message {
		return 0, nil
	}
	w := registry.Write{Name: s.Name, Subresource: "status", Manager: manager}
	it, _, err := services.Change(ctx, w, false, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		now := old.(*apiregistrationv1.APIService).DeepCopy()
		apiregistration.SetAvailable(now, is)
		return now, false, nil
	})
	switch {
	case apierrors.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("the condition of %s: %w", s.Name, err)
	}
	return it.Revision, nil
}

// condition is whether an APIService is available.
func (b *backends) condition(s *apiregistrationv1.APIService) apiregistrationv1.APIServiceCondition {
	to := s.Spec.Service
	if to == nil {
		return apiregistration.Local()
	}
	out := apiregistrationv1.APIServiceCondition{
		Type: apiregistrationv1.Available, Status: apiregistrationv1.ConditionFalse, LastTransitionTime: metav1.Now(),
	}
	if b.services == nil {
		out.Status, out.Reason = apiregistrationv1.ConditionUnknown, "ServiceAccessError"
		out.Message = fmt.Sprintf("service/%s in %q cannot be checked due to: this server has no services", to.Name, to.Namespace)
		return out
	}
	out.Reason, out.Message = unreachable(s, b.service(to.Namespace, to.Name), func() []*discoveryv1.EndpointSlice { return b.slicesOf(to.Namespace, to.Name) })
	return out
}

// unreachable says why requests for an APIService cannot go to its service,
// which is nil if there is none: a reason and a message.
func unreachable(s *apiregistrationv1.APIService, service *corev1.Service, slices func() []*discoveryv1.EndpointSlice) (reason, message string) {
	to := s.Spec.Service
	if service == nil {
		return "ServiceNotFound", fmt.Sprintf("service/%s in %q is not present", to.Name, to.Namespace)
	}
	if service.Spec.Type == corev1.ServiceTypeClusterIP {
		number := int32(443)
		if to.Port != nil {
			number = *to.Port
		}
		port := portNumbered(service, number)
		if port == nil {
			return "ServicePortError", fmt.Sprintf("service/%s in %q is not listening on port %d", to.Name, to.Namespace, number)
		}
		endpoints := slices()
		if len(endpoints) == 0 {
			return "EndpointsNotFound", fmt.Sprintf("cannot find endpointslices for service/%s in %q", to.Name, to.Namespace)
		}
		if !anyReady(endpoints, port.Name) {
			return "MissingEndpoints", fmt.Sprintf("endpointslices for service/%s in %q have no addresses with port name %q", to.Name, to.Namespace, port.Name)
		}
	}
	return "FailedDiscoveryCheck", "this server does not forward requests to other API servers"
}

func portNumbered(service *corev1.Service, number int32) *corev1.ServicePort {
	i := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == number })
	if i < 0 {
		return nil
	}
	return &service.Spec.Ports[i]
}

// anyReady reports whether an endpoint is ready at a port with a name.
func anyReady(list []*discoveryv1.EndpointSlice, port string) bool {
	return slices.ContainsFunc(list, func(s *discoveryv1.EndpointSlice) bool {
		return slices.ContainsFunc(s.Endpoints, func(e discoveryv1.Endpoint) bool {
			return e.Conditions.Ready == nil || *e.Conditions.Ready
		}) && slices.ContainsFunc(s.Ports, func(p discoveryv1.EndpointPort) bool {
			return p.Name != nil && *p.Name == port && p.Port != nil
		})
	})
}
