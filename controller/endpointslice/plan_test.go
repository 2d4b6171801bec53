package endpointslice

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

func service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "ns", UID: "svc", Labels: map[string]string{"team": "x"}},
		Spec: corev1.ServiceSpec{
			ClusterIP:  "10.0.0.1",
			IPFamilies: []corev1.IPFamily{corev1.IPv4Protocol},
			Ports:      []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString("web")}},
		},
	}
}

func pod(i int, port int32) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("p", i), Namespace: "ns", UID: types.UID(fmt.Sprint("p", i))},
		Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{
			Ports: []corev1.ContainerPort{{Name: "web", ContainerPort: port, Protocol: corev1.ProtocolTCP}},
		}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: fmt.Sprint("10.1.0.", i),
			PodIPs:     []corev1.PodIP{{IP: fmt.Sprint("10.1.0.", i)}, {IP: fmt.Sprint("fd00::", i)}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
}

func pods(port int32, from, to int) []*corev1.Pod {
	var some []*corev1.Pod
	for i := from; i <= to; i++ {
		some = append(some, pod(i, port))
	}
	return some
}

var zoned = &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{corev1.LabelTopologyZone: "z"}}}

func anyNode(string) *corev1.Node { return zoned }

// world applies plans to slices as the API server would.
type world []*discoveryv1.EndpointSlice

func (w *world) apply(t *testing.T, s *corev1.Service, of []*corev1.Pod) plan {
	t.Helper()
	p := planFamily(s, discoveryv1.AddressTypeIPv4, groupsOf(s, of, discoveryv1.AddressTypeIPv4, anyNode), *w, 3, managedBy)
	p.settleHints(*w, ptr.Deref(s.Spec.TrafficDistribution, ""))
	for _, slice := range p.remove {
		*w = slices.DeleteFunc(*w, func(have *discoveryv1.EndpointSlice) bool { return have.Name == slice.Name })
	}
	for _, slice := range p.update {
		i := slices.IndexFunc(*w, func(have *discoveryv1.EndpointSlice) bool { return have.Name == slice.Name })
		if i < 0 {
			t.Fatalf("update of slice %s, which is not there", slice.Name)
		}
		(*w)[i] = slice
	}
	for _, slice := range p.create {
		slice.Name = fmt.Sprint("s", len(*w)+10)
		*w = append(*w, slice)
	}
	return p
}

func (w world) String() string {
	var parts []string
	for _, slice := range w {
		var ports []string
		for _, p := range slice.Ports {
			ports = append(ports, fmt.Sprint(*p.Port))
		}
		parts = append(parts, fmt.Sprintf("%s:%d", strings.Join(ports, "+"), len(slice.Endpoints)))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// Steps in the life of a service; each plan must be small and a second one empty.
func TestPlansOfALife(t *testing.T) {
	w, s := world{}, service()
	steps := []struct {
		name                   string
		pods                   []*corev1.Pod
		create, update, remove int
		want                   string
	}{
		{"no pods: a placeholder", nil, 1, 0, 0, ":0"},
		{"the placeholder becomes the first slice", pods(80, 1, 2), 0, 1, 0, "80:2"},
		{"one write rather than two: not filled up", pods(80, 1, 4), 1, 0, 0, "80:2 80:2"},
		{"a change stays in one slice", append(pods(80, 1, 3), pods(80, 5, 5)...), 0, 1, 0, "80:2 80:2"},
		{"one more goes where there is room", append(pods(80, 1, 3), pods(80, 5, 6)...), 0, 1, 0, "80:2 80:3"},
		{"other ports, other slices", append(pods(80, 1, 3), pods(81, 4, 5)...), 1, 2, 0, "80:1 80:2 81:2"},
		{"an empty slice goes", pods(80, 1, 3), 0, 0, 1, "80:1 80:2"},
		{"none left: a placeholder again", nil, 0, 1, 1, ":0"},
	}
	for _, step := range steps {
		p := w.apply(t, s, step.pods)
		if got := fmt.Sprint(w); got != step.want || len(p.create) != step.create || len(p.update) != step.update || len(p.remove) != step.remove {
			t.Errorf("%s: %q with %d created, %d updated, %d removed; want %q with %d, %d, %d", step.name,
				got, len(p.create), len(p.update), len(p.remove), step.want, step.create, step.update, step.remove)
		}
		if p := w.apply(t, s, step.pods); len(p.create)+len(p.update)+len(p.remove) > 0 {
			t.Errorf("%s: a second look changes something again: %+v", step.name, p)
		}
	}
}

func TestHints(t *testing.T) {
	w, s := world{}, service()
	w.apply(t, s, pods(80, 1, 2))
	for _, test := range []struct{ distribution, want string }{
		{corev1.ServiceTrafficDistributionPreferClose, "zone z"},
		{corev1.ServiceTrafficDistributionPreferSameNode, "zone z node n"},
		{"", ""},
	} {
		s.Spec.TrafficDistribution = &test.distribution
		w.apply(t, s, pods(80, 1, 2))
		got := ""
		if hints := w[0].Endpoints[0].Hints; hints != nil {
			for _, z := range hints.ForZones {
				got += "zone " + z.Name
			}
			for _, n := range hints.ForNodes {
				got += " node " + n.Name
			}
		}
		if got != test.want {
			t.Errorf("%q: hints %q, want %q", test.distribution, got, test.want)
		}
	}
}

func TestLabelsAndOwner(t *testing.T) {
	w, s := world{}, service()
	w.apply(t, s, nil)
	want := map[string]string{"team": "x", discoveryv1.LabelServiceName: "web", discoveryv1.LabelManagedBy: managedBy}
	if got := w[0].Labels; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("labels %v, want %v", got, want)
	}
	s.Spec.ClusterIP = corev1.ClusterIPNone
	s.Labels = nil
	w.apply(t, s, pods(80, 1, 1))
	if _, headless := w[0].Labels[corev1.IsHeadlessService]; !headless || w[0].Labels["team"] != "" {
		t.Errorf("labels of a headless service: %v", w[0].Labels)
	}
	s.UID = "another"
	p := w.apply(t, s, pods(80, 1, 1))
	if len(p.update) != 1 || w[0].OwnerReferences[0].UID != "another" {
		t.Errorf("a slice of the service's predecessor was not taken over: %+v", p)
	}
}

func TestConditionsOfEndpoints(t *testing.T) {
	deleted := metav1.Now()
	for _, test := range []struct {
		name                        string
		change                      func(*corev1.Pod, *corev1.Service)
		ready, serving, terminating bool
	}{
		{"ready", func(*corev1.Pod, *corev1.Service) {}, true, true, false},
		{"not ready", func(p *corev1.Pod, _ *corev1.Service) { p.Status.Conditions = nil }, false, false, false},
		{"terminating", func(p *corev1.Pod, _ *corev1.Service) { p.DeletionTimestamp = &deleted }, false, true, true},
		{"not ready but published", func(p *corev1.Pod, s *corev1.Service) {
			p.Status.Conditions, s.Spec.PublishNotReadyAddresses = nil, true
		}, true, false, false},
	} {
		p, s := pod(1, 80), service()
		test.change(p, s)
		ep := endpointOf(p, s, zoned, discoveryv1.AddressTypeIPv6)
		c := ep.Conditions
		if *c.Ready != test.ready || *c.Serving != test.serving || *c.Terminating != test.terminating {
			t.Errorf("%s: %v %v %v", test.name, *c.Ready, *c.Serving, *c.Terminating)
		}
		if !slices.Equal(ep.Addresses, []string{"fd00::1"}) {
			t.Errorf("addresses %v", ep.Addresses)
		}
	}
}
