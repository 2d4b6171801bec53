package standard

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission/match"
	"github.com/keelson-project/keelson/apiserver/admission/policy"
	"github.com/keelson-project/keelson/apiserver/admission/view"
	"github.com/keelson-project/keelson/apiserver/admission/webhooks"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/admissionregistration"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/apiserver/webhook"
)

// policyAccess asks may whether writers of admission policies can read what
// these use.
func policyAccess(r *registry.Registry, may authorizer.UnconditionalAuthorizer) admissionregistration.Access {
	resource := func(name string) schema.GroupVersionResource {
		return admissionregistrationv1.SchemeGroupVersion.WithResource(name)
	}
	validating := registry.ObjectsOf[*admissionregistrationv1.ValidatingAdmissionPolicy](r, resource("validatingadmissionpolicies")).GetLive
	mutating := registry.ObjectsOf[*admissionregistrationv1.MutatingAdmissionPolicy](r, resource("mutatingadmissionpolicies")).GetLive
	return admissionregistration.Access{
		Authorizer: may,
		Resource: func(gvk schema.GroupVersionKind) (schema.GroupVersionResource, bool) {
			if res := r.ResourceOf(gvk); res != nil {
				return res.GVR, true
			}
			return schema.GroupVersionResource{}, false
		},
		ParamKind: func(ctx context.Context, policyKind, name string) (*admissionregistrationv1.ParamKind, error) {
			if policyKind == "MutatingAdmissionPolicy" {
				p, err := mutating(ctx, "", name)
				if err != nil {
					return nil, err
				}
				return p.Spec.ParamKind, nil
			}
			p, err := validating(ctx, "", name)
			if err != nil {
				return nil, err
			}
			return p.Spec.ParamKind, nil
		},
	}
}

// seenBy is how policies and webhooks see what is written.
func seenBy(r *registry.Registry, may authorizer.UnconditionalAuthorizer, namespace func(ctx context.Context, name string) (*corev1.Namespace, error)) view.World {
	return view.World{
		World:      match.World{Namespace: namespace, Equivalent: func(gvr schema.GroupVersionResource, sub string) []match.Version { return equivalent(r, gvr, sub) }},
		Authorizer: may,
		Convert: func(obj runtime.Object, from, to match.Version, _ string) (runtime.Object, error) {
			return convert(r, obj, from, to)
		},
		Settle: func(obj runtime.Object, as match.Version) error { return settle(r, obj, as) },
	}
}

// policies are the steps that ask the cluster's admission policies.
func policies(r *registry.Registry, seen view.World) (*policy.Mutating, *policy.Validating) {
	world := &policy.World{World: seen, Params: func(gvk schema.GroupVersionKind) policy.Params {
		if res := r.ResourceOf(gvk); res != nil {
			return res
		}
		return nil
	}}
	mutating := &policy.Mutating{World: world, Types: func(as match.Version) managedfields.TypeConverter {
		if res := r.Resource(as.Resource); res != nil && res.GVK == as.Kind {
			return res.Types()
		}
		return r.TypeConverter()
	}}
	mutating.Source = &policy.Source[*admissionregistrationv1.MutatingAdmissionPolicy, *admissionregistrationv1.MutatingAdmissionPolicyBinding]{
		Policies: derive(r, "mutatingadmissionpolicies", policy.NewPolicies(policy.MutatingSpec)),
		Bindings: derive(r, "mutatingadmissionpolicybindings", policy.NewBindings(policy.MutatingBinding)),
	}
	validating := &policy.Validating{World: world}
	validating.Source = &policy.Source[*admissionregistrationv1.ValidatingAdmissionPolicy, *admissionregistrationv1.ValidatingAdmissionPolicyBinding]{
		Policies: derive(r, "validatingadmissionpolicies", policy.NewPolicies(policy.ValidatingSpec)),
		Bindings: derive(r, "validatingadmissionpolicybindings", policy.NewBindings(policy.ValidatingBinding)),
	}
	return mutating, validating
}

// webhookSteps are the steps that ask the cluster's admission webhooks.
func webhookSteps(r *registry.Registry, seen view.World, resolve webhook.Resolver) (*webhooks.Mutating, *webhooks.Validating) {
	return &webhooks.Mutating{World: &seen, Hooks: derive(r, "mutatingwebhookconfigurations", webhooks.NewMutating(resolve))},
		&webhooks.Validating{World: &seen, Hooks: derive(r, "validatingwebhookconfigurations", webhooks.NewValidating(resolve))}
}

func derive[T kinds.Object, V any](r *registry.Registry, resource string, compute func(all iter.Seq[T]) V) func(context.Context) (V, error) {
	return registry.Derive(registry.ObjectsOf[T](r, admissionregistrationv1.SchemeGroupVersion.WithResource(resource)), compute)
}

// equivalent are the other groups and versions of a resource's objects, in
// order, or of a part of them.
func equivalent(r *registry.Registry, gvr schema.GroupVersionResource, subresource string) (others []match.Version) {
	res := r.Resource(gvr)
	if res == nil {
		return nil
	}
	for _, other := range res.Others() {
		v := match.Version{Resource: other.GVR, Kind: other.GVK}
		switch {
		case subresource == "" || res.Part(subresource) != nil:
		case subresource == "scale":
			v.Kind = autoscalingv1.SchemeGroupVersion.WithKind("Scale")
		default:
			continue
		}
		others = append(others, v)
	}
	slices.SortFunc(others, func(a, b match.Version) int { return cmp.Compare(a.Resource.String(), b.Resource.String()) })
	return others
}

// settle fills in what an object leaves out, and drops what nobody knows.
func settle(r *registry.Registry, obj runtime.Object, as match.Version) error {
	res := r.Resource(as.Resource)
	o, ok := obj.(kinds.Object)
	if res == nil || !ok || res.GVK != as.Kind {
		return nil
	}
	if _, err := res.Receive(o); err != nil {
		return err
	}
	res.Default(o)
	return nil
}

func convert(r *registry.Registry, obj runtime.Object, from, to match.Version) (runtime.Object, error) {
	if from.Kind == to.Kind {
		return obj, nil
	}
	source, target := r.Resource(from.Resource), r.Resource(to.Resource)
	o, ok := obj.(kinds.Object)
	if source == nil || target == nil || !ok {
		return nil, fmt.Errorf("unable to convert to %v: unknown kind", to.Resource)
	}
	return target.Convert(o, source)
}
