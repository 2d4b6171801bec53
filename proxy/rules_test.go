package proxy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keelson-project/keelson/proxy"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// webService is a service with one TCP port 80.
func webService(changes ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.10", ClusterIPs: []string{"10.96.0.10"},
			Ports: []corev1.ServicePort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
		},
	}
	for _, change := range changes {
		change(s)
	}
	return s
}

// slice has endpoints at port 8080 for the port "http" of the web service.
func slice(name string, endpoints ...discoveryv1.Endpoint) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To(int32(8080)), Protocol: ptr.To(corev1.ProtocolTCP)}},
		Endpoints:   endpoints,
	}
}

// endpoint is ready at 10.244.0.last, on a node.
func endpoint(last int, node string, changes ...func(*discoveryv1.Endpoint)) discoveryv1.Endpoint {
	e := discoveryv1.Endpoint{
		Addresses: []string{fmt.Sprint("10.244.0.", last)}, NodeName: ptr.To(node),
		Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true), Serving: ptr.To(true), Terminating: ptr.To(false)},
	}
	for _, change := range changes {
		change(&e)
	}
	return e
}

func conditions(ready, serving, terminating bool) func(*discoveryv1.Endpoint) {
	return func(e *discoveryv1.Endpoint) {
		e.Conditions = discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating}
	}
}

func leaving(e *discoveryv1.Endpoint)  { conditions(false, true, true)(e) }
func unready(e *discoveryv1.Endpoint)  { conditions(false, false, false)(e) }
func unserved(e *discoveryv1.Endpoint) { conditions(false, false, true)(e) }

func forZone(zone string) func(*discoveryv1.Endpoint) {
	return func(e *discoveryv1.Endpoint) {
		e.Hints = &discoveryv1.EndpointHints{ForZones: []discoveryv1.ForZone{{Name: zone}}}
	}
}

func forNode(node string) func(*discoveryv1.Endpoint) {
	return func(e *discoveryv1.Endpoint) {
		e.Hints = &discoveryv1.EndpointHints{ForNodes: []discoveryv1.ForNode{{Name: node}}, ForZones: []discoveryv1.ForZone{{Name: "z1"}}}
	}
}

func internalLocal(s *corev1.Service) {
	s.Spec.InternalTrafficPolicy = ptr.To(corev1.ServiceInternalTrafficPolicyLocal)
}

func nodePort(s *corev1.Service) {
	s.Spec.Type, s.Spec.Ports[0].NodePort = corev1.ServiceTypeNodePort, 30080
}

func externalLocal(s *corev1.Service) {
	nodePort(s)
	s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
}

// lasts are the last bytes of the endpoints' addresses.
func lasts(endpoints []proxy.Endpoint) []int {
	list := []int{}
	for _, e := range endpoints {
		list = append(list, int(e.Addr.Addr().AsSlice()[3]))
	}
	return list
}

