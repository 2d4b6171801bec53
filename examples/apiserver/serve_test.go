package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// started is a server that runs until stop.
type started struct {
	client *kubernetes.Clientset
	config *rest.Config
	stop   func()
}

// start runs the program with flags and returns when it is ready.
func start(t *testing.T, args ...string) started {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	o, err := parse(append([]string{"-listen", "127.0.0.1:0", "-kubeconfig", kubeconfig}, args...), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := serve(ctx, o, w)
		_ = w.CloseWithError(io.EOF)
		done <- err
	}()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || !strings.HasPrefix(line, "ready on ") {
		t.Fatalf("%q, %v; %v", line, err, <-done)
	}
	stopped := false
	s := started{stop: func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}}
	t.Cleanup(s.stop)
	if s.config, err = clientcmd.BuildConfigFromFlags("", kubeconfig); err != nil {
		t.Fatal(err)
	}
	if s.client, err = kubernetes.NewForConfig(s.config); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServe(t *testing.T) {
	s := start(t, "-service-account-issuer", "https://issuer.test", "-service-cidr", "10.50.0.0/24")
	if _, err := s.client.CoreV1().ServiceAccounts("default").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	request, err := s.client.CoreV1().ServiceAccounts("default").CreateToken(t.Context(), "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if aud := request.Spec.Audiences; len(aud) != 1 || aud[0] != "https://issuer.test" {
		t.Errorf("audiences %v", aud)
	}
	svc, err := s.client.CoreV1().Services("default").Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	if err != nil || !strings.HasPrefix(svc.Spec.ClusterIP, "10.50.0.") {
		t.Errorf("%v, %v", svc, err)
	}
	// An administrator may act as somebody else.
	as := rest.CopyConfig(s.config)
	as.Impersonate = rest.ImpersonationConfig{UserName: "jane"}
	jane, err := kubernetes.NewForConfig(as)
	if err != nil {
		t.Fatal(err)
	}
	review, err := jane.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil || review.Status.UserInfo.Username != "jane" {
		t.Errorf("%v, %v", review, err)
	}
}

// TestEmbedded stops the server and starts another on what it has left.
func TestEmbedded(t *testing.T) {
	dir := t.TempDir()
	s := start(t, "-store", "embedded", "-data-dir", dir)
	if _, err := s.client.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	o, err := parse([]string{"-store", "embedded", "-data-dir", dir, "-listen", "127.0.0.1:0", "-kubeconfig", os.DevNull}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := serve(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), "-store embedded") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server on the directory: %v", err)
	}
	old := s.client
	s.stop()
	s = start(t, "-store", "embedded", "-data-dir", dir)
	if _, err := s.client.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := old.CoreV1().ConfigMaps("default").Get(t.Context(), "kept", metav1.GetOptions{}); err == nil {
		t.Error("the old address still answers")
	}
}

func TestServeRefuses(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"port in use":        {[]string{"-listen", strings.TrimPrefix(s.config.Host, "https://")}, "choose another port"},
		"no such etcd":       {[]string{"-store", "http://127.0.0.1:1"}, "is etcd running there?"},
		"data dir is a file": {[]string{"-data-dir", "serve_test.go"}, "-data-dir: "},
		"no kubeconfig":      {[]string{"-kubeconfig", "serve_test.go/kubeconfig"}, "-kubeconfig: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := parse(append([]string{"-listen", "127.0.0.1:0", "-kubeconfig", filepath.Join(t.TempDir(), "kubeconfig")}, test.args...), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if err := serve(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}
