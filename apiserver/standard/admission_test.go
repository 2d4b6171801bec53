package standard_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store/memory"
)

// bubble is withConfig with a client of the administrator alone.
func bubble(t *testing.T, chain standard.Admission, test func(t *testing.T, client kubernetes.Interface)) {
	t.Helper()
	withConfig(t, chain, func(t *testing.T, _ *rest.Config, client kubernetes.Interface) { test(t, client) })
}

// withConfig runs test with a client of a server in virtual time, and checks
// that nothing is left of the server afterwards.
func withConfig(t *testing.T, chain standard.Admission, test func(t *testing.T, config *rest.Config, client kubernetes.Interface)) {
	t.Helper()
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		server, err := standard.New(standard.Config{Store: st, PKI: pki, Admission: chain})
		if err != nil {
			t.Fatal(err)
		}
		client, err := kubernetes.NewForConfig(server.LoopbackConfig())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		<-server.Ready()
		test(t, server.LoopbackConfig(), client)
		cancel()
		if err := <-done; err != nil {
			t.Error("Run:", err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func simplePod(name string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
}

func TestAdmissionIsChosen(t *testing.T) {
	bubble(t, standard.Admission{
		Without: []string{"ServiceAccount", "DefaultTolerationSeconds"},
		Steps: []admission.Plugin{
			admission.Mutate("Team", func(_ context.Context, a *admission.Attributes) error {
				if pod, ok := a.Object.(*corev1.Pod); ok && a.Operation == admission.Create {
					pod.Labels = map[string]string{"team": "blue"}
				}
				return nil
			}),
			admission.Validate("NoLatest", func(_ context.Context, a *admission.Attributes) error {
				if pod, ok := a.Object.(*corev1.Pod); ok && strings.HasSuffix(pod.Spec.Containers[0].Image, ":latest") {
					return errors.New("images have versions here")
				}
				return nil
			}),
		},
	}, func(t *testing.T, client kubernetes.Interface) {
		pods := client.CoreV1().Pods("default")
		pod, err := pods.Create(t.Context(), simplePod("p"), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if pod.Spec.ServiceAccountName != "" || len(pod.Spec.Tolerations) != 0 {
			t.Errorf("steps left out gave account %q, tolerations %v", pod.Spec.ServiceAccountName, pod.Spec.Tolerations)
		}
		if pod.Labels["team"] != "blue" || pod.Spec.Priority == nil {
			t.Errorf("labels %v, priority %v", pod.Labels, pod.Spec.Priority)
		}
		latest := simplePod("q")
		latest.Spec.Containers[0].Image = "i:latest"
		if _, err := pods.Create(t.Context(), latest, metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `pods "q" is forbidden: images have versions here`) {
			t.Errorf("an image without version: %v", err)
		}
	})
}

func TestAdmissionRefusesNames(t *testing.T) {
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(context.Context, *admission.Attributes) error { return nil }
	for _, c := range []struct {
		name, want string
		chain      standard.Admission
	}{
		{"unknown", `there is no step "Priorities"`, standard.Admission{Without: []string{"Priorities"}}},
		{"twice", `there is a step "Priority" already`, standard.Admission{Steps: []admission.Plugin{admission.Mutate("Priority", nothing)}}},
	} {
		st := memory.New()
		if _, err := standard.New(standard.Config{Store: st, PKI: pki, Admission: c.chain}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A pod may be created right after its namespace, before a controller has made
// the default account there.
func TestDefaultAccountComesLater(t *testing.T) {
	for _, c := range []struct {
		name, account string
		appears       time.Duration
		allowed       bool
		waits         time.Duration
	}{
		{"there", "default", 0, true, 0},
		{"soon there", "default", 250 * time.Millisecond, true, 250 * time.Millisecond},
		{"never there", "default", time.Hour, false, time.Second},
		{"another is not waited for", "special", 250 * time.Millisecond, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, standard.Admission{}, func(t *testing.T, client kubernetes.Interface) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				make1 := func() {
					account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: c.account}}
					if _, err := client.CoreV1().ServiceAccounts("default").Create(ctx, account, metav1.CreateOptions{}); err != nil && ctx.Err() == nil {
						t.Error(err)
					}
				}
				if c.appears == 0 {
					make1()
				} else {
					timer := time.AfterFunc(c.appears, make1)
					defer timer.Stop()
				}
				began := time.Now()
				pod := simplePod("p")
				pod.Spec.ServiceAccountName = c.account
				_, err := client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{})
				if c.allowed && err != nil || !c.allowed && !apierrors.IsForbidden(err) {
					t.Errorf("it is told %v, want allowed: %t", err, c.allowed)
				}
				if waited := time.Since(began); waited != c.waits {
					t.Errorf("it waited %v, want %v", waited, c.waits)
				}
			})
		})
	}
}
