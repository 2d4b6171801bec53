package certificates

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

// mostBundle is how many bytes of PEM a trust bundle may have.
const mostBundle = 1 << 20

func clusterTrustBundle() *kinds.Kind {
	names := kinds.Names{Resource: "clustertrustbundles", Singular: "clustertrustbundle"}
	return kinds.Definition[*certificatesv1beta1.ClusterTrustBundle]{
		GVK: stored("ClusterTrustBundle"), Names: names,
		New:        func() *certificatesv1beta1.ClusterTrustBundle { return &certificatesv1beta1.ClusterTrustBundle{} },
		NewList:    func() runtime.Object { return &certificatesv1beta1.ClusterTrustBundleList{} },
		StoredOnly: true,
		Views: []kinds.View{kinds.ViewDefinition[*certificatesv1beta1.ClusterTrustBundle, *certificatesv1.ClusterTrustBundle]{
			GVK: gvk("ClusterTrustBundle"), Names: names,
			New:     func() *certificatesv1.ClusterTrustBundle { return &certificatesv1.ClusterTrustBundle{} },
			NewList: func() runtime.Object { return &certificatesv1.ClusterTrustBundleList{} },
			ToStored: func(b *certificatesv1.ClusterTrustBundle) (*certificatesv1beta1.ClusterTrustBundle, error) {
				return &certificatesv1beta1.ClusterTrustBundle{ObjectMeta: b.ObjectMeta, Spec: certificatesv1beta1.ClusterTrustBundleSpec(b.Spec)}, nil
			},
			FromStored: func(b *certificatesv1beta1.ClusterTrustBundle) (*certificatesv1.ClusterTrustBundle, error) {
				return &certificatesv1.ClusterTrustBundle{ObjectMeta: b.ObjectMeta, Spec: certificatesv1.ClusterTrustBundleSpec(b.Spec)}, nil
			},
		}.View()},

		ValidName: anyName, // what is valid depends on the signer: see bundle
		Validate: func(_ context.Context, b *certificatesv1beta1.ClusterTrustBundle) field.ErrorList {
			e := bundle(b)
			e.anchors(field.NewPath("spec", "trustBundle"), b.Spec.TrustBundle)
			return e.List
		},
		ValidateUpdate: func(_ context.Context, b, old *certificatesv1beta1.ClusterTrustBundle) field.ErrorList {
			e := bundle(b)
			// Anchors that are there stay, whatever is thought of them by now.
			if b.Spec.TrustBundle != old.Spec.TrustBundle {
				e.anchors(field.NewPath("spec", "trustBundle"), b.Spec.TrustBundle)
			}
			e.Same(field.NewPath("spec", "signerName"), b.Spec.SignerName, old.Spec.SignerName)
			return e.List
		},

		Fields: func(b *certificatesv1beta1.ClusterTrustBundle) fields.Set {
			return fields.Set{"spec.signerName": b.Spec.SignerName}
		},
		FieldNames: []string{"spec.signerName"},

		Columns: []metav1.TableColumnDefinition{
			column.Name(), column.Text("SignerName", certificatesv1.ClusterTrustBundleSpec{}.SwaggerDoc()["signerName"]),
		},
		Cells: func(b *certificatesv1beta1.ClusterTrustBundle) []any {
			signer := b.Spec.SignerName
			if signer == "" {
				signer = column.None
			}
			return []any{b.Name, signer}
		},
	}.Kind()
}

type trustErrors struct{ check.Errors }

// bundle judges all of a bundle but its anchors. Its name begins with the
// signer's, if it has one.
func bundle(b *certificatesv1beta1.ClusterTrustBundle) *trustErrors {
	e, meta := &trustErrors{}, field.NewPath("metadata")
	valid := check.TrustBundleName(b.Spec.SignerName)
	if b.GenerateName != "" {
		e.Messages(meta.Child("generateName"), b.GenerateName, valid(b.GenerateName, true))
	}
	if b.Name != "" { // the registry requires one
		e.Messages(meta.Child("name"), b.Name, valid(b.Name, false))
	}
	if b.Spec.SignerName != "" {
		e.SignerName(field.NewPath("spec", "signerName"), b.Spec.SignerName)
	}
	return e
}

// anchors requires certificates of authorities in PEM, each once.
func (e *trustErrors) anchors(p *field.Path, text string) {
	if len(text) > mostBundle {
		e.TooLong(p, mostBundle)
		return
	}
	says := func(format string, args ...any) { e.Invalid(p, "<value omitted>", fmt.Sprintf(format, args...)) }
	at, order, sound := map[string][]int{}, []string(nil), true
	rest := []byte(text)
	for i := 0; ; i++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if flaw := anchorFlaw(block); flaw != "" {
			says("entry %d %s", i, flaw)
			sound = false
			continue
		}
		der := string(block.Bytes)
		if at[der] == nil {
			order = append(order, der)
		}
		at[der] = append(at[der], i)
	}
	if !sound {
		return
	}
	if len(order) == 0 {
		says("at least one trust anchor must be provided")
	}
	for _, der := range order {
		if len(at[der]) > 1 {
			says("duplicate trust anchor (indices %v)", at[der])
		}
	}
}

// anchorFlaw is what keeps a block from being a trust anchor; empty if nothing does.
func anchorFlaw(block *pem.Block) string {
	if block.Type != "CERTIFICATE" {
		return "has bad block type: " + block.Type
	}
	if len(block.Headers) > 0 {
		return "has PEM block headers"
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "does not parse as X.509"
	case !cert.IsCA:
		return "does not have the CA bit set"
	case !cert.BasicConstraintsValid:
		return "has invalid basic constraints"
	}
	return ""
}
