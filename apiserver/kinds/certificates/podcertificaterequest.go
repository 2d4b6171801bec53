package certificates

import (
	"context"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

const (
	issuedType = certificatesv1beta1.PodCertificateRequestConditionTypeIssued
	deniedType = certificatesv1beta1.PodCertificateRequestConditionTypeDenied
	failedType = certificatesv1beta1.PodCertificateRequestConditionTypeFailed
)

func podCertificateRequest() *kinds.Kind {
	names := kinds.Names{Resource: "podcertificaterequests", Singular: "podcertificaterequest"}
	spec := certificatesv1.PodCertificateRequestSpec{}.SwaggerDoc()
	return kinds.Definition[*certificatesv1beta1.PodCertificateRequest]{
		GVK: stored("PodCertificateRequest"), Names: names, Namespaced: true,
		New:        func() *certificatesv1beta1.PodCertificateRequest { return &certificatesv1beta1.PodCertificateRequest{} },
		NewList:    func() runtime.Object { return &certificatesv1beta1.PodCertificateRequestList{} },
		StoredOnly: true,
		Views: []kinds.View{kinds.ViewDefinition[*certificatesv1beta1.PodCertificateRequest, *certificatesv1.PodCertificateRequest]{
			GVK: gvk("PodCertificateRequest"), Names: names,
			New:      func() *certificatesv1.PodCertificateRequest { return &certificatesv1.PodCertificateRequest{} },
			NewList:  func() runtime.Object { return &certificatesv1.PodCertificateRequestList{} },
			Default:  func(r *certificatesv1.PodCertificateRequest) { defaultExpiration(&r.Spec.MaxExpirationSeconds) },
			ToStored: toStoredRequest, FromStored: fromStoredRequest,
		}.View()},

		Default: func(r *certificatesv1beta1.PodCertificateRequest) { defaultExpiration(&r.Spec.MaxExpirationSeconds) },
		PrepareCreate: func(_ context.Context, r *certificatesv1beta1.PodCertificateRequest) {
			r.Status = certificatesv1beta1.PodCertificateRequestStatus{}
		},
		PrepareUpdate: func(_ context.Context, r, old *certificatesv1beta1.PodCertificateRequest) { r.Status = old.Status },
		Validate: func(_ context.Context, r *certificatesv1beta1.PodCertificateRequest) field.ErrorList {
			return validatePodRequest(r)
		},
		ValidateUpdate: func(_ context.Context, r, old *certificatesv1beta1.PodCertificateRequest) field.ErrorList {
			return validatePodRequestUpdate(r, old)
		},

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, r, old *certificatesv1beta1.PodCertificateRequest) {
			r.Spec = old.Spec
			metav1.ResetObjectMetaForStatus(r, old)
		},
		ValidateStatusUpdate: func(_ context.Context, r, old *certificatesv1beta1.PodCertificateRequest) field.ErrorList {
			return validatePodRequestStatus(r, old)
		},
		Resets: map[string][]string{"status": {"metadata"}},

		Fields: func(r *certificatesv1beta1.PodCertificateRequest) fields.Set {
			return fields.Set{"spec.signerName": r.Spec.SignerName, "spec.podName": r.Spec.PodName, "spec.nodeName": string(r.Spec.NodeName)}
		},
		FieldNames:       []string{"spec.signerName", "spec.podName", "spec.nodeName"},
		NoNamespaceField: true,

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("PodName", spec["podName"]),
			column.Text("ServiceAccountName", spec["serviceAccountName"]),
			column.Text("NodeName", spec["nodeName"]),
			column.Text("SignerName", spec["signerName"]),
			column.Text("State", "Is the request Pending, Issued, Denied, or Failed?"),
			column.Text("UnverifiedUserAnnotations", spec["unverifiedUserAnnotations"]),
		},
		Cells: func(r *certificatesv1beta1.PodCertificateRequest) []any {
			state := "Pending"
			for _, c := range r.Status.Conditions {
				if known(c.Type) {
					state = c.Type
				}
			}
			return []any{
				r.Name, r.Spec.PodName, r.Spec.ServiceAccountName, string(r.Spec.NodeName), r.Spec.SignerName, state,
				column.Labels(r.Spec.UnverifiedUserAnnotations),
			}
		},
	}.Kind()
}

// defaultExpiration is a day.
func defaultExpiration(seconds **int32) {
	if *seconds == nil {
		day := int32(24 * 60 * 60)
		*seconds = &day
	}
}

// known reports whether a condition is one that ends a request.
func known(conditionType string) bool {
	return conditionType == issuedType || conditionType == deniedType || conditionType == failedType
}

func toStoredRequest(r *certificatesv1.PodCertificateRequest) (*certificatesv1beta1.PodCertificateRequest, error) {
	return &certificatesv1beta1.PodCertificateRequest{
		ObjectMeta: r.ObjectMeta,
		Spec: certificatesv1beta1.PodCertificateRequestSpec{
			SignerName: r.Spec.SignerName, PodName: r.Spec.PodName, PodUID: r.Spec.PodUID,
			ServiceAccountName: r.Spec.ServiceAccountName, ServiceAccountUID: r.Spec.ServiceAccountUID,
			NodeName: r.Spec.NodeName, NodeUID: r.Spec.NodeUID, MaxExpirationSeconds: r.Spec.MaxExpirationSeconds,
			StubPKCS10Request: r.Spec.StubPKCS10Request, UnverifiedUserAnnotations: r.Spec.UnverifiedUserAnnotations,
		},
		Status: certificatesv1beta1.PodCertificateRequestStatus(r.Status),
	}, nil
}

// fromStoredRequest leaves out the key and the proof of its possession that
// requests of v1beta1 may have instead of a stub request.
func fromStoredRequest(r *certificatesv1beta1.PodCertificateRequest) (*certificatesv1.PodCertificateRequest, error) {
	return &certificatesv1.PodCertificateRequest{
		ObjectMeta: r.ObjectMeta,
		Spec: certificatesv1.PodCertificateRequestSpec{
			SignerName: r.Spec.SignerName, PodName: r.Spec.PodName, PodUID: r.Spec.PodUID,
			ServiceAccountName: r.Spec.ServiceAccountName, ServiceAccountUID: r.Spec.ServiceAccountUID,
			NodeName: r.Spec.NodeName, NodeUID: r.Spec.NodeUID, MaxExpirationSeconds: r.Spec.MaxExpirationSeconds,
			StubPKCS10Request: r.Spec.StubPKCS10Request, UnverifiedUserAnnotations: r.Spec.UnverifiedUserAnnotations,
		},
		Status: certificatesv1.PodCertificateRequestStatus(r.Status),
	}, nil
}
