package certificates

import (
	"context"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	declared "github.com/keelson-project/keelson/apiserver/kinds/declarative/certificates/v1"
)

func certificateSigningRequest() *kinds.Kind {
	// Its columns are told of as they were in v1beta1.
	spec, status := certificatesv1beta1.CertificateSigningRequestSpec{}.SwaggerDoc(), certificatesv1beta1.CertificateSigningRequestStatus{}.SwaggerDoc()
	return kinds.Definition[*certificatesv1.CertificateSigningRequest]{
		GVK:     gvk("CertificateSigningRequest"),
		Names:   kinds.Names{Resource: "certificatesigningrequests", Singular: "certificatesigningrequest", ShortNames: []string{"csr"}},
		New:     func() *certificatesv1.CertificateSigningRequest { return &certificatesv1.CertificateSigningRequest{} },
		NewList: func() runtime.Object { return &certificatesv1.CertificateSigningRequestList{} },

		ValidName:     anyName,
		PrepareCreate: prepareRequest,
		PrepareUpdate: func(_ context.Context, csr, old *certificatesv1.CertificateSigningRequest) {
			csr.Spec = old.Spec
			csr.Status = old.Status
		},
		UnconditionalUpdate: true,

		Resets: map[string][]string{"": {"spec"}, "status": {"status.conditions"}, "approval": {"spec", "status.certificate"}},
		Subresources: map[string]kinds.Part[*certificatesv1.CertificateSigningRequest]{
			"approval": {
				PrepareUpdate: func(_ context.Context, csr, old *certificatesv1.CertificateSigningRequest) { prepareApproval(csr, old) },
				ValidateUpdate: func(_ context.Context, csr, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
					return validateUpdate(csr, old, change{approval: true})
				},
			},
		},
		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, csr, old *certificatesv1.CertificateSigningRequest) {
			csr.Spec = old.Spec
			keepConditions(csr, old, certificatesv1.CertificateApproved)
			keepConditions(csr, old, certificatesv1.CertificateDenied)
			stampConditions(csr, old)
		},

		Fields: func(csr *certificatesv1.CertificateSigningRequest) fields.Set {
			return fields.Set{"spec.signerName": csr.Spec.SignerName}
		},
		FieldNames: []string{"spec.signerName"},

		Rules: declared.Validate_CertificateSigningRequest,
		Validate: func(_ context.Context, o *certificatesv1.CertificateSigningRequest) field.ErrorList {
			return validate(o, flaws{})
		},
		ValidateUpdate: func(_ context.Context, o, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
			return validateUpdate(o, old, change{})
		},
		ValidateStatusUpdate: func(_ context.Context, o, old *certificatesv1.CertificateSigningRequest) field.ErrorList {
			return validateUpdate(o, old, change{certificate: true})
		},

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Age(),
			column.Text("SignerName", spec["signerName"]),
			column.Text("Requestor", spec["request"]),
			column.Text("RequestedDuration", spec["expirationSeconds"]),
			column.Text("Condition", status["conditions"]),
		},
		Cells: func(csr *certificatesv1.CertificateSigningRequest) []any {
			signer, wanted := csr.Spec.SignerName, column.None
			if signer == "" {
				signer = column.None
			}
			if s := csr.Spec.ExpirationSeconds; s != nil {
				wanted = duration.HumanDuration(time.Duration(*s) * time.Second)
			}
			return []any{csr.Name, column.Since(csr.CreationTimestamp), signer, csr.Spec.Username, wanted, state(csr)}
		},
	}.Kind()
}

// prepareRequest notes who asks: the user in ctx, whatever the request says.
func prepareRequest(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) {
	csr.Spec.Username, csr.Spec.UID, csr.Spec.Groups, csr.Spec.Extra = "", "", nil, nil
	if user, ok := request.UserFrom(ctx); ok {
		csr.Spec.Username, csr.Spec.UID, csr.Spec.Groups = user.GetName(), user.GetUID(), user.GetGroups()
		if extra := user.GetExtra(); len(extra) > 0 {
			csr.Spec.Extra = make(map[string]certificatesv1.ExtraValue, len(extra))
			for key, values := range extra {
				csr.Spec.Extra[key] = values
			}
		}
	}
	csr.Status = certificatesv1.CertificateSigningRequestStatus{}
}

// prepareApproval takes back what a writer of the approval subresource may
// not change: all but the conditions.
func prepareApproval(csr, old *certificatesv1.CertificateSigningRequest) {
	stampConditions(csr, old)
	conditions := csr.Status.Conditions
	csr.Spec = old.Spec
	csr.Status = old.Status
	csr.Status.Conditions = conditions
}

// keepConditions restores the conditions of a type where none was added or
// removed.
func keepConditions(csr, old *certificatesv1.CertificateSigningRequest, t certificatesv1.RequestConditionType) {
	now, was := conditionsOf(csr, t), conditionsOf(old, t)
	if len(now) == len(was) {
		for i := range now {
			csr.Status.Conditions[now[i]] = old.Status.Conditions[was[i]]
		}
	}
}

func conditionsOf(csr *certificatesv1.CertificateSigningRequest, t certificatesv1.RequestConditionType) (at []int) {
	for i := range csr.Status.Conditions {
		if csr.Status.Conditions[i].Type == t {
			at = append(at, i)
		}
	}
	return at
}

// stampConditions fills in when conditions were written and when they changed.
func stampConditions(csr, old *certificatesv1.CertificateSigningRequest) {
	now := metav1.Now()
	for i := range csr.Status.Conditions {
		c := &csr.Status.Conditions[i]
		if c.LastUpdateTime.IsZero() {
			c.LastUpdateTime = now
		}
		if !c.LastTransitionTime.IsZero() {
			continue
		}
		c.LastTransitionTime = now
		same := slices.IndexFunc(old.Status.Conditions, func(o certificatesv1.CertificateSigningRequestCondition) bool {
			return o.Type == c.Type && o.Status == c.Status && !o.LastTransitionTime.IsZero()
		})
		if same >= 0 {
			c.LastTransitionTime = old.Status.Conditions[same].LastTransitionTime
		}
	}
}

func state(csr *certificatesv1.CertificateSigningRequest) string {
	out := "Pending"
	switch {
	case len(conditionsOf(csr, certificatesv1.CertificateDenied)) > 0:
		out = "Denied"
	case len(conditionsOf(csr, certificatesv1.CertificateApproved)) > 0:
		out = "Approved"
	}
	if len(conditionsOf(csr, certificatesv1.CertificateFailed)) > 0 {
		out += ",Failed"
	}
	if len(csr.Status.Certificate) > 0 {
		out += ",Issued"
	}
	return out
}
