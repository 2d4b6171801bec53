package apiserver_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
)

func TestPatches(t *testing.T) {
	_, client := start(t)
	ctx := t.Context()
	services := client.CoreV1().Services("default")
	if _, err := services.Create(ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "s"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "a", Port: 80}}},
	}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ   types.PatchType
		patch string
		ports int
	}{
		{types.StrategicMergePatchType, `{"spec":{"ports":[{"name":"b","port":81}]}}`, 2},
		{types.JSONPatchType, `[{"op":"add","path":"/spec/ports/-","value":{"name":"c","port":82}}]`, 3},
		{types.StrategicMergePatchType, `{"spec":{"ports":[{"$patch":"delete","port":81}]}}`, 2},
		{types.MergePatchType, `{"spec":{"ports":[{"name":"d","port":83}]}}`, 1},
	} {
		got, err := services.Patch(ctx, "s", c.typ, []byte(c.patch), metav1.PatchOptions{})
		if err != nil {
			t.Fatalf("%s: %v", c.patch, err)
		}
		if len(got.Spec.Ports) != c.ports {
			t.Errorf("%s: ports %v, want %d", c.patch, got.Spec.Ports, c.ports)
		}
	}
	if _, err := services.Patch(ctx, "s", types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/type","value":"x"}]`), metav1.PatchOptions{}); apierrors.ReasonForError(err) != metav1.StatusReasonInvalid && err == nil {
		t.Errorf("failed test: %v", err)
	}
}

func TestApply(t *testing.T) {
	_, client := start(t)
	ctx := t.Context()
	deployments := client.AppsV1().Deployments("default")
	labels := map[string]string{"app": "a"}
	config := appsapply.Deployment("d", "default").WithSpec(appsapply.DeploymentSpec().WithReplicas(1).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).
			WithSpec(coreapply.PodSpec().WithContainers(coreapply.Container().WithName("c").WithImage("i")))))
	d, err := deployments.Apply(ctx, config, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		t.Fatal(err)
	}
	if *d.Spec.Replicas != 1 || d.UID == "" || len(d.ManagedFields) != 1 || d.ManagedFields[0].Operation != metav1.ManagedFieldsOperationApply {
		t.Errorf("applied %+v", d)
	}
	again, err := deployments.Apply(ctx, config, metav1.ApplyOptions{FieldManager: "one"})
	if err != nil || again.ResourceVersion != d.ResourceVersion {
		t.Errorf("second apply: %v, version %s after %s", err, again.ResourceVersion, d.ResourceVersion)
	}
	config.Spec.WithReplicas(3)
	if _, err := deployments.Apply(ctx, config, metav1.ApplyOptions{FieldManager: "two"}); !apierrors.IsConflict(err) {
		t.Errorf("apply by another: %v", err)
	}
	if d, err = deployments.Apply(ctx, config, metav1.ApplyOptions{FieldManager: "two", Force: true}); err != nil || *d.Spec.Replicas != 3 {
		t.Errorf("forced: %v", err)
	}
	s, err := deployments.GetScale(ctx, "d", metav1.GetOptions{})
	if err != nil || s.Spec.Replicas != 3 {
		t.Fatalf("scale %v, %v", s, err)
	}
	s.Spec.Replicas = 5
	if s, err = deployments.UpdateScale(ctx, "d", s, metav1.UpdateOptions{}); err != nil || s.Spec.Replicas != 5 {
		t.Errorf("scaled %v, %v", s, err)
	}
	d, err = deployments.Get(ctx, "d", metav1.GetOptions{})
	if err != nil || *d.Spec.Replicas != 5 || d.Generation != 3 {
		t.Errorf("after scale: %v, %v", d, err)
	}
}
