package apiextensions

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apihelpers"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// rich uses most of what there is.
const rich = `{"metadata":{"name":"things.example.com"},"spec":{"group":"example.com","scope":"Namespaced",
	"names":{"plural":"things","kind":"Thing","shortNames":["th"],"categories":["all"]},
	"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"service":{"namespace":"n","name":"s","path":"/a/b"}}}},
	"versions":[
	 {"name":"v1","served":true,"storage":true,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.n","statusReplicasPath":".status.n"}},
	  "additionalPrinterColumns":[{"name":"N","type":"integer","jsonPath":".spec.n"}],"selectableFields":[{"jsonPath":".spec.a"}],
	  "schema":{"openAPIV3Schema":{"type":"object","properties":{
	   "spec":{"type":"object","properties":{"a":{"type":"string","default":"x","maxLength":10},"n":{"type":"integer","minimum":0},
	    "m":{"type":"object","additionalProperties":{"type":"string"}},"port":{"x-kubernetes-int-or-string":true},
	    "l":{"type":"array","maxItems":3,"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["k"],"items":{"type":"object","required":["k"],
	      "properties":{"k":{"type":"string","maxLength":5},"v":{"type":"integer","x-kubernetes-validations":[{"rule":"self >= oldSelf"}]}}}}},
	    "x-kubernetes-validations":[{"rule":"self.n < 10 || self.a == 'y'","messageExpression":"'n or ' + self.a","reason":"FieldValueForbidden","fieldPath":".n"}]},
	   "status":{"type":"object","properties":{"n":{"type":"integer"}}}}}}},
	 {"name":"v1alpha1","served":true,"storage":false,"deprecated":true,"deprecationWarning":"old","schema":{"openAPIV3Schema":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}]}}`

func TestAccepted(t *testing.T) {
	for _, text := range []string{withSpec(plain), rich} {
		crd, errs := created(t, text)
		if len(errs) > 0 {
			t.Error(errs)
		}
		if crd.Generation != 1 || len(crd.Status.StoredVersions) != 1 || crd.Status.StoredVersions[0] != "v1" {
			t.Errorf("generation %d, stored %v", crd.Generation, crd.Status.StoredVersions)
		}
	}
}

func TestDefaults(t *testing.T) {
	crd := definition(t, withSpec(plain))
	if n := crd.Spec.Names; n.Singular != "thing" || n.ListKind != "ThingList" {
		t.Errorf("names %+v", n)
	}
	if crd.Spec.Conversion.Strategy != v1.NoneConverter {
		t.Errorf("conversion %+v", crd.Spec.Conversion)
	}
	if p := definition(t, rich).Spec.Conversion.Webhook.ClientConfig.Service.Port; p == nil || *p != 443 {
		t.Errorf("port %v", p)
	}
}

