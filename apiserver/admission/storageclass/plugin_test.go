package storageclass_test

import (
	"context"
	"slices"
	"testing"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/storageclass"
)

func TestDefault(t *testing.T) {
	class := func(name, made, key string) *storagev1.StorageClass {
		return admissiontest.Decode(t, `{"apiVersion":"storage.k8s.io/v1","kind":"StorageClass","metadata":{"name":"`+name+`","creationTimestamp":"`+made+`","annotations":{"`+key+`":"true"}}}`).(*storagev1.StorageClass)
	}
	const is, was = "storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"
	for _, c := range []struct {
		name, want string
		classes    []*storagev1.StorageClass
	}{
		{"none", "", []*storagev1.StorageClass{class("a", "2026-01-01T00:00:00Z", "x/y")}},
		{"one", "b", []*storagev1.StorageClass{class("a", "2026-01-01T00:00:00Z", "x/y"), class("b", "2026-01-01T00:00:00Z", was)}},
		{"the youngest", "b", []*storagev1.StorageClass{class("a", "2026-01-01T00:00:00Z", is), class("b", "2026-01-02T00:00:00Z", is), class("c", "2026-01-01T00:00:00Z", is)}},
		{"the first of equals", "a", []*storagev1.StorageClass{class("a", "2026-01-01T00:00:00Z", is), class("b", "2026-01-01T00:00:00Z", is)}},
	} {
		if got := storageclass.Default(slices.Values(c.classes)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestClaims(t *testing.T) {
	claim := func(meta, spec string) string {
		return `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"` + meta + `},"spec":{` + spec + `}}`
	}
	step := func(name string) storageclass.Plugin {
		return storageclass.Plugin{Default: func(context.Context) (string, error) { return name, nil }}
	}
	admissiontest.Run(t, step("fast"), []admissiontest.Case{
		{Name: "gets it", Object: claim("", ""), Want: `{"spec":{"storageClassName":"fast"}}`},
		{Name: "has its own", Object: claim("", `"storageClassName":"slow"`)},
		{Name: "wants none", Object: claim("", `"storageClassName":""`)},
		{Name: "says it the old way", Object: claim(`,"annotations":{"volume.beta.kubernetes.io/storage-class":"slow"}`, "")},
		{Name: "is there already", Object: claim("", ""), Old: claim("", "")},
	})
	admissiontest.Run(t, step(""), []admissiontest.Case{{Name: "no default", Object: claim("", "")}})
}