func TestWhichEndpoints(t *testing.T) {
	type want struct {
		internal, external           []int
		internalLocal, externalLocal bool
	}
	none := []int{}
	tests := []struct {
		name      string
		service   *corev1.Service
		endpoints []discoveryv1.Endpoint
		want      want
	}{
		{"ready ones", webService(), []discoveryv1.Endpoint{endpoint(1, "here"), endpoint(2, "there"), endpoint(3, "here", unready)},
			want{internal: []int{1, 2}, external: none}},
		{"conditions not set mean ready", webService(), []discoveryv1.Endpoint{{Addresses: []string{"10.244.0.1"}}},
			want{internal: []int{1}, external: none}},
		{"terminating ones only if nothing is ready", webService(), []discoveryv1.Endpoint{endpoint(1, "here", leaving), endpoint(2, "there")},
			want{internal: []int{2}, external: none}},
		{"terminating ones rather than none", webService(), []discoveryv1.Endpoint{endpoint(1, "here", leaving), endpoint(2, "there", unserved), endpoint(3, "there", unready)},
			want{internal: []int{1}, external: none}},
		{"no endpoints", webService(nodePort), nil, want{internal: none, external: none}},
		{"external by the cluster policy", webService(nodePort), []discoveryv1.Endpoint{endpoint(1, "here"), endpoint(2, "there")},
			want{internal: []int{1, 2}, external: []int{1, 2}}},
		{"internal local", webService(internalLocal), []discoveryv1.Endpoint{endpoint(1, "here"), endpoint(2, "there")},
			want{internal: []int{1}, external: none, internalLocal: true}},
		{"internal local without any here", webService(internalLocal), []discoveryv1.Endpoint{endpoint(2, "there")},
			want{internal: none, external: none, internalLocal: true}},
		{"internal local without any anywhere is refused", webService(internalLocal), []discoveryv1.Endpoint{endpoint(2, "there", unready)},
			want{internal: none, external: none}},
		{"internal local falls back by itself", webService(internalLocal), []discoveryv1.Endpoint{endpoint(1, "here", leaving), endpoint(2, "there")},
			want{internal: []int{1}, external: none, internalLocal: true}},
		{"internal local, external by the cluster policy", webService(internalLocal, nodePort), []discoveryv1.Endpoint{endpoint(1, "here"), endpoint(2, "there")},
			want{internal: []int{1}, external: []int{1, 2}, internalLocal: true}},
		{"external local", webService(externalLocal), []discoveryv1.Endpoint{endpoint(1, "here"), endpoint(2, "there")},
			want{internal: []int{1, 2}, external: []int{1}, externalLocal: true}},
		{"external local without any here", webService(externalLocal), []discoveryv1.Endpoint{endpoint(2, "there")},
			want{internal: []int{2}, external: none, externalLocal: true}},
		{"external local without any anywhere is refused", webService(externalLocal), nil,
			want{internal: none, external: none}},
		{"external local falls back by itself", webService(externalLocal), []discoveryv1.Endpoint{endpoint(1, "here", leaving), endpoint(2, "there")},
			want{internal: []int{2}, external: []int{1}, externalLocal: true}},
		{"external local means nothing without external addresses",
			webService(func(s *corev1.Service) { s.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal }),
			[]discoveryv1.Endpoint{endpoint(2, "there")}, want{internal: []int{2}, external: none}},

		{"zone hints", webService(), []discoveryv1.Endpoint{endpoint(1, "a", forZone("z1")), endpoint(2, "b", forZone("z2"))},
			want{internal: []int{1}, external: none}},
		{"zone hints not on all", webService(), []discoveryv1.Endpoint{endpoint(1, "a", forZone("z1")), endpoint(2, "b")},
			want{internal: []int{1, 2}, external: none}},
		{"zone hints for others only", webService(), []discoveryv1.Endpoint{endpoint(1, "a", forZone("z3")), endpoint(2, "b", forZone("z2"))},
			want{internal: []int{1, 2}, external: none}},
		{"hints of endpoints that are not ready do not count", webService(), []discoveryv1.Endpoint{endpoint(1, "a", unready), endpoint(2, "b", forZone("z1")), endpoint(3, "b", forZone("z2"))},
			want{internal: []int{2}, external: none}},
		{"node hints go before zone hints", webService(), []discoveryv1.Endpoint{endpoint(1, "here", forNode("here")), endpoint(2, "b", forNode("b"))},
			want{internal: []int{1}, external: none}},
		{"node hints for other nodes leave the zone", webService(), []discoveryv1.Endpoint{endpoint(1, "a", forNode("a")), endpoint(2, "b", forNode("b"))},
			want{internal: []int{1, 2}, external: none}},
		{"hints are not for the local policy", webService(externalLocal), []discoveryv1.Endpoint{endpoint(1, "here", forZone("z2")), endpoint(2, "b", forZone("z1"))},
			want{internal: []int{2}, external: []int{1}, externalLocal: true}},
		{"terminating ones whatever their hints", webService(), []discoveryv1.Endpoint{endpoint(1, "a", forZone("z2"), leaving)},
			want{internal: []int{1}, external: none}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ports := proxy.ServicePorts(test.service, []*discoveryv1.EndpointSlice{slice("web-1", test.endpoints...)}, proxy.Node{Name: "here", Zone: "z1"})
			if len(ports) != 1 {
				t.Fatalf("%d ports", len(ports))
			}
			got := want{lasts(ports[0].Endpoints), lasts(ports[0].ExternalEndpoints), ports[0].InternalLocal, ports[0].ExternalLocal}
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			for _, e := range ports[0].Endpoints {
				if e.Local != (nodeOf(test.endpoints, e) == "here") {
					t.Errorf("%s: Local is %v", e.Addr, e.Local)
				}
			}
		})
	}
}

func nodeOf(endpoints []discoveryv1.Endpoint, of proxy.Endpoint) string {
	for _, e := range endpoints {
		if e.Addresses[0] == of.Addr.Addr().String() && e.NodeName != nil {
			return *e.NodeName
		}
	}
	return ""
}

