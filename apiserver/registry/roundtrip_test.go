package registry

import (
	"context"
	"math/rand"
	"reflect"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/diff"
	"sigs.k8s.io/randfill"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/store/memory"
)

// filler fills objects at random, with what serializers keep.
func filler(seed int64) *randfill.Filler {
	codecs := serializer.NewCodecFactory(runtime.NewScheme())
	own := func(serializer.CodecFactory) []any {
		return []any{
			func(m *metav1.ObjectMeta, c randfill.Continue) {
				c.FillNoCustom(m)
				m.ManagedFields, m.ResourceVersion, m.SelfLink = nil, "", ""
				m.CreationTimestamp = metav1.Unix(c.Int63n(1<<31), 0)
				m.DeletionTimestamp = nil
			},
			func(raw *runtime.RawExtension, _ randfill.Continue) { raw.Raw = []byte(`{"a":"b"}`) },
			func(raw *apiextensionsv1.JSON, _ randfill.Continue) { raw.Raw = []byte(`{"a":"b"}`) },
			func(p *apiextensionsv1.JSONSchemaPropsOrArray, _ randfill.Continue) {
				p.Schema = &apiextensionsv1.JSONSchemaProps{Type: "string"}
			},
			func(s *apiextensionsv1.ResourceScope, _ randfill.Continue) { *s = apiextensionsv1.ClusterScoped },
			func(p *apiextensionsv1.JSONSchemaPropsOrBool, c randfill.Continue) { p.Allows = c.Bool() },
			func(p *apiextensionsv1.JSONSchemaPropsOrStringArray, _ randfill.Continue) {
				p.Property = []string{"other"}
			},
			func(m *autoscalingv2.MetricSpec, c randfill.Continue) { fillMetric(m, c) },
			func(m *autoscalingv2.MetricStatus, c randfill.Continue) {
				average := resource.MustParse("3")
				*m = autoscalingv2.MetricStatus{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricStatus{
					Metric: autoscalingv2.MetricIdentifier{Name: c.String(9)}, Current: autoscalingv2.MetricValueStatus{AverageValue: &average},
				}}
			},
		}
	}
	return fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, own), rand.NewSource(seed), codecs).NilChance(0.3).NumElements(1, 2).MaxDepth(12)
}

// fillMetric makes a metric of one type, whose target is of one type too:
// version 1 has no place for a contradiction.
func fillMetric(m *autoscalingv2.MetricSpec, c randfill.Continue) {
	utilization, quantity := int32(50), resource.MustParse("3")
	target := autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &utilization}
	if c.Bool() {
		target = autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &quantity}
	}
	average := autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: &quantity}
	var id autoscalingv2.MetricIdentifier
	c.Fill(&id)
	switch c.Intn(5) {
	case 0:
		*m = autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: "memory", Target: target}}
	case 1:
		*m = autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{Name: "cpu", Container: "c", Target: target}}
	case 2:
		*m = autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{Metric: id, Target: average}}
	case 3:
		*m = autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: &autoscalingv2.ExternalMetricSource{Metric: id, Target: average}}
	case 4:
		value := autoscalingv2.MetricTarget{Type: autoscalingv2.ValueMetricType, Value: &quantity}
		*m = autoscalingv2.MetricSpec{Type: autoscalingv2.ObjectMetricSourceType, Object: &autoscalingv2.ObjectMetricSource{Metric: id, Target: value}}
		c.Fill(&m.Object.DescribedObject)
	}
}

// Whatever an object of a kind holds, once it has its defaults it comes back
// from the store as it was, in every version that shows it.
func TestRoundTrips(t *testing.T) {
	scheme := runtime.NewScheme()
	reg := New(Config{Store: memory.New(), Codec: codec.New(scheme)})
	for _, k := range builtin.Kinds() {
		if err := reg.Add(context.Background(), k); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range reg.Resources() {
		if r.GVK != r.Kind.GroupVersionKind {
			continue
		}
		t.Run(r.GVR.GroupResource().String(), func(t *testing.T) {
			for seed := range int64(20) {
				obj := r.Kind.New()
				filler(seed).Fill(obj)
				obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
				if r.Kind.Default != nil {
					r.Kind.Default(obj)
				}
				value, err := r.encodeStored(obj)
				if err != nil {
					t.Fatal(err)
				}
				back, err := r.hub.Decode(value)
				if err != nil {
					t.Fatal(err)
				}
				if !apiequality.Semantic.DeepEqual(obj, back) {
					t.Fatalf("seed %d: lost on the way through the store:\n%s", seed, diff.Diff(obj, back))
				}
				for i := range r.Kind.Views {
					throughView(t, r.Kind, &r.Kind.Views[i], back)
				}
			}
		})
	}
}

// throughView shows a stored object in another version and takes it back.
func throughView(t *testing.T, k *kinds.Kind, v *kinds.View, stored kinds.Object) {
	t.Helper()
	shown, err := v.FromStored(stored.DeepCopyObject().(kinds.Object))
	if err != nil {
		t.Fatalf("%s: %v", v.GroupVersionKind, err)
	}
	if reflect.TypeOf(shown) != reflect.TypeOf(v.New()) {
		t.Fatalf("%s shows a %T", v.GroupVersionKind, shown)
	}
	back, err := v.ToStored(shown)
	if err != nil {
		t.Fatalf("%s: %v", v.GroupVersionKind, err)
	}
	if k.Default != nil {
		k.Default(back)
	}
	if !apiequality.Semantic.DeepEqual(stored, back) {
		t.Fatalf("lost on the way through %s:\n%s", v.GroupVersionKind, diff.Diff(stored, back))
	}
}
