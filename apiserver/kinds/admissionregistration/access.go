package admissionregistration

import (
	"context"
	"errors"
	"fmt"
	"slices"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Access keeps writers of policies from reading, by way of a policy's
// parameters, what they may not read themselves. All fields are required.
type Access struct {
	Authorizer authorizer.UnconditionalAuthorizer
	// Resource is the resource whose objects are of a kind; false if there is
	// none.
	Resource func(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool)
	// ParamKind is that of the policy with a name, of one of the two kinds of
	// policies; nil if it has none.
	ParamKind func(ctx context.Context, policyKind, name string) (*v1.ParamKind, error)
}

// Install makes the kinds of policies and bindings among those given ask,
// once nothing else is wrong with an object.
func (a Access) Install(all []*kinds.Kind) {
	for _, k := range all {
		if k.Group != v1.GroupName {
			continue
		}
		switch k.GroupVersionKind.Kind {
		case "ValidatingAdmissionPolicy", "MutatingAdmissionPolicy":
			install(k, a.mayUseKind)
		case "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding":
			install(k, a.mayUseParams)
		}
	}
}

func install(k *kinds.Kind, may func(ctx context.Context, obj, old kinds.Object) *field.Error) {
	validate, validateUpdate := k.Validate, k.ValidateUpdate
	also := func(errs field.ErrorList, ctx context.Context, obj, old kinds.Object) field.ErrorList {
		if len(errs) == 0 {
			if err := may(ctx, obj, old); err != nil {
				errs = append(errs, err)
			}
		}
		return errs
	}
	k.Validate = func(ctx context.Context, obj kinds.Object) field.ErrorList {
		return also(validate(ctx, obj), ctx, obj, nil)
	}
	k.ValidateUpdate = func(ctx context.Context, obj, old kinds.Object) field.ErrorList {
		return also(validateUpdate(ctx, obj, old), ctx, obj, old)
	}
}

// mayUseKind demands of whoever gives a policy a paramKind to be able to get
// all objects of that kind.
func (a Access) mayUseKind(ctx context.Context, obj, old kinds.Object) *field.Error {
	k := kindOf(obj)
	if k == nil || superuser(ctx) {
		return nil
	}
	if was := kindOf(old); was != nil && *was == *k {
		return nil
	}
	what, _, _ := a.locate(k)
	what.Verb, what.Namespace, what.Name = "get", "*", "*"
	p := field.NewPath("spec", "paramKind")
	who, allowed, err := a.ask(ctx, what)
	switch {
	case err != nil:
		return field.Forbidden(p, err.Error())
	case !allowed:
		return field.Forbidden(p, fmt.Sprintf(`user %v must have "get" permission on all objects of the referenced paramKind (kind=%s, apiVersion=%s)`, who, k.Kind, k.APIVersion))
	}
	return nil
}

// mayUseParams demands of whoever writes a binding with parameters to be able
// to read those.
func (a Access) mayUseParams(ctx context.Context, obj, _ kinds.Object) *field.Error {
	policyKind, policy, ref := bound(obj)
	if ref == nil || superuser(ctx) {
		return nil
	}
	k, policyErr := a.ParamKind(ctx, policyKind, policy)
	what, parsed, resolved := a.locate(k)
	what.Verb, what.Namespace, what.Name = "get", ref.Namespace, ref.Name
	if ref.Name == "" {
		what.Verb = "list"
	}
	p := field.NewPath("spec", "paramRef")
	who, allowed, err := a.ask(ctx, what)
	if err != nil {
		return field.Forbidden(p, err.Error())
	}
	if allowed {
		return nil
	}
	shown := ""
	if k != nil {
		shown = fmt.Sprintf("&{%s %s}", k.APIVersion, k.Kind)
	}
	const unknown = `unable to %s to determine minimum required permissions and user %v does not have "%v" permission for all groups, versions and resources`
	switch {
	case policyErr != nil:
		return field.Forbidden(p, fmt.Sprintf(unknown, "get policy "+policy, who, what.Verb))
	case k != nil && !parsed:
		return field.Forbidden(p, fmt.Sprintf(unknown, "parse paramKind "+shown, who, what.Verb))
	case k != nil && !resolved:
		return field.Forbidden(p, fmt.Sprintf(unknown, "resolve paramKind "+shown, who, what.Verb))
	}
	return field.Forbidden(p, fmt.Sprintf(`user %v does not have "%v" permission on the object referenced by paramRef`, who, what.Verb))
}

// locate is the request for objects of a kind, as exact as the kind is known.
func (a Access) locate(k *v1.ParamKind) (what authorizer.AttributesRecord, parsed, resolved bool) {
	what = authorizer.AttributesRecord{ResourceRequest: true, APIGroup: "*", APIVersion: "*", Resource: "*"}
	if k == nil {
		return what, false, false
	}
	gv, err := schema.ParseGroupVersion(k.APIVersion)
	if err != nil {
		return what, false, false
	}
	what.APIGroup, what.APIVersion = gv.Group, gv.Version
	gvr, resolved := a.Resource(gv.WithKind(k.Kind))
	if resolved {
		what.Resource = gvr.Resource
	}
	return what, true, resolved
}

var errNobody = errors.New("cannot identify user to authorize read access to parameters")

// ask asks whether the one behind a request may do something.
func (a Access) ask(ctx context.Context, what authorizer.AttributesRecord) (who user.Info, allowed bool, err error) {
	who, ok := genericrequest.UserFrom(ctx)
	if !ok {
		return nil, false, errNobody
	}
	what.User = who
	decision, _, err := a.Authorizer.Authorize(ctx, what)
	return who, decision == authorizer.DecisionAllow, err
}

// superuser reports whether a request comes from somebody who may do anything.
func superuser(ctx context.Context) bool {
	who, ok := genericrequest.UserFrom(ctx)
	return ok && slices.Contains(who.GetGroups(), user.SystemPrivilegedGroup)
}

func kindOf(obj kinds.Object) *v1.ParamKind {
	switch p := obj.(type) {
	case *v1.ValidatingAdmissionPolicy:
		return p.Spec.ParamKind
	case *v1.MutatingAdmissionPolicy:
		return p.Spec.ParamKind
	}
	return nil
}

func bound(obj kinds.Object) (policyKind, policy string, ref *v1.ParamRef) {
	switch b := obj.(type) {
	case *v1.ValidatingAdmissionPolicyBinding:
		return "ValidatingAdmissionPolicy", b.Spec.PolicyName, b.Spec.ParamRef
	case *v1.MutatingAdmissionPolicyBinding:
		return "MutatingAdmissionPolicy", b.Spec.PolicyName, b.Spec.ParamRef
	}
	return "", "", nil
}