func TestSlicesAreJoined(t *testing.T) {
	foreign := slice("web-3", endpoint(9, "a"))
	foreign.Ports[0].Name = ptr.To("metrics")
	udp := slice("web-4", endpoint(8, "a"))
	udp.Ports[0].Protocol = ptr.To(corev1.ProtocolUDP)
	ports := proxy.ServicePorts(webService(), []*discoveryv1.EndpointSlice{
		slice("web-2", endpoint(4, "a"), endpoint(1, "a", leaving)), slice("web-1", endpoint(1, "a"), endpoint(2, "b")), foreign, udp,
	}, proxy.Node{Name: "here"})
	if got := lasts(ports[0].Endpoints); !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("got %v", got)
	}
}

func TestPortsAreApart(t *testing.T) {
	s := webService(func(s *corev1.Service) {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "dns", Port: 53, Protocol: corev1.ProtocolUDP})
	})
	both := slice("web-1", endpoint(1, "a"))
	both.Ports = append(both.Ports, discoveryv1.EndpointPort{Name: ptr.To("dns"), Port: ptr.To(int32(5353)), Protocol: ptr.To(corev1.ProtocolUDP)})
	ports := proxy.ServicePorts(s, []*discoveryv1.EndpointSlice{both}, proxy.Node{Name: "here"})
	got := ""
	for _, p := range ports {
		got += fmt.Sprint(p.Name, " ", p.Port, " ", p.Endpoints[0].Addr, "; ")
	}
	if want := "default/web:http/TCP 80 10.244.0.1:8080; default/web:dns/UDP 53 10.244.0.1:5353; "; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAddresses(t *testing.T) {
	s := webService(func(s *corev1.Service) {
		s.Spec.ClusterIPs = []string{"10.96.0.10", "fd00:96::a"}
		s.Spec.ExternalIPs = []string{"198.18.0.1"}
		s.Spec.LoadBalancerSourceRanges = []string{" 192.0.2.0/24 ", "::/0", "fd00::/8"}
		s.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
		s.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: ptr.To(int32(60))}}
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{
			{IP: "198.18.0.2"}, {IP: "198.18.0.3", IPMode: ptr.To(corev1.LoadBalancerIPModeProxy)}, {Hostname: "lb.example"},
		}
	})
	v6 := slice("web-6", discoveryv1.Endpoint{Addresses: []string{"fd00:244::1"}})
	v6.AddressType = discoveryv1.AddressTypeIPv6
	p := proxy.ServicePorts(s, []*discoveryv1.EndpointSlice{slice("web-1", endpoint(1, "a")), v6}, proxy.Node{Name: "here"})[0]
	for _, c := range []struct{ what, got, want string }{
		{"ClusterIPs", fmt.Sprint(p.ClusterIPs), "[10.96.0.10 fd00:96::a]"},
		{"ExternalIPs", fmt.Sprint(p.ExternalIPs), "[198.18.0.1]"},
		{"LoadBalancerIPs", fmt.Sprint(p.LoadBalancerIPs), "[198.18.0.2]"},
		{"SourceRanges", fmt.Sprint(p.SourceRanges), "[192.0.2.0/24]"},
		{"AffinityTimeout", fmt.Sprint(p.AffinityTimeout), time.Minute.String()},
		{"Endpoints", fmt.Sprint(p.Endpoints[0].Addr, p.Endpoints[1].Addr), "10.244.0.1:8080 [fd00:244::1]:8080"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.what, c.got, c.want)
		}
	}
}

func TestServicesLeftToOthers(t *testing.T) {
	for name, change := range map[string]func(*corev1.Service){
		"headless":     func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone },
		"no address":   func(s *corev1.Service) { s.Spec.ClusterIP, s.Spec.ClusterIPs = "", nil },
		"ExternalName": func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName },
		"other proxy":  func(s *corev1.Service) { s.Labels = map[string]string{"service.kubernetes.io/service-proxy-name": "x"} },
	} {
		if ports := proxy.ServicePorts(webService(change), nil, proxy.Node{}); len(ports) != 0 {
			t.Errorf("%s: %v", name, ports)
		}
	}
}

func BenchmarkServicePorts(b *testing.B) {
	var endpoints []discoveryv1.Endpoint
	for i := range 100 {
		endpoints = append(endpoints, endpoint(i, "there"))
	}
	s, all := webService(), []*discoveryv1.EndpointSlice{slice("web-1", endpoints...)}
	b.ReportAllocs()
	for b.Loop() {
		if p := proxy.ServicePorts(s, all, proxy.Node{Name: "here"}); len(p[0].Endpoints) != 100 {
			b.Fatalf("%d endpoints", len(p[0].Endpoints))
		}
	}
}
