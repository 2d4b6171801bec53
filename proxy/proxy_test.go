package proxy_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keelson-project/keelson/proxy"
	"github.com/keelson-project/keelson/proxy/simulated"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
)

// recorder counts the calls of a simulated backend and fails some.
type recorder struct {
	*simulated.Backend

	mu                     sync.Mutex
	syncs, applies         []time.Time
	failSyncs, failApplies int
	changes                []proxy.Change
}

var errBroken = errors.New("broken on purpose")

func (r *recorder) Sync(ctx context.Context, ports []proxy.ServicePort) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.syncs = append(r.syncs, time.Now())
	if r.failSyncs > 0 {
		r.failSyncs--
		return errBroken
	}
	return r.Backend.Sync(ctx, ports)
}

func (r *recorder) Apply(ctx context.Context, change proxy.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applies = append(r.applies, time.Now())
	r.changes = append(r.changes, change)
	if r.failApplies > 0 {
		r.failApplies--
		return errBroken
	}
	return r.Backend.Apply(ctx, change)
}

// rig is a running proxy within a bubble of virtual time.
type rig struct {
	*recorder
	client kubernetes.Interface
	proxy  *proxy.Proxy
}

// run tests a proxy; the bubble fails the test if Run leaves a goroutine.
func run(t *testing.T, change func(*recorder), test func(t *testing.T, r *rig), objects ...runtime.Object) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{client: fake.NewClientset(objects...), recorder: &recorder{Backend: simulated.New(simulated.Config{})}}
		if change != nil {
			change(r.recorder)
		}
		p, err := proxy.New(proxy.Config{Client: r.client, NodeName: "here", Backend: r.recorder})
		if err != nil {
			t.Fatal(err)
		}
		r.proxy = p
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		<-p.Ready()
		test(t, r)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// settle waits until everything that was to happen has happened.
func settle() {
	synctest.Wait()
	time.Sleep(time.Second)
	synctest.Wait()
}

