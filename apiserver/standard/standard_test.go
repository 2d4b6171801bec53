package standard_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/certs"
	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store/memory"
)

// world is a running server with a TLS listener on loopback.
type world struct {
	t      *testing.T
	server *apiserver.Server
	pki    *standard.PKI
	host   string
	admin  kubernetes.Interface
}

func start(t *testing.T) *world {
	t.Helper()
	pki, err := standard.NewPKI()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	st := memory.New()
	server, err := standard.New(standard.Config{
		Store: st, PKI: pki, Listener: listener,
		Tokens: map[string]user.Info{"sesame": &user.DefaultInfo{Name: "ali", Groups: []string{"system:masters"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error("Run:", err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	select {
	case <-server.Ready():
	case err := <-done:
		t.Fatal("Run:", err)
	}
	w := &world{t: t, server: server, pki: pki, host: "https://" + listener.Addr().String()}
	w.admin = w.client(server.LoopbackConfig())
	return w
}

func (w *world) client(c *rest.Config) kubernetes.Interface {
	w.t.Helper()
	client, err := kubernetes.NewForConfig(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return client
}

// remote is a configuration for the listener, without credentials.
func (w *world) remote() *rest.Config {
	return &rest.Config{Host: w.host, TLSClientConfig: rest.TLSClientConfig{CAData: w.pki.CA.PEM()}, QPS: -1}
}

func (w *world) withToken(token string) kubernetes.Interface {
	c := w.remote()
	c.BearerToken = token
	return w.client(c)
}

func (w *world) withCertificate(ca *certs.Authority, name string, groups ...string) kubernetes.Interface {
	w.t.Helper()
	pair, err := ca.Issue(certs.Subject{CommonName: name, Organizations: groups})
	if err != nil {
		w.t.Fatal(err)
	}
	c := w.remote()
	c.CertData, c.KeyData = pair.Certificate, pair.Key
	return w.client(c)
}

// account makes a service account, as its controller would.
func (w *world) account(namespace, name string) {
	w.t.Helper()
	if _, err := w.admin.CoreV1().ServiceAccounts(namespace).Create(w.t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pod(name string, labels map[string]string) *corev1.Pod {
	w.t.Helper()
	pod, err := w.admin.CoreV1().Pods("default").Create(w.t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return pod
}

func (w *world) bind(pod, node string) error {
	return w.admin.CoreV1().Pods("default").Bind(w.t.Context(), &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod}, Target: corev1.ObjectReference{Kind: "Node", Name: node}}, metav1.CreateOptions{})
}

func TestWhoMayCome(t *testing.T) {
	w := start(t)
	stranger, err := certs.NewAuthority("kubernetes")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		client kubernetes.Interface
		want   func(error) bool
	}{
		{"nobody", w.client(w.remote()), apierrors.IsForbidden},
		{"wrong token", w.withToken("open"), apierrors.IsUnauthorized},
		{"token", w.withToken("sesame"), isNil},
		{"administrator", w.withCertificate(w.pki.CA, standard.AdminUser, standard.AdminGroup), isNil},
		{"user without rights", w.withCertificate(w.pki.CA, "jane"), apierrors.IsForbidden},
		{"certificate of somebody else's", w.withCertificate(stranger, standard.AdminUser, standard.AdminGroup), apierrors.IsUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := test.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{})
			if !test.want(err) {
				t.Errorf("listing pods: %v", err)
			}
		})
	}
	t.Run("open paths", func(t *testing.T) {
		w.rbacReady()
		for path, open := range map[string]bool{"/livez": true, "/readyz": true, "/healthz": true, "/version": true, "/api": false, "/metrics": false, "/openapi/v2": false} {
			err := w.client(w.remote()).Discovery().RESTClient().Get().AbsPath(path).Do(t.Context()).Error()
			if open && err != nil || !open && !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
				t.Errorf("%s for nobody: %v", path, err)
			}
		}
	})
}

func isNil(err error) bool { return err == nil }

// rbacReady waits until the default roles count, by what they give everybody.
func (w *world) rbacReady() {
	w.t.Helper()
	jane := w.withCertificate(w.pki.CA, "jane")
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	watch, err := w.admin.RbacV1().ClusterRoleBindings().Watch(ctx, metav1.ListOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer watch.Stop()
	for {
		if err := jane.Discovery().RESTClient().Get().AbsPath("/api").Do(ctx).Error(); err == nil {
			return
		}
		select {
		case <-watch.ResultChan():
		case <-ctx.Done():
			w.t.Fatal("the default roles never came into force")
		}
	}
}

func TestServiceAccountTokens(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	w.account("default", "robot")
	w.account("default", "default")
	pod := w.pod("holder", nil)
	seconds := int64(600)
	issue := func(bound *authenticationv1.BoundObjectReference) string {
		t.Helper()
		request, err := w.admin.CoreV1().ServiceAccounts("default").CreateToken(ctx, "robot", &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds, BoundObjectRef: bound},
		}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return request.Status.Token
	}
	who := func(token string) (string, error) {
		review, err := w.withToken(token).AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
		if err != nil {
			return "", err
		}
		return review.Status.UserInfo.Username, nil
	}
	w.rbacReady()
	token := issue(nil)
	if name, err := who(token); err != nil || name != "system:serviceaccount:default:robot" {
		t.Errorf("the holder is %q, %v", name, err)
	}
	if _, err := who(token[:len(token)-4] + "AAAA"); !apierrors.IsUnauthorized(err) {
		t.Errorf("a token with another signature: %v", err)
	}
	review, err := w.admin.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: []string{"vault"}}}, metav1.CreateOptions{})
	if err != nil || review.Status.Authenticated {
		t.Errorf("for another audience: authenticated %v, %v", review.Status.Authenticated, err)
	}
	if _, err := w.admin.CoreV1().ServiceAccounts("default").CreateToken(ctx, "robot", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: "holder"}},
	}, metav1.CreateOptions{}); !apierrors.IsBadRequest(err) {
		t.Errorf("bound to a pod of another account: %v", err)
	}
	if pod.Spec.ServiceAccountName != "default" || len(pod.Spec.Volumes) != 1 || pod.Spec.Volumes[0].Projected == nil {
		t.Errorf("the pod got account %q and volumes %v", pod.Spec.ServiceAccountName, pod.Spec.Volumes)
	}
	if err := w.admin.CoreV1().ServiceAccounts("default").Delete(ctx, "robot", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := who(token); !apierrors.IsUnauthorized(err) {
		t.Errorf("after its account was deleted: %v", err)
	}
}

