package storageprotection_test

import (
	"testing"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/storageprotection"
)

func TestFinalizers(t *testing.T) {
	admissiontest.Run(t, storageprotection.Plugin{}, []admissiontest.Case{
		{Name: "volume", Object: `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v"}}`, Want: `{"metadata":{"finalizers":["kubernetes.io/pv-protection"]}}`},
		{Name: "claim", Object: `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","finalizers":["a/b"]}}`, Want: `{"metadata":{"finalizers":["a/b","kubernetes.io/pvc-protection"]}}`},
		{Name: "class", Object: `{"apiVersion":"storage.k8s.io/v1","kind":"VolumeAttributesClass","metadata":{"name":"c"}}`, Want: `{"metadata":{"finalizers":["kubernetes.io/vac-protection"]}}`},
		{Name: "has it", Object: `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v","finalizers":["kubernetes.io/pv-protection"]}}`},
		{Name: "update", Object: `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v"}}`, Old: `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"v"}}`},
		{Name: "other kinds", Object: `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"v"}}`},
	})
}