func (r *rig) wantPod(t *testing.T, want string) {
	t.Helper()
	settle()
	v := r.Trace(simulated.Packet{
		Source: netip.MustParseAddr("10.244.0.99"), Destination: netip.MustParseAddrPort("10.96.0.10:80"), Protocol: corev1.ProtocolTCP,
	})
	got := string(v.Outcome)
	if v.Outcome == simulated.Forwarded {
		got = v.Endpoint.String()
	}
	if got != want {
		t.Errorf("a packet to the service: %s, want %s", got, want)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestFirstSyncHasEverything(t *testing.T) {
	run(t, nil, func(t *testing.T, r *rig) {
		if len(r.syncs) != 1 || len(r.applies) != 0 {
			t.Errorf("%d Syncs, %d Applies", len(r.syncs), len(r.applies))
		}
		r.wantPod(t, "10.244.0.1:8080")
	}, webService(), slice("web-1", endpoint(1, "here")))
}

func TestFollowsChanges(t *testing.T) {
	run(t, nil, func(t *testing.T, r *rig) {
		services, endpointSlices := r.client.CoreV1().Services("default"), r.client.DiscoveryV1().EndpointSlices("default")
		r.wantPod(t, "Passed")
		must[*corev1.Service](t)(services.Create(t.Context(), webService(), metav1.CreateOptions{}))
		r.wantPod(t, "Refused")
		must[*discoveryv1.EndpointSlice](t)(endpointSlices.Create(t.Context(), slice("web-1", endpoint(1, "here")), metav1.CreateOptions{}))
		r.wantPod(t, "10.244.0.1:8080")
		must[*discoveryv1.EndpointSlice](t)(endpointSlices.Update(t.Context(), slice("web-1", endpoint(2, "here")), metav1.UpdateOptions{}))
		r.wantPod(t, "10.244.0.2:8080")

		moved := slice("web-1", endpoint(2, "here"))
		moved.Labels[discoveryv1.LabelServiceName] = "another"
		must[*discoveryv1.EndpointSlice](t)(endpointSlices.Update(t.Context(), moved, metav1.UpdateOptions{}))
		r.wantPod(t, "Refused")
		must[*discoveryv1.EndpointSlice](t)(endpointSlices.Update(t.Context(), slice("web-1", endpoint(3, "here")), metav1.UpdateOptions{}))
		r.wantPod(t, "10.244.0.3:8080")
		if err := endpointSlices.Delete(t.Context(), "web-1", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		r.wantPod(t, "Refused")
		if err := services.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		r.wantPod(t, "Passed")
		if len(r.syncs) != 1 {
			t.Errorf("%d Syncs", len(r.syncs))
		}
	})
}

func TestOnlyWhatDiffersIsApplied(t *testing.T) {
	two := webService(func(s *corev1.Service) {
		s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "other", Port: 81, Protocol: corev1.ProtocolTCP})
	})
	run(t, nil, func(t *testing.T, r *rig) {
		settle()
		changed := two.DeepCopy()
		changed.Annotations = map[string]string{"note": "nothing that matters"}
		must[*corev1.Service](t)(r.client.CoreV1().Services("default").Update(t.Context(), changed, metav1.UpdateOptions{}))
		settle()
		if len(r.applies) != 0 {
			t.Fatalf("an annotation was applied: %+v", r.changes)
		}
		changed = changed.DeepCopy()
		changed.Spec.Ports[1].Port = 82
		must[*corev1.Service](t)(r.client.CoreV1().Services("default").Update(t.Context(), changed, metav1.UpdateOptions{}))
		settle()
		if len(r.changes) != 1 || len(r.changes[0].Set) != 1 || r.changes[0].Set[0].Name.Port != "other" || len(r.changes[0].Removed) != 0 {
			t.Fatalf("applied %+v", r.changes)
		}
		changed = changed.DeepCopy()
		changed.Spec.Ports = changed.Spec.Ports[:1]
		must[*corev1.Service](t)(r.client.CoreV1().Services("default").Update(t.Context(), changed, metav1.UpdateOptions{}))
		settle()
		if len(r.changes) != 2 || len(r.changes[1].Set) != 0 || len(r.changes[1].Removed) != 1 || r.changes[1].Removed[0].Port != "other" {
			t.Fatalf("applied %+v", r.changes)
		}
	}, two)
}

func TestBurstsAreJoined(t *testing.T) {
	run(t, nil, func(t *testing.T, r *rig) {
		settle()
		endpointSlices := r.client.DiscoveryV1().EndpointSlices("default")
		began := time.Now()
		for i := range 20 {
			must[*discoveryv1.EndpointSlice](t)(endpointSlices.Update(t.Context(), slice("web-1", endpoint(i+2, "here")), metav1.UpdateOptions{}))
			synctest.Wait()
		}
		settle()
		if len(r.applies) != 2 {
			t.Fatalf("%d Applies for a burst, want one at once and one after the interval", len(r.applies))
		}
		if wait := r.applies[0].Sub(began); wait != 0 {
			t.Errorf("the first change waited %s", wait)
		}
		if wait := r.applies[1].Sub(began); wait != 10*time.Millisecond {
			t.Errorf("the rest came after %s", wait)
		}
		r.wantPod(t, "10.244.0.21:8080")
	}, webService(), slice("web-1", endpoint(1, "here")))
}

func TestFailedApplyIsFollowedBySync(t *testing.T) {
	run(t, nil, func(t *testing.T, r *rig) {
		settle()
		r.mu.Lock()
		r.failApplies, r.failSyncs = 1, 2
		r.mu.Unlock()
		must[*discoveryv1.EndpointSlice](t)(r.client.DiscoveryV1().EndpointSlices("default").Update(t.Context(), slice("web-1", endpoint(2, "here")), metav1.UpdateOptions{}))
		r.wantPod(t, "10.244.0.2:8080")
		if len(r.syncs) != 4 {
			t.Fatalf("%d Syncs, want the first, two that fail and one that works", len(r.syncs))
		}
		if first, second := r.syncs[2].Sub(r.syncs[1]), r.syncs[3].Sub(r.syncs[2]); first != 100*time.Millisecond || second != 200*time.Millisecond {
			t.Errorf("waited %s, then %s", first, second)
		}
	}, webService(), slice("web-1", endpoint(1, "here")))
}

func TestReadyOnlyAfterASyncThatWorked(t *testing.T) {
	began := time.Time{}
	run(t, func(r *recorder) { r.failSyncs, began = 3, time.Now() }, func(t *testing.T, r *rig) {
		if len(r.syncs) != 4 || time.Since(began) < 700*time.Millisecond {
			t.Errorf("ready after %d Syncs and %s", len(r.syncs), time.Since(began))
		}
	})
}

func TestNodeZone(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "here", Labels: map[string]string{corev1.LabelTopologyZone: "z1"}}}
	run(t, nil, func(t *testing.T, r *rig) {
		r.wantPod(t, "10.244.0.1:8080")
		moved := node.DeepCopy()
		moved.Labels[corev1.LabelTopologyZone] = "z2"
		must[*corev1.Node](t)(r.client.CoreV1().Nodes().Update(t.Context(), moved, metav1.UpdateOptions{}))
		r.wantPod(t, "10.244.0.2:8080")
	}, node, webService(), slice("web-1", endpoint(1, "a", forZone("z1")), endpoint(2, "b", forZone("z2"))))
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	good := proxy.Config{Client: fake.NewClientset(), NodeName: "here", Backend: simulated.New(simulated.Config{})}
	for name, change := range map[string]func(*proxy.Config){
		"Client":   func(c *proxy.Config) { c.Client = nil },
		"NodeName": func(c *proxy.Config) { c.NodeName = "" },
		"Backend":  func(c *proxy.Config) { c.Backend = nil },
	} {
		config := good
		change(&config)
		if _, err := proxy.New(config); err == nil {
			t.Errorf("%s missing: accepted", name)
		}
	}
}

func TestRunEndsBeforeTheFirstSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		backend := &recorder{Backend: simulated.New(simulated.Config{}), failSyncs: 1 << 20}
		p := must[*proxy.Proxy](t)(proxy.New(proxy.Config{Client: fake.NewClientset(), NodeName: "here", Backend: backend}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := p.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		if n := len(backend.syncs); n < 100 || n > 150 {
			t.Errorf("%d Syncs within an hour, want one each 30 s after a while", n)
		}
		select {
		case <-p.Ready():
			t.Error("ready without a Sync that worked")
		default:
		}
	})
}
