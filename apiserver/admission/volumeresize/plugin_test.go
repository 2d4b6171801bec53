package volumeresize_test

import (
	"context"
	"testing"

	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/volumeresize"
)

func TestClaimsGrow(t *testing.T) {
	yes, no := true, false
	step := volumeresize.Plugin{Class: func(_ context.Context, name string) (*storagev1.StorageClass, error) {
		switch name {
		case "grows":
			return &storagev1.StorageClass{AllowVolumeExpansion: &yes}, nil
		case "fixed":
			return &storagev1.StorageClass{AllowVolumeExpansion: &no}, nil
		case "silent":
			return &storagev1.StorageClass{}, nil
		}
		return nil, apierrors.NewNotFound(storagev1.Resource("storageclasses"), name)
	}}
	claim := func(class, size, phase string) string {
		return `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"c","namespace":"n"},"spec":{"storageClassName":"` + class + `","resources":{"requests":{"storage":"` + size + `"}}},"status":{"phase":"` + phase + `"}}`
	}
	const refused = `persistentvolumeclaims "c" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize`
	admissiontest.Run(t, step, []admissiontest.Case{
		{Name: "may", Object: claim("grows", "2Gi", "Bound"), Old: claim("grows", "1Gi", "Bound")},
		{Name: "may not", Object: claim("fixed", "2Gi", "Bound"), Old: claim("fixed", "1Gi", "Bound"), Refused: refused},
		{Name: "class is silent", Object: claim("silent", "2Gi", "Bound"), Old: claim("silent", "1Gi", "Bound"), Refused: refused},
		{Name: "class is gone", Object: claim("gone", "2Gi", "Bound"), Old: claim("gone", "1Gi", "Bound"), Refused: refused},
		{Name: "no class", Object: claim("", "2Gi", "Bound"), Old: claim("", "1Gi", "Bound"), Refused: refused},
		{Name: "another class", Object: claim("grows", "2Gi", "Bound"), Old: claim("fixed", "1Gi", "Bound"), Refused: refused},
		{Name: "not bound", Object: claim("grows", "2Gi", "Pending"), Old: claim("grows", "1Gi", "Pending"), Refused: "Only bound persistent volume claims can be expanded"},
		{Name: "shrinks", Object: claim("fixed", "1Gi", "Bound"), Old: claim("fixed", "2Gi", "Bound")},
		{Name: "status", Object: claim("fixed", "2Gi", "Bound"), Old: claim("fixed", "1Gi", "Bound"), Subresource: "status"},
	})
}
