package standard_test

import (
	"strings"
	"testing"

	v1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

func about(group, version, resource string) *v1.MatchResources {
	return &v1.MatchResources{ResourceRules: []v1.NamedRuleWithOperations{{RuleWithOperations: v1.RuleWithOperations{
		Operations: []v1.OperationType{v1.Create, v1.Update}, Rule: v1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: []string{resource}},
	}}}}
}

// TestPoliciesCountAtOnce: a write right after a policy, its binding, their
// change or their end is judged by what there is then.
func TestPoliciesCountAtOnce(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.admin.AdmissionregistrationV1()
	try := func(want string) {
		t.Helper()
		_, err := w.admin.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Data: map[string]string{"a": "no"}}, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	for range 20 {
		policy := &v1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		policy.Spec.MatchConstraints = about("", "v1", "configmaps")
		policy.Spec.Validations = []v1.Validation{{Expression: "object.data.a != 'no'", Message: "first"}}
		if _, err := c.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		try("")
		binding := &v1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
		binding.Spec.PolicyName, binding.Spec.ValidationActions = "p", []v1.ValidationAction{v1.Deny}
		if _, err := c.ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		try("first")
		policy, err := c.ValidatingAdmissionPolicies().Get(ctx, "p", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		policy.Spec.Validations[0].Message = "second"
		if _, err := c.ValidatingAdmissionPolicies().Update(ctx, policy, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		try("second")
		if err := c.ValidatingAdmissionPolicyBindings().Delete(ctx, "b", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		try("")
		if err := c.ValidatingAdmissionPolicies().Delete(ctx, "p", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestMutatingInAnotherVersion: a policy about one version changes objects
// that are written in another.
func TestMutatingInAnotherVersion(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.admin.AdmissionregistrationV1()
	policy := &v1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	policy.Spec.MatchConstraints = about("autoscaling", "v1", "horizontalpodautoscalers")
	policy.Spec.ReinvocationPolicy = v1.NeverReinvocationPolicy
	policy.Spec.Mutations = []v1.Mutation{
		{PatchType: v1.PatchTypeApplyConfiguration, ApplyConfiguration: &v1.ApplyConfiguration{Expression: "Object{spec: Object.spec{targetCPUUtilizationPercentage: 33}}"}},
		{PatchType: v1.PatchTypeJSONPatch, JSONPatch: &v1.JSONPatch{Expression: "[JSONPatch{op: 'replace', path: '/spec/maxReplicas', value: object.spec.maxReplicas + 4}]"}},
	}
	if _, err := c.MutatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &v1.MutatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: v1.MutatingAdmissionPolicyBindingSpec{PolicyName: "p"}}
	if _, err := c.MutatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "h"}}
	scaler.Spec.MaxReplicas, scaler.Spec.ScaleTargetRef = 3, autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "d"}
	scaler, err := w.admin.AutoscalingV2().HorizontalPodAutoscalers("default").Create(ctx, scaler, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if m := scaler.Spec.Metrics; scaler.Spec.MaxReplicas != 7 || len(m) != 1 || *m[0].Resource.Target.AverageUtilization != 33 {
		t.Errorf("%+v", scaler.Spec)
	}
}

// TestPolicyWriters: who gives a policy parameters must be able to read them.
func TestPolicyWriters(t *testing.T) {
	w := start(t)
	w.rbacReady()
	ctx := t.Context()
	if _, err := w.admin.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "policies"}, Rules: []rbacv1.PolicyRule{
		{Verbs: []string{"*"}, APIGroups: []string{v1.GroupName}, Resources: []string{"*"}}, {Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"configmaps"}},
	}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.admin.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "policies"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "policies"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "jane"}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	jane := w.withCertificate(w.pki.CA, "jane")
	write := func(kind string) error {
		policy := &v1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(kind)}}
		policy.Spec.MatchConstraints, policy.Spec.ParamKind = about("", "v1", "pods"), &v1.ParamKind{APIVersion: "v1", Kind: kind}
		policy.Spec.Validations = []v1.Validation{{Expression: "true"}}
		_, err := jane.AdmissionregistrationV1().ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{})
		return err
	}
	err := write("ConfigMap")
	for apierrors.IsForbidden(err) && t.Context().Err() == nil { // the binding takes the way of a watch
		err = write("ConfigMap")
	}
	if err != nil {
		t.Error(err)
	}
	if err := write("Secret"); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), `must have "get" permission on all objects of the referenced paramKind (kind=Secret, apiVersion=v1)`) {
		t.Error(err)
	}
}