func TestRolesCount(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	w.rbacReady()
	if _, err := w.admin.RbacV1().Roles("default").Create(ctx, &rbacv1.Role{
		ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: []string{"configmaps"}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.admin.RbacV1().RoleBindings("default").Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "jane-reads"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "reader"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "jane"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	may := func(verb, namespace, resource string) bool {
		t.Helper()
		review, err := w.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "jane", ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Namespace: namespace, Resource: resource},
		}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	deadline, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for !may("list", "default", "configmaps") { // the binding takes the way of a watch
		if deadline.Err() != nil {
			t.Fatal("the binding never counted")
		}
	}
	if may("list", "kube-system", "configmaps") || may("delete", "default", "configmaps") || may("list", "default", "secrets") {
		t.Error("jane may do more than her role says")
	}
	jane := w.withCertificate(w.pki.CA, "jane")
	if _, err := jane.CoreV1().ConfigMaps("default").List(ctx, metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	if err := jane.CoreV1().ConfigMaps("default").Delete(ctx, "x", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `User "jane" cannot delete resource "configmaps"`) {
		t.Errorf("deleting: %v", err)
	}
}

func TestBinding(t *testing.T) {
	w := start(t)
	w.account("default", "default")
	w.pod("p", nil)
	if err := w.bind("p", "node-1"); err != nil {
		t.Fatal(err)
	}
	pod, err := w.admin.CoreV1().Pods("default").Get(t.Context(), "p", metav1.GetOptions{})
	if err != nil || pod.Spec.NodeName != "node-1" {
		t.Fatalf("the pod is on %q, %v", pod.Spec.NodeName, err)
	}
	if len(pod.Status.Conditions) != 1 || pod.Status.Conditions[0].Type != corev1.PodScheduled || pod.Status.Conditions[0].Status != corev1.ConditionTrue {
		t.Errorf("its conditions are %v", pod.Status.Conditions)
	}
	if err := w.bind("p", "node-2"); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `already assigned to node "node-1"`) {
		t.Errorf("binding it again: %v", err)
	}
	if err := w.bind("q", "node-1"); !apierrors.IsNotFound(err) {
		t.Errorf("binding a pod that is not there: %v", err)
	}
}

func TestEviction(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	w.account("default", "default")
	labels := map[string]string{"app": "db"}
	for _, name := range []string{"db-0", "db-1"} {
		w.pod(name, labels)
		if err := w.bind(name, "node-1"); err != nil {
			t.Fatal(err)
		}
		pod, err := w.admin.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pod.Status.Phase = corev1.PodRunning
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
		if _, err := w.admin.CoreV1().Pods("default").UpdateStatus(ctx, pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	one := intstr.FromInt32(1)
	budget, err := w.admin.PolicyV1().PodDisruptionBudgets("default").Create(ctx, &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: "db"}, Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: labels}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	evict := func(name string) error {
		// Without the client's own retries, which wait as long as the answer says.
		return w.admin.CoreV1().RESTClient().Post().MaxRetries(0).Namespace("default").Resource("pods").Name(name).SubResource("eviction").
			Body(&policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}).Do(ctx).Error()
	}
	if err := evict("db-0"); !apierrors.IsTooManyRequests(err) {
		t.Errorf("before anybody looked at the budget: %v", err)
	}
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, DisruptionsAllowed: 1, CurrentHealthy: 2, DesiredHealthy: 1, ExpectedPods: 2}
	if _, err := w.admin.PolicyV1().PodDisruptionBudgets("default").UpdateStatus(ctx, budget, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := evict("db-0"); err != nil {
		t.Error(err)
	}
	if err := evict("db-1"); !apierrors.IsTooManyRequests(err) || !strings.Contains(err.Error(), "would violate the pod's disruption budget") {
		t.Errorf("the second: %v", err)
	}
	pod, err := w.admin.CoreV1().Pods("default").Get(ctx, "db-0", metav1.GetOptions{})
	if err != nil || pod.DeletionTimestamp == nil {
		t.Errorf("the evicted pod: deleted at %v, %v", pod.DeletionTimestamp, err)
	}
	if budget, err = w.admin.PolicyV1().PodDisruptionBudgets("default").Get(ctx, "db", metav1.GetOptions{}); err != nil || budget.Status.DisruptionsAllowed != 0 || len(budget.Status.DisruptedPods) != 1 {
		t.Errorf("the budget is %+v, %v", budget.Status, err)
	}
}

func TestServicesGetAddresses(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	make1 := func(name, ip string) (*corev1.Service, error) {
		return w.admin.CoreV1().Services("default").Create(ctx, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, ClusterIP: ip, Ports: []corev1.ServicePort{{Port: 80}}},
		}, metav1.CreateOptions{})
	}
	first, err := make1("first", "")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(first.Spec.ClusterIP, "10.96.") || first.Spec.Ports[0].NodePort < 30000 {
		t.Errorf("got %s and node port %d", first.Spec.ClusterIP, first.Spec.Ports[0].NodePort)
	}
	if _, err := make1("second", first.Spec.ClusterIP); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "provided IP is already allocated") {
		t.Errorf("the same address again: %v", err)
	}
	if _, err := make1("third", "10.0.0.1"); !apierrors.IsInvalid(err) {
		t.Errorf("an address outside the range: %v", err)
	}
	if err := w.admin.CoreV1().Services("default").Delete(ctx, "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if again, err := make1("second", first.Spec.ClusterIP); err != nil || again.Spec.ClusterIP != first.Spec.ClusterIP {
		t.Errorf("the address after its service is gone: %v", err)
	}
}

