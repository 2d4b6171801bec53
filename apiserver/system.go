package apiserver

import (
	"context"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const serviceName = "kubernetes"

// ensureSystem makes the namespaces and the service that every cluster has.
func (s *Server) ensureSystem(ctx context.Context, client kubernetes.Interface) error {
	if !s.serves("", "namespaces") {
		s.namespacesOnce.Do(func() { close(s.namespaces) })
		return nil
	}
	if err := s.ensureNamespaces(ctx); err != nil {
		return err
	}
	s.namespacesOnce.Do(func() { close(s.namespaces) })
	return s.ensureService(ctx, client)
}

func (s *Server) ensureNamespaces(ctx context.Context) error {
	namespaces := registry.Direct[*corev1.Namespace]{
		Registry: s.registry, Resource: corev1.SchemeGroupVersion.WithResource("namespaces"), Manager: "kube-apiserver",
	}
	for _, name := range []string{metav1.NamespaceSystem, metav1.NamespacePublic, corev1.NamespaceNodeLease, metav1.NamespaceDefault} {
		if _, err := namespaces.Get(ctx, name, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			if err != nil {
				return err
			}
			continue
		}
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if _, err := namespaces.Create(ctx, ns, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

func (s *Server) serves(group, resource string) bool {
	return s.registry.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}) != nil
}

// keepsService reports whether there is to be a service "kubernetes".
func (s *Server) keepsService() bool {
	return s.cfg.ServiceIP.IsValid() && s.serves("", "services")
}

// keepsEndpoints reports whether that service leads anywhere.
func (s *Server) keepsEndpoints() bool {
	a := s.cfg.Advertise
	return a.IsValid() && !a.Addr().IsLoopback()
}

// servicePort is the port that the service leads to.
func (s *Server) servicePort() int32 {
	if s.cfg.Advertise.IsValid() {
		return int32(s.cfg.Advertise.Port())
	}
	if s.cfg.Listener != nil {
		if a, ok := s.cfg.Listener.Addr().(*net.TCPAddr); ok {
			return int32(a.Port)
		}
	}
	return 443
}

// keepSystem repairs the service "kubernetes" whenever it changes.
func (s *Server) keepSystem(ctx context.Context, client kubernetes.Interface) error {
	if !s.keepsService() {
		<-ctx.Done()
		return nil
	}
	var followed [3]*cache.Follower
	for i, gr := range []schema.GroupResource{{Resource: "services"}, {Resource: "endpoints"}, {Group: "discovery.k8s.io", Resource: "endpointslices"}} {
		res := s.registry.Resource(gr.WithVersion("v1"))
		if res == nil {
			continue
		}
		followed[i] = res.Cached().Follow(cache.Interest{Namespace: metav1.NamespaceDefault, Name: serviceName})
		defer followed[i].Close()
	}
	var retry <-chan time.Time
	for {
		select {
		case <-followed[0].Woken():
		case <-followed[1].Woken():
		case <-followed[2].Woken():
		case <-retry:
		case <-ctx.Done():
			return nil
		}
		retry = nil
		for _, f := range followed {
			if _, err := f.CatchUp(nil); err != nil {
				return err
			}
		}
		if err := s.ensureService(ctx, client); err != nil && ctx.Err() == nil {
			s.log.Warn("service kubernetes cannot be kept, trying again", "err", err)
			retry = time.After(time.Second)
		}
	}
}

// ensureService makes the service "kubernetes" lead to this server.
func (s *Server) ensureService(ctx context.Context, client kubernetes.Interface) error {
	if !s.keepsService() {
		return nil
	}
	if err := s.ensureServiceItself(ctx, client); err != nil {
		return err
	}
	if !s.keepsEndpoints() {
		return nil
	}
	if s.serves("", "endpoints") {
		if err := s.ensureEndpoints(ctx, client); err != nil {
			return err
		}
	}
	if s.serves("discovery.k8s.io", "endpointslices") {
		return s.ensureSlice(ctx, client)
	}
	return nil
}

func (s *Server) ensureServiceItself(ctx context.Context, client kubernetes.Interface) error {
	services := client.CoreV1().Services(metav1.NamespaceDefault)
	have, err := services.Get(ctx, serviceName, metav1.GetOptions{})
	ports := []corev1.ServicePort{{
		Name: "https", Port: 443, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(s.servicePort()),
	}}
	if apierrors.IsNotFound(err) {
		_, err = services.Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: serviceName, Labels: map[string]string{"provider": "kubernetes", "component": "apiserver"}},
			Spec: corev1.ServiceSpec{
				Type: corev1.ServiceTypeClusterIP, ClusterIP: s.cfg.ServiceIP.String(), Ports: ports, SessionAffinity: corev1.ServiceAffinityNone,
			},
		}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	if err != nil || apiequality.Semantic.DeepEqual(have.Spec.Ports, ports) {
		return err
	}
	have.Spec.Ports = ports
	_, err = services.Update(ctx, have, metav1.UpdateOptions{})
	return err
}

func (s *Server) ensureEndpoints(ctx context.Context, client kubernetes.Interface) error {
	endpoints := client.CoreV1().Endpoints(metav1.NamespaceDefault)
	//lint:ignore SA1019 as above
	subsets := []corev1.EndpointSubset{{
		Addresses: []corev1.EndpointAddress{{IP: s.cfg.Advertise.Addr().String()}},
		Ports:     []corev1.EndpointPort{{Name: "https", Port: int32(s.cfg.Advertise.Port()), Protocol: corev1.ProtocolTCP}},
	}}
	have, err := endpoints.Get(ctx, serviceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		//lint:ignore SA1019 as above
		_, err = endpoints.Create(ctx, &corev1.Endpoints{
			ObjectMeta: metav1.ObjectMeta{Name: serviceName, Labels: map[string]string{discoveryv1.LabelSkipMirror: "true"}}, Subsets: subsets,
		}, metav1.CreateOptions{})
		return ignoreExists(err)
	}
	if err != nil || apiequality.Semantic.DeepEqual(have.Subsets, subsets) {
		return err
	}
	have.Subsets = subsets
	_, err = endpoints.Update(ctx, have, metav1.UpdateOptions{})
	return err
}

func (s *Server) ensureSlice(ctx context.Context, client kubernetes.Interface) error {
	slices := client.DiscoveryV1().EndpointSlices(metav1.NamespaceDefault)
	name, port, protocol, ready := "https", int32(s.cfg.Advertise.Port()), corev1.ProtocolTCP, true
	family := discoveryv1.AddressTypeIPv4
	if s.cfg.Advertise.Addr().Is6() {
		family = discoveryv1.AddressTypeIPv6
	}
	want := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: serviceName, Labels: map[string]string{discoveryv1.LabelServiceName: serviceName}},
		AddressType: family,
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{s.cfg.Advertise.Addr().String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		}},
		Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &protocol}},
	}
	have, err := slices.Get(ctx, serviceName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = slices.Create(ctx, want, metav1.CreateOptions{})
		return ignoreExists(err)
	case err != nil:
		return err
	case have.AddressType != family: // cannot be changed
		return slices.Delete(ctx, serviceName, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(have.UID))})
	case apiequality.Semantic.DeepEqual(have.Endpoints, want.Endpoints) && apiequality.Semantic.DeepEqual(have.Ports, want.Ports):
		return nil
	}
	have.Endpoints, have.Ports = want.Endpoints, want.Ports
	_, err = slices.Update(ctx, have, metav1.UpdateOptions{})
	return err
}

func ignoreExists(err error) error {
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
