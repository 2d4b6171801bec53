package builtin

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// sentAs makes a minimal object of a view with a patch, and stores it.
func sentAs(t *testing.T, k *kinds.Kind, v *kinds.View, patch string) kinds.Object {
	t.Helper()
	whole := map[string]any{"metadata": map[string]any{"name": "it", "namespace": "ns"}}
	for _, text := range []string{minimal[k.Kind], patch} {
		var change map[string]any
		if err := json.Unmarshal([]byte(text), &change); err != nil {
			t.Fatal(err)
		}
		whole = merge(whole, change)
	}
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	seen := v.New()
	if err := json.Unmarshal(data, seen); err != nil {
		t.Fatal(err)
	}
	v.Default(seen)
	obj, err := v.ToStored(seen)
	if err != nil {
		t.Fatal(err)
	}
	k.Default(obj)
	return obj
}

func TestFirstAutoscalerRefused(t *testing.T) {
	k := kindOf(t, "HorizontalPodAutoscaler")
	for _, c := range []struct{ patch, want string }{
		{`{"spec":{"minReplicas":5}}`, "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"},
		{`{"spec":{"minReplicas":-1}}`, "spec.minReplicas: Invalid value: -1: must be greater than or equal to 0"},
		{`{"spec":{"minReplicas":0}}`, "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero replicas"},
		{`{"spec":{"maxReplicas":0}}`, "spec.maxReplicas: Required value"},
		{`{"spec":{"scaleTargetRef":{"kind":""}}}`, "spec.scaleTargetRef.kind: Required value"},
		{`{"spec":{"scaleTargetRef":{"apiVersion":"v1"}}}`, `spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group`},
		{`{"spec":{"targetCPUUtilizationPercentage":0}}`, "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0"},
		{`{"metadata":{"annotations":{"autoscaling.alpha.kubernetes.io/metrics":"[{\"type\":\"Pods\"}]"}}}`, "spec.metrics[0].pods: Required value: must populate information for the given metric source"},
	} {
		t.Run(c.patch, func(t *testing.T) {
			expect(t, created(k, sentAs(t, k, &k.Views[0], c.patch)), c.want)
		})
	}
}

func TestFirstAutoscalerDefaults(t *testing.T) {
	k := kindOf(t, "HorizontalPodAutoscaler")
	for patch, want := range map[string]string{
		`{}`: `{"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"minReplicas":1,"maxReplicas":3,"targetCPUUtilizationPercentage":80}`,
		`{"spec":{"targetCPUUtilizationPercentage":50}}`: `{"scaleTargetRef":{"kind":"Deployment","name":"d","apiVersion":"apps/v1"},"minReplicas":1,"maxReplicas":3,"targetCPUUtilizationPercentage":50}`,
	} {
		obj := sentAs(t, k, &k.Views[0], patch)
		created(k, obj)
		data, err := json.Marshal(seenBy(&k.Views[0], obj))
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Spec json.RawMessage }
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if string(got.Spec) != want {
			t.Errorf("%s: %s, want %s", patch, got.Spec, want)
		}
	}
}

// What is too long is not made the name of a test.
func TestOversizedRefused(t *testing.T) {
	long := strings.Repeat("x", 256<<10)
	class, attachment := kindOf(t, "StorageClass"), kindOf(t, "VolumeAttachment")
	expect(t, created(class, object(t, class, `{"parameters":`+table(513, `"%":""`)+`}`)), "parameters: Too long: may not be more than 512 bytes")
	expect(t, created(class, object(t, class, `{"parameters":{"a":"`+long+`"}}`)), "parameters: Too long: may not be more than 262144 bytes")
	now, old := changed(t, attachment, `{"status":{"attachmentMetadata":{"a":"`+long+`"}}}`)
	attachment.Status.PrepareUpdate(context.Background(), now, old)
	expect(t, attachment.Status.ValidateUpdate(context.Background(), now, old), "status.attachmentMetadata: Too long: may not be more than 262144 bytes")

	slice, job := kindOf(t, "EndpointSlice"), kindOf(t, "Job")
	ports := `{"ports":[` + strings.Repeat(`{"name":"a"},`, 20000) + `{"name":"a"}]}`
	expect(t, created(slice, object(t, slice, ports)), "ports: Too many: 20001: must have at most 20000 items")
	indexes := `{"spec":{"completionMode":"Indexed","completions":3,"successPolicy":{"rules":[{"succeededIndexes":"` + strings.Repeat("0", 65537) + `"}]}}}`
	expect(t, created(job, object(t, job, indexes)), "spec.successPolicy.rules[0].succeededIndexes: Too long: may not be more than 65536 bytes")
}
