package aggregation_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/aggregation"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/apiregistration"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/store/memory"
)

// world is a server with a keeper, in a bubble of virtual time.
type world struct {
	t        *testing.T
	server   *apiserver.Server
	services *registry.Resource
	client   kubernetes.Interface
}

// inWorld runs f with a server over a store.
func inWorld(t *testing.T, st *memory.Store, all []*kinds.Kind, f func(w *world)) {
	t.Helper()
	server, err := apiserver.New(apiserver.Config{Store: st, Kinds: all, Plug: func(s *apiserver.Server) (apiserver.Plugins, error) {
		k, err := aggregation.New(aggregation.Config{Registry: s.Registry(), Computed: []schema.GroupVersion{{Group: "authorization.k8s.io", Version: "v1"}}})
		return apiserver.Plugins{Register: k, Jobs: []func(context.Context) error{k.Run}, Settled: []<-chan struct{}{k.Settled()}}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(server.LoopbackConfig())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	<-server.Ready()
	f(&world{t, server, server.Registry().Resource(apiregistrationv1.SchemeGroupVersion.WithResource("apiservices")), client})
	cancel()
	wg.Wait()
}

func (w *world) create(group string, change func(s *apiregistrationv1.APIService)) {
	w.t.Helper()
	s := &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: "v1." + group},
		Spec:       apiregistrationv1.APIServiceSpec{Group: group, Version: "v1", GroupPriorityMinimum: 17550, VersionPriority: 15},
	}
	change(s)
	w.services.Default(s)
	if _, err := w.services.Create(w.t.Context(), s, registry.Write{Name: s.Name, Manager: "test"}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) change(name string, change func(s *apiregistrationv1.APIService)) {
	w.t.Helper()
	if _, _, err := w.services.Change(w.t.Context(), registry.Write{Name: name, Manager: "test"}, false, func(_ context.Context, old kinds.Object) (kinds.Object, registry.Tracked, error) {
		s := old.(*apiregistrationv1.APIService).DeepCopy()
		change(s)
		return s, false, nil
	}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

func (w *world) remove(name string) {
	w.t.Helper()
	if _, err := w.services.Delete(w.t.Context(), registry.Write{Name: name}, &metav1.DeleteOptions{}); err != nil {
		w.t.Fatal(err)
	}
	synctest.Wait()
}

// get returns an APIService; nil if there is none.
func (w *world) get(name string) *apiregistrationv1.APIService {
	w.t.Helper()
	it, err := w.services.Get(w.t.Context(), "", name, &metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return it.Object.(*apiregistrationv1.APIService)
}

func (w *world) available(name, want string) {
	w.t.Helper()
	s := w.get(name)
	if s == nil {
		w.t.Errorf("%s is not there", name)
		return
	}
	if c := apiregistration.Available(s); c == nil || c.Reason != want {
		w.t.Errorf("%s: %+v, want %s", name, c, want)
	}
}

func (w *world) path(path string) (string, error) {
	data, err := w.client.Discovery().RESTClient().Get().AbsPath(path).SetHeader("Accept", "application/json").DoRaw(w.t.Context())
	return string(data), err
}

// groups are those that /apis lists.
func (w *world) groups() (names []string) {
	w.t.Helper()
	text, err := w.path("/apis")
	if err != nil {
		w.t.Fatal(err)
	}
	var list metav1.APIGroupList
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		w.t.Fatal(err)
	}
	for _, g := range list.Groups {
		names = append(names, g.Name)
	}
	return names
}

func custom() *kinds.Kind {
	gvk := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Ship"}
	return &kinds.Kind{
		GroupVersionKind: gvk, Names: kinds.Names{Resource: "ships", Singular: "ship"}, StorageKey: "example.com/ships",
		New: func() kinds.Object { u := &unstructured.Unstructured{}; u.SetGroupVersionKind(gvk); return u },
		NewList: func() runtime.Object {
			u := &unstructured.UnstructuredList{}
			u.SetGroupVersionKind(gvk.GroupVersion().WithKind("ShipList"))
			return u
		},
		ValidName: func(string, bool) []string { return nil },
	}
}

func inBubble(t *testing.T, f func(t *testing.T, st *memory.Store)) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		f(t, st)
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestOwnVersions(t *testing.T) {
	inBubble(t, func(t *testing.T, st *memory.Store) {
		inWorld(t, st, builtin.Kinds(), func(w *world) {
			apps := w.get("v1.apps")
			if apps == nil || apps.Labels["kube-aggregator.kubernetes.io/automanaged"] != "onstart" || apps.Spec.GroupPriorityMinimum != 17800 || apps.Spec.VersionPriority != 15 || apps.ManagedFields[0].Manager != "kube-apiserver" {
				t.Errorf("apps/v1 is registered as %+v", apps)
			}
			w.available("v1.", "Local")
			w.available("v1.authorization.k8s.io", "Local")
			if w.get("v1.apiregistration.k8s.io") != nil {
				t.Error("the register is registered")
			}
			got := w.groups()
			if want := []string{"apiregistration.k8s.io", "apps", "events.k8s.io", "authorization.k8s.io", "autoscaling", "batch"}; !slices.Equal(got[:len(want)], want) {
				t.Errorf("/apis lists %q, want %q first", got, want)
			}
			w.change("v1.batch", func(s *apiregistrationv1.APIService) { s.Spec.VersionPriority = 1 })
			if w.get("v1.batch").Spec.VersionPriority != 1 {
				t.Error("a change after the start does not stay")
			}
			w.remove("v1.apps")
			if w.get("v1.apps") != nil || slices.Contains(w.groups(), "apps") {
				t.Error("what was removed comes back before the next start, or is listed")
			}
			if _, err := w.path("/apis/apps/v1"); err != nil {
				t.Error("not registered, it is not served:", err)
			}
		})
		inWorld(t, st, builtin.Kinds(), func(w *world) {
			w.available("v1.apps", "Local")
			if w.get("v1.batch").Spec.VersionPriority != 15 {
				t.Error("a start does not bring versions in order")
			}
		})
		few := slices.DeleteFunc(builtin.Kinds(), func(k *kinds.Kind) bool { return k.Group == "apps" })
		inWorld(t, st, few, func(w *world) {
			if w.get("v1.apps") != nil {
				t.Error("what a server does not serve stays registered")
			}
		})
	})
}

func TestCustomVersions(t *testing.T) {
	inBubble(t, func(t *testing.T, st *memory.Store) {
		inWorld(t, st, builtin.Kinds(), func(w *world) {
			k := custom()
			if err := w.server.Registry().Add(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			w.available("v1.example.com", "Local")
			if s := w.get("v1.example.com"); s.Labels["kube-aggregator.kubernetes.io/automanaged"] != "true" || s.Spec.GroupPriorityMinimum != 1000 || s.Spec.VersionPriority != 100 {
				t.Errorf("registered as %+v", s)
			}
			w.change("v1.example.com", func(s *apiregistrationv1.APIService) { s.Spec.VersionPriority = 1 })
			if w.get("v1.example.com").Spec.VersionPriority != 100 {
				t.Error("a change stays")
			}
			w.remove("v1.example.com")
			w.available("v1.example.com", "Local")
			if !slices.Contains(w.groups(), "example.com") {
				t.Error("it is not listed")
			}
			if err := w.server.Registry().Remove(t.Context(), k); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if w.get("v1.example.com") != nil || slices.Contains(w.groups(), "example.com") {
				t.Error("it stays registered when it is gone")
			}
			w.create("example.org", func(*apiregistrationv1.APIService) {})
			w.available("v1.example.org", "Local")
		})
	})
}

func TestVersionsOfOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, st *memory.Store) {
		inWorld(t, st, builtin.Kinds(), func(w *world) {
			const name = "v1.example.net"
			w.create("example.net", func(s *apiregistrationv1.APIService) {
				s.Spec.Service = &apiregistrationv1.ServiceReference{Namespace: "default", Name: "ships"}
			})
			w.available(name, "ServiceNotFound")
			got := w.groups()
			if i := slices.Index(got, "example.net"); i < 1 || got[i-1] != "authorization.k8s.io" {
				t.Errorf("/apis lists %q", got)
			}
			for _, path := range []string{"/apis/example.net/v1", "/apis/example.net/v1/ships", "/apis/example.net/v1/namespaces/default/ships/a"} {
				if text, err := w.path(path); !apierrors.IsServiceUnavailable(err) || !strings.Contains(text, "service unavailable") {
					t.Errorf("%s: %q, %v", path, text, err)
				}
			}
			if text, err := w.path("/apis/example.net"); err != nil || !strings.Contains(text, `"example.net/v1"`) {
				t.Errorf("the group: %q, %v", text, err)
			}
			if _, err := w.path("/apis/example.net/v2"); !apierrors.IsNotFound(err) {
				t.Error("another version:", err)
			}
			service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "ships"}, Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP, ClusterIP: "None", Ports: []corev1.ServicePort{{Port: 80}}}}
			if _, err := w.client.CoreV1().Services("default").Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			w.available(name, "ServicePortError")
			w.change(name, func(s *apiregistrationv1.APIService) { *s.Spec.Service.Port = 80 })
			w.available(name, "EndpointsNotFound")
			w.change(name, func(s *apiregistrationv1.APIService) { s.Spec.Service = nil })
			w.available(name, "Local")
			w.remove(name)
			if slices.Contains(w.groups(), "example.net") {
				t.Error("it is listed when it is gone")
			}
		})
	})
}
