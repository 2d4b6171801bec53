package resource

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Access says who may have devices that are in use for administration, and who
// may give out devices and report their state. All fields are required.
type Access struct {
	Authorizer authorizer.UnconditionalAuthorizer
	// Namespace returns the namespace with a name.
	Namespace func(ctx context.Context, name string) (*corev1.Namespace, error)
	// Forbidden words that something is not allowed.
	Forbidden func(a authorizer.Attributes, reason string) error
}

// Install makes the kinds of claims and their templates among those given ask.
func (a Access) Install(all []*kinds.Kind) {
	for _, k := range all {
		switch k.New().(type) {
		case *resourcev1.ResourceClaim:
			a.install(k, func(obj kinds.Object) *resourcev1.ResourceClaimSpec { return &obj.(*resourcev1.ResourceClaim).Spec })
			validate := k.Status.ValidateUpdate
			k.Status.ValidateUpdate = func(ctx context.Context, obj, old kinds.Object) field.ErrorList {
				return append(a.status(ctx, obj.(*resourcev1.ResourceClaim), old.(*resourcev1.ResourceClaim)), validate(ctx, obj, old)...)
			}
		case *resourcev1.ResourceClaimTemplate:
			a.install(k, func(obj kinds.Object) *resourcev1.ResourceClaimSpec {
				return &obj.(*resourcev1.ResourceClaimTemplate).Spec.Spec
			})
		}
	}
}

func (a Access) install(k *kinds.Kind, spec func(kinds.Object) *resourcev1.ResourceClaimSpec) {
	validate := k.Validate
	k.Validate = func(ctx context.Context, obj kinds.Object) field.ErrorList {
		return append(a.claim(ctx, obj.GetNamespace(), spec(obj)), validate(ctx, obj)...)
	}
}

// claim lets only claims of marked namespaces ask for access as administrator.
func (a Access) claim(ctx context.Context, namespace string, s *resourcev1.ResourceClaimSpec) field.ErrorList {
	i := slices.IndexFunc(s.Devices.Requests, func(r resourcev1.DeviceRequest) bool {
		return r.Exactly != nil && r.Exactly.AdminAccess != nil && *r.Exactly.AdminAccess
	})
	if i < 0 {
		return nil
	}
	return a.marked(ctx, field.NewPath("spec", "devices", "requests").Index(i).Child("adminAccess"), namespace)
}

func (a Access) marked(ctx context.Context, p *field.Path, namespace string) field.ErrorList {
	ns, err := a.Namespace(ctx, namespace)
	if err != nil {
		return field.ErrorList{field.InternalError(p, fmt.Errorf("could not retrieve namespace to verify admin access: %w", err))}
	}
	if ns.Labels[resourcev1.DRAAdminNamespaceLabelKey] == "true" {
		return nil
	}
	return field.ErrorList{field.Forbidden(p, fmt.Sprintf("admin access to devices requires the `%s: true` label on the containing namespace", resourcev1.DRAAdminNamespaceLabelKey))}
}

// administered is the place of the first device that is allocated for
// administration; negative if there is none.
func administered(s *resourcev1.ResourceClaimStatus) int {
	if s.Allocation == nil {
		return -1
	}
	return slices.IndexFunc(s.Allocation.Devices.Results, func(r resourcev1.DeviceRequestAllocationResult) bool {
		return r.AdminAccess != nil && *r.AdminAccess
	})
}

func (a Access) status(ctx context.Context, c, old *resourcev1.ResourceClaim) field.ErrorList {
	var errs field.ErrorList
	now, was, p := &c.Status, &old.Status, field.NewPath("status")
	if i := administered(now); i >= 0 && administered(was) < 0 {
		errs = a.marked(ctx, p.Child("allocation", "devices", "results").Index(i).Child("adminAccess"), c.Namespace)
	}
	if !equality.Semantic.DeepEqual(now.Allocation, was.Allocation) || !equality.Semantic.DeepEqual(now.ReservedFor, was.ReservedFor) {
		errs = append(errs, a.mayAllocate(ctx, p.Child("allocation"))...)
	}
	if now.Allocation != nil {
		errs = append(errs, a.mayReport(ctx, p.Child("devices"), now, was)...)
	}
	return errs
}

// asked is the request that ctx is of, as authorizers see it.
func asked(ctx context.Context) (authorizer.AttributesRecord, error) {
	info, ok := request.RequestInfoFrom(ctx)
	if !ok {
		return authorizer.AttributesRecord{}, errors.New("cannot build authorizer attributes: no RequestInfo found in the context")
	}
	who, _ := request.UserFrom(ctx)
	return authorizer.AttributesRecord{
		User: who, Verb: info.Verb, Path: info.Path, ResourceRequest: info.IsResourceRequest, Namespace: info.Namespace,
		APIGroup: info.APIGroup, APIVersion: info.APIVersion, Resource: info.Resource, Subresource: info.Subresource, Name: info.Name,
	}, nil
}