func TestAdmission(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	_, err := w.admin.CoreV1().ConfigMaps("nowhere").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, metav1.CreateOptions{})
	if !apierrors.IsNotFound(err) || !strings.Contains(err.Error(), `namespaces "nowhere" not found`) {
		t.Errorf("in a namespace that is not there: %v", err)
	}
	if err := w.admin.CoreV1().Namespaces().Delete(ctx, "kube-system", metav1.DeleteOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("deleting kube-system: %v", err)
	}
	if _, err := w.admin.CoreV1().Pods("default").Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	}, metav1.CreateOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "error looking up service account default/default") {
		t.Errorf("a pod without an account: %v", err)
	}
	w.account("default", "default")
	pod := w.pod("p", nil)
	if len(pod.Spec.Tolerations) != 2 || *pod.Spec.Tolerations[0].TolerationSeconds != 300 {
		t.Errorf("tolerations are %v", pod.Spec.Tolerations)
	}
	if pod.Spec.Priority == nil || *pod.Spec.Priority != 0 {
		t.Errorf("priority is %v", pod.Spec.Priority)
	}
	node, err := w.admin.CoreV1().Nodes().Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}}, metav1.CreateOptions{})
	if err != nil || len(node.Spec.Taints) != 1 || node.Spec.Taints[0].Key != corev1.TaintNodeNotReady {
		t.Errorf("a new node has taints %v, %v", node.Spec.Taints, err)
	}
	if _, err := w.admin.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ending"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := w.admin.CoreV1().Namespaces().Delete(ctx, "ending", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err = w.admin.CoreV1().ConfigMaps("ending").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		t.Errorf("in a namespace that is ending: %v", err)
	}
}