// TestScalesAreAdmitted: admission sees a scale, not the object that is scaled,
// and may change it.
func TestScalesAreAdmitted(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.admin.AdmissionregistrationV1()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "d"}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}
	d.Spec.Template.Labels = d.Spec.Selector.MatchLabels
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
	if _, err := w.admin.AppsV1().Deployments("default").Create(ctx, d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	double := &v1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	double.Spec.MatchConstraints, double.Spec.ReinvocationPolicy = about("apps", "v1", "deployments/scale"), v1.NeverReinvocationPolicy
	double.Spec.Mutations = []v1.Mutation{{PatchType: v1.PatchTypeJSONPatch, JSONPatch: &v1.JSONPatch{
		Expression: "object.kind == 'Scale' ? [JSONPatch{op: 'replace', path: '/spec/replicas', value: object.spec.replicas * 2}] : [JSONPatch{op: 'remove', path: '/none'}]",
	}}}
	if _, err := c.MutatingAdmissionPolicies().Create(ctx, double, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.MutatingAdmissionPolicyBindings().Create(ctx, &v1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: v1.MutatingAdmissionPolicyBindingSpec{PolicyName: "p"},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	most := &v1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	most.Spec.MatchConstraints = about("apps", "v1", "deployments/scale")
	most.Spec.Validations = []v1.Validation{{Expression: "object.spec.replicas < 9 && oldObject.kind == 'Scale'", MessageExpression: "object.kind + ' of ' + string(object.spec.replicas)"}}
	if _, err := c.ValidatingAdmissionPolicies().Create(ctx, most, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ValidatingAdmissionPolicyBindings().Create(ctx, &v1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: v1.ValidatingAdmissionPolicyBindingSpec{PolicyName: "p", ValidationActions: []v1.ValidationAction{v1.Deny}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	scale := func(replicas int32) (*autoscalingv1.Scale, error) {
		s := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "d", Namespace: "default"}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
		return w.admin.AppsV1().Deployments("default").UpdateScale(ctx, "d", s, metav1.UpdateOptions{})
	}
	if s, err := scale(3); err != nil || s.Spec.Replicas != 6 {
		t.Error(s, err)
	}
	if _, err := scale(5); err == nil || !strings.Contains(err.Error(), "Scale of 10") {
		t.Error(err)
	}
	if d, err := w.admin.AppsV1().Deployments("default").Get(ctx, "d", metav1.GetOptions{}); err != nil || *d.Spec.Replicas != 6 {
		t.Error(d.Spec.Replicas, err)
	}
}

// refuse makes a policy that refuses everything about a resource, with what a
// CEL expression says.
func (w *world) refuse(match *v1.MatchResources, message string) {
	w.t.Helper()
	ctx, c := w.t.Context(), w.admin.AdmissionregistrationV1()
	match.ResourceRules[0].Operations = []v1.OperationType{v1.OperationAll}
	policy := &v1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{GenerateName: "p-"}}
	policy.Spec.MatchConstraints = match
	policy.Spec.Validations = []v1.Validation{{Expression: "false", MessageExpression: message}}
	policy, err := c.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	binding := &v1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{GenerateName: "b-"}}
	binding.Spec.PolicyName, binding.Spec.ValidationActions = policy.Name, []v1.ValidationAction{v1.Deny}
	if _, err := c.ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		w.t.Fatal(err)
	}
}

// TestConnectionsAreAdmitted: whatever the method, with the options that a
// connection is asked for.
func TestConnectionsAreAdmitted(t *testing.T) {
	w := start(t)
	w.account("default", "default")
	w.pod("p", nil)
	w.refuse(about("", "v1", "pods/*"), "request.operation + ' ' + object.kind + ' ' + (has(object.command) ? object.command[0] : '') + (has(object.path) ? object.path : '')")
	rest := w.admin.CoreV1().RESTClient()
	for what, err := range map[string]error{
		"CONNECT PodExecOptions ls":     rest.Post().AbsPath("/api/v1/namespaces/default/pods/p/exec").Param("command", "ls").Do(t.Context()).Error(),
		"CONNECT PodAttachOptions":      rest.Get().AbsPath("/api/v1/namespaces/default/pods/p/attach").Do(t.Context()).Error(),
		"CONNECT PodProxyOptions /x/y":  rest.Get().AbsPath("/api/v1/namespaces/default/pods/p/proxy/x/y").Do(t.Context()).Error(),
		"CONNECT PodPortForwardOptions": rest.Post().AbsPath("/api/v1/namespaces/default/pods/p/portforward").Do(t.Context()).Error(),
	} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
	// Logs are read, not connected to.
	if err := rest.Get().AbsPath("/api/v1/namespaces/default/pods/p/log").Do(t.Context()).Error(); err != nil && strings.Contains(err.Error(), "CONNECT") {
		t.Error(err)
	}
}

// TestWhatAdmissionIsTold: the name that the server has made, and the options
// of a create where an update creates.
func TestWhatAdmissionIsTold(t *testing.T) {
	w := start(t)
	ctx := t.Context()
	w.refuse(about("", "v1", "configmaps"), "request.operation + ' ' + request.options.kind + ' ' + request.name.substring(0, 2)")
	_, err := w.admin.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "g-"}}, metav1.CreateOptions{})
	if err == nil || !strings.Contains(err.Error(), "CREATE CreateOptions g-") {
		t.Error(err)
	}
	_, err = w.admin.CoreV1().ConfigMaps("default").Patch(ctx, "applied", types.ApplyYAMLPatchType, []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"applied"}}`), metav1.PatchOptions{FieldManager: "m"})
	if err == nil || !strings.Contains(err.Error(), "CREATE CreateOptions ap") {
		t.Error(err)
	}
}

// TestMutationsStayInTheNamespace: a policy cannot move an object elsewhere.
func TestMutationsStayInTheNamespace(t *testing.T) {
	w := start(t)
	ctx, c := t.Context(), w.admin.AdmissionregistrationV1()
	move := &v1.MutatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
	move.Spec.MatchConstraints, move.Spec.ReinvocationPolicy = about("", "v1", "configmaps"), v1.NeverReinvocationPolicy
	move.Spec.Mutations = []v1.Mutation{{PatchType: v1.PatchTypeJSONPatch, JSONPatch: &v1.JSONPatch{Expression: "[JSONPatch{op: 'replace', path: '/metadata/namespace', value: 'kube-system'}]"}}}
	if _, err := c.MutatingAdmissionPolicies().Create(ctx, move, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.MutatingAdmissionPolicyBindings().Create(ctx, &v1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "b"}, Spec: v1.MutatingAdmissionPolicyBindingSpec{PolicyName: "p"},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	_, err := w.admin.CoreV1().ConfigMaps("default").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "c"}}, metav1.CreateOptions{})
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), "does not match the namespace sent on the request") {
		t.Error(err)
	}
}