// ask returns why something is not allowed, or nil.
func (a Access) ask(ctx context.Context, what authorizer.AttributesRecord) error {
	decision, reason, err := a.Authorizer.Authorize(ctx, what)
	if decision == authorizer.DecisionAllow {
		return nil
	}
	switch {
	case err != nil && reason != "":
		reason = fmt.Sprintf("%v: %s", err, reason)
	case err != nil:
		reason = err.Error()
	}
	return a.Forbidden(what, reason)
}

// mayAllocate demands the right to bind claims, as the scheduler has it.
func (a Access) mayAllocate(ctx context.Context, p *field.Path) field.ErrorList {
	what, err := asked(ctx)
	if err != nil {
		return field.ErrorList{field.InternalError(p, err)}
	}
	what.Subresource, what.Namespace, what.Name = resourcev1.SubresourceBinding, "", ""
	if err := a.ask(ctx, what); err != nil {
		return field.ErrorList{field.Forbidden(p, fmt.Sprintf(`changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="%s" permission: %s`, what.Verb, err))}
	}
	return nil
}

// mayReport demands the right to act as each driver that the state of a device
// comes from: on the node of the claim for service accounts of pods there, or
// else on any.
func (a Access) mayReport(ctx context.Context, p *field.Path, now, was *resourcev1.ResourceClaimStatus) field.ErrorList {
	drivers := changedDrivers(now.Devices, was.Devices)
	if len(drivers) == 0 {
		return nil
	}
	what, err := asked(ctx)
	if err != nil {
		return field.ErrorList{field.InternalError(p, err)}
	}
	what.Subresource = resourcev1.SubresourceDriver
	verbs := []string{resourcev1.VerbPrefixArbitraryNode + what.Verb}
	if node := nodeOf(now.Allocation); node != "" && what.User != nil && runsOn(what.User, node) {
		verbs = append([]string{resourcev1.VerbPrefixAssociatedNode + what.Verb}, verbs...)
	}
	var errs field.ErrorList
	for _, driver := range drivers {
		what.Name = driver
		if err := a.any(ctx, what, verbs); err != nil {
			errs = append(errs, field.Forbidden(p, fmt.Sprintf(`changing status.devices requires resource="resourceclaims/driver", verb="%s" permission: %s`, verbs, err)))
		}
	}
	return errs
}

// any asks for one of several verbs; the error is that of the first.
func (a Access) any(ctx context.Context, what authorizer.AttributesRecord, verbs []string) (first error) {
	for _, verb := range verbs {
		what.Verb = verb
		err := a.ask(ctx, what)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

// changedDrivers are the drivers of devices whose state has come, changed or
// gone, in order.
func changedDrivers(now, was []resourcev1.AllocatedDeviceStatus) []string {
	old, changed := map[deviceID]*resourcev1.AllocatedDeviceStatus{}, map[string]bool{}
	for i := range was {
		old[statusID(&was[i])] = &was[i]
	}
	for i := range now {
		d := &now[i]
		id := statusID(d)
		if o := old[id]; o == nil || !equality.Semantic.DeepEqual(o, d) {
			changed[d.Driver] = true
		}
		delete(old, id)
	}
	for id := range old {
		changed[id.Driver] = true
	}
	return slices.Sorted(maps.Keys(changed))
}

// nodeOf is the one node that allocated devices are on; empty if they are on
// others, or none.
func nodeOf(a *resourcev1.AllocationResult) string {
	if a == nil || a.NodeSelector == nil || len(a.NodeSelector.NodeSelectorTerms) != 1 {
		return ""
	}
	t := &a.NodeSelector.NodeSelectorTerms[0]
	if len(t.MatchExpressions) != 0 || len(t.MatchFields) != 1 {
		return ""
	}
	if f := &t.MatchFields[0]; f.Key == "metadata.name" && f.Operator == corev1.NodeSelectorOpIn && len(f.Values) == 1 {
		return f.Values[0]
	}
	return ""
}

// runsOn reports whether a user is a service account of a pod on a node.
func runsOn(who user.Info, node string) bool {
	if _, _, err := serviceaccount.SplitUsername(who.GetName()); err != nil {
		return false
	}
	names := who.GetExtra()[serviceaccount.NodeNameKey]
	return len(names) == 1 && names[0] == node && len(apivalidation.NameIsDNSSubdomain(node, false)) == 0
}
