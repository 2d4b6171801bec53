package certificates

import (
	"context"
	"errors"
	"fmt"
	"strings"

	certificatesv1beta1 "k8s.io/api/certificates/v1beta1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// RequireSigner makes a server's PodCertificateRequest kind refuse answers to
// a request from users who may not "sign" for its signer.
func RequireSigner(k *kinds.Kind, may authorizer.Authorizer) {
	validate := k.Status.ValidateUpdate
	k.Status.ValidateUpdate = func(ctx context.Context, obj, old kinds.Object) field.ErrorList {
		if errs := validate(ctx, obj, old); len(errs) > 0 {
			return errs
		}
		now, was := obj.(*certificatesv1beta1.PodCertificateRequest), old.(*certificatesv1beta1.PodCertificateRequest)
		if equality.Semantic.DeepEqual(now.Status, was.Status) {
			return nil
		}
		p, signer := field.NewPath("spec", "signerName"), was.Spec.SignerName
		who, ok := request.UserFrom(ctx)
		if !ok {
			return field.ErrorList{field.InternalError(p, errors.New(`cannot determine calling user to perform "sign" check`))}
		}
		if !May(ctx, may, who, "sign", signer) {
			return field.ErrorList{field.Forbidden(p, fmt.Sprintf("User %q is not permitted to \"sign\" for signer %q", who.GetName(), signer))}
		}
		return nil
	}
}

// May reports whether a user has a verb, such as "sign", on a signer or on all
// of its domain. Without an authorizer everybody has.
func May(ctx context.Context, authorize authorizer.Authorizer, who user.Info, verb, signer string) bool {
	if authorize == nil {
		return true
	}
	domain, _, _ := strings.Cut(signer, "/")
	for _, name := range []string{signer, domain + "/*"} {
		decision, _, err := authorize.Authorize(ctx, authorizer.AttributesRecord{
			User: who, Verb: verb, APIGroup: certificatesv1beta1.GroupName, APIVersion: "*", Resource: "signers", Name: name, ResourceRequest: true,
		})
		if err == nil && decision == authorizer.DecisionAllow {
			return true
		}
	}
	return false
}