func TestStoredForm(t *testing.T) {
	for _, text := range []string{withSpec(plain), rich} {
		crd, _ := created(t, text)
		value, err := encode(crd)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(value, []byte(`{"kind":"CustomResourceDefinition","apiVersion":"apiextensions.k8s.io/v1beta1",`)) || !bytes.HasSuffix(value, []byte("}\n")) {
			t.Errorf("stored as %s", value)
		}
		back, err := decode(value)
		if err != nil {
			t.Fatal(err)
		}
		if !equality.Semantic.DeepEqual(back, crd) {
			t.Errorf("stored %+v\nread %+v", crd, back)
		}
		crd.SetGroupVersionKind(v1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
		data, err := json.Marshal(crd)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decode(data); err != nil || !equality.Semantic.DeepEqual(again, back) {
			t.Errorf("read of v1: %+v, %v", again, err)
		}
	}
	for _, bad := range []string{"", "{", `{"kind":"Pod","apiVersion":"v1"}`} {
		if crd, err := kind().Decode([]byte(bad)); err == nil || crd != nil {
			t.Errorf("%q is read as %v", bad, crd)
		}
	}
}

func TestUpdate(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ from, to, want string }{
		{withSpec(plain), strings.Replace(withSpec(plain), `"plural":"things"`, `"plural":"others"`, 1), `spec.names.plural: Invalid value: "others": field is immutable`},
		{withSpec(plain), strings.Replace(withSpec(plain), `"group":"example.com"`, `"group":"other.com"`, 1), `spec.group: Invalid value: "other.com": field is immutable`},
		{withSpec(plain), strings.Replace(withSpec(plain), `"Namespaced"`, `"Cluster"`, 1), `spec.scope: Invalid value: "Cluster": field is immutable`},
		{withSpec(plain), strings.Replace(withSpec(plain), `"kind":"Thing"`, `"kind":"Other"`, 1), `spec.names.kind: Invalid value: "Other": field is immutable`},
		{withSpec(plain), strings.Replace(withSpec(plain), `"name":"v1"`, `"name":"v2"`, 1), `status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was previously a storage version`},
		{withSpec(plain), withSpec(`{"type":"text"}`), `spec.validation.openAPIV3Schema.properties[spec].type: Unsupported value: "text"`},
		// What was bad before stays acceptable, in a spec that changes elsewhere.
		{
			withSpec(`{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"set"}`),
			withSpec(`{"type":"array","description":"d","items":{"type":"object"},"x-kubernetes-list-type":"set"}`), "",
		},
		{
			withSpec(`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`),
			withSpec(`{"type":"array","description":"d","items":{"type":"object","properties":{"a":{"type":"string"}}},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`), "",
		},
		{
			withSpec(`{"type":"object","default":{"b":1},"properties":{"a":{"type":"string"}}}`),
			withSpec(`{"type":"object","description":"d","default":{"b":1},"properties":{"a":{"type":"string"}}}`), "",
		},
	} {
		k := kind()
		old, _ := created(t, c.from)
		apihelpers.SetCRDCondition(old, v1.CustomResourceDefinitionCondition{Type: v1.Established, Status: v1.ConditionTrue})
		now := definition(t, c.to)
		k.PrepareUpdate(ctx, now, old)
		if now.Generation != 2 {
			t.Errorf("generation %d", now.Generation)
		}
		errs := k.ValidateUpdate(ctx, now, old)
		if c.want == "" && len(errs) > 0 {
			t.Error(errs)
		} else if c.want != "" {
			expect(t, errs, c.want)
		}
		same := old.DeepCopy()
		k.PrepareUpdate(ctx, same, old)
		if errs := k.ValidateUpdate(ctx, same, old); len(errs) > 0 || same.Generation != 1 {
			t.Errorf("without a change: %v, generation %d", errs, same.Generation)
		}
	}
}

func TestMarkDeleted(t *testing.T) {
	crd, _ := created(t, rich)
	kind().MarkDeleted(crd)
	c := apihelpers.FindCRDCondition(crd, v1.Terminating)
	if crd.DeletionTimestamp == nil || c == nil || c.Status != v1.ConditionTrue || c.Reason != "InstanceDeletionPending" || !apihelpers.CRDHasFinalizer(crd, v1.CustomResourceCleanupFinalizer) {
		t.Errorf("marked as %+v, %+v", crd.ObjectMeta, crd.Status)
	}
}

func TestWarnings(t *testing.T) {
	odd := withSpec(`{"type":"object","properties":{"a":{"type":"string","format":"odd"},"s":{"type":"array","items":{"type":"object","x-kubernetes-map-type":"atomic"},"x-kubernetes-list-type":"set"}}}`)
	crd, errs := created(t, odd)
	got := strings.Join(kind().Warnings(context.Background(), crd, nil), "; ")
	want := `unrecognized format "odd"; x-kubernetes-list-type: set for items of type "object" is not supported by server-side apply or CEL validation rules`
	if got != want {
		t.Errorf("%s, want %s (%v)", got, want, errs)
	}
	if again := kind().Warnings(context.Background(), crd, crd); len(again) > 0 {
		t.Errorf("warned again: %v", again)
	}
}

// BenchmarkChange is what a change of a large definition costs.
func BenchmarkChange(b *testing.B) {
	schema := rich[strings.Index(rich, `"spec":{"type"`)+7 : strings.Index(rich, `,
	   "status"`)]
	for range 4 {
		schema = `{"type":"object","properties":{"a":` + schema + `,"b":` + schema + `,"c":` + schema + `}}`
	}
	text := strings.ReplaceAll(withSpec(schema), `"x-kubernetes-validations"`, `"x-was"`)
	old, errs := created(b, text)
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		now := definition(b, text)
		now.Spec.Names.Categories = []string{"x"}
		if errs := kind().ValidateUpdate(context.Background(), now, old); len(errs) > 1 {
			b.Fatal(errs)
		}
	}
}
