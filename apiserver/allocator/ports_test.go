package allocator

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store/memory"
)

func nodePorts(ports ...corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "svc"},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: ports},
	}
}

func TestPorts(t *testing.T) {
	s := memory.New()
	t.Cleanup(func() { _ = s.Close() })
	a := &Allocator{ports: newPorts(s, PortRange{First: 30000, Last: 30003})}
	take := func(svc *corev1.Service, dryRun kinds.DryRun) ([]int32, string) {
		t.Helper()
		taken, err := a.takePorts(t.Context(), svc, nil, dryRun)
		if err != nil {
			return nil, err.Error()
		}
		return taken, ""
	}

	if _, err := take(nodePorts(corev1.ServicePort{Port: 80, NodePort: 30001}), true); err != "" {
		t.Fatal(err)
	}
	chosen := nodePorts(corev1.ServicePort{Port: 80, NodePort: 30001})
	if taken, err := take(chosen, false); err != "" || !slices.Equal(taken, []int32{30001}) {
		t.Fatalf("took %v, error %q; want 30001, which the dry run should have left free", taken, err)
	}
	if _, err := take(nodePorts(corev1.ServicePort{Port: 80, NodePort: 30001}), false); !strings.Contains(err, "provided port is already allocated") {
		t.Errorf("taking a used port: %q", err)
	}
	if _, err := take(nodePorts(corev1.ServicePort{Port: 80, NodePort: 80}), false); !strings.Contains(err, "The range of valid ports is 30000-30003") {
		t.Errorf("taking a port outside the range: %q", err)
	}
	dns := nodePorts(
		corev1.ServicePort{Name: "udp", Port: 53, Protocol: corev1.ProtocolUDP},
		corev1.ServicePort{Name: "tcp", Port: 53, Protocol: corev1.ProtocolTCP},
	)
	if taken, err := take(dns, false); err != "" || len(taken) != 1 || dns.Spec.Ports[0].NodePort != dns.Spec.Ports[1].NodePort {
		t.Errorf("two protocols of one port took %v, error %q; want one port for both", taken, err)
	}
	full := nodePorts(corev1.ServicePort{Port: 1}, corev1.ServicePort{Port: 2}, corev1.ServicePort{Port: 3})
	if _, err := take(full, false); !strings.Contains(err, "range is full") {
		t.Errorf("three ports of two left: %q", err)
	}
	rest := nodePorts(corev1.ServicePort{Port: 1}, corev1.ServicePort{Port: 2})
	if taken, err := take(rest, false); err != "" || len(taken) != 2 {
		t.Errorf("took %v, error %q; want the two that a failed try must not have kept", taken, err)
	}
	a.ports.release(t.Context(), []int32{30001})
	if taken, err := take(nodePorts(corev1.ServicePort{Port: 80}), false); err != "" || !slices.Equal(taken, []int32{30001}) {
		t.Errorf("took %v, error %q; want the port given back", taken, err)
	}
}

func TestRangeEncoding(t *testing.T) {
	want := &corev1.RangeAllocation{Range: "30000-32767", Data: []byte{1, 2, 3}}
	data, err := encodeRange(want)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(data), "k8s\x00") {
		t.Errorf("stored form begins with %q", data[:4])
	}
	got, err := decodeRange(data)
	if err != nil || got.Range != want.Range || !slices.Equal(got.Data, want.Data) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if _, err := decodeRange([]byte("rubbish")); err == nil {
		t.Error("rubbish decodes")
	}
}
