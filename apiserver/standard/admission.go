package standard

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/admission/certificates"
	"github.com/keelson-project/keelson/apiserver/admission/defaulttoleration"
	"github.com/keelson-project/keelson/apiserver/admission/ingressclass"
	"github.com/keelson-project/keelson/apiserver/admission/limitranger"
	"github.com/keelson-project/keelson/apiserver/admission/namespacelifecycle"
	"github.com/keelson-project/keelson/apiserver/admission/nodefeatures"
	"github.com/keelson-project/keelson/apiserver/admission/noderestriction"
	"github.com/keelson-project/keelson/apiserver/admission/nodetaint"
	"github.com/keelson-project/keelson/apiserver/admission/podresize"
	"github.com/keelson-project/keelson/apiserver/admission/podsecurity"
	"github.com/keelson-project/keelson/apiserver/admission/priority"
	"github.com/keelson-project/keelson/apiserver/admission/runtimeclass"
	"github.com/keelson-project/keelson/apiserver/admission/serviceaccount"
	"github.com/keelson-project/keelson/apiserver/admission/storageclass"
	"github.com/keelson-project/keelson/apiserver/admission/storageprotection"
	"github.com/keelson-project/keelson/apiserver/admission/topologylabels"
	"github.com/keelson-project/keelson/apiserver/admission/volumeresize"
	"github.com/keelson-project/keelson/apiserver/nodeauthorizer"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/apiserver/webhook"
)

// defaultAccountWait is how long a pod in a new namespace waits for the
// namespace's default service account to be made.
const defaultAccountWait = time.Second

// Admission says how the chain of admission differs from kube-apiserver's.
type Admission struct {
	// Without names steps to leave out, such as "ServiceAccount". A name that
	// no step has is an error.
	Without []string
	// Steps are the program's own, in order; see [admission.Mutate] and
	// [admission.Validate]. They come after the built-in ones, but before
	// webhooks, policies and quota, which see what is left.
	Steps []admission.Plugin
	// NodeRestriction keeps kubelets to writing about their own node and its
	// pods. As with kube-apiserver it is off by default; a cluster whose nodes
	// do not trust each other wants it.
	NodeRestriction bool
	// PodSecurity says what pods are held to beside the labels of their
	// namespaces, and who is exempt; by default nothing and nobody.
	PodSecurity podsecurity.Standards
}

// chain are the steps in kube-apiserver's order: what stands at the end of it
// wants to see objects as they are going to be.
func (c *Admission) chain(r *registry.Registry, may authorizer.Authorizer, resolve webhook.Resolver) (admission.Chain, error) {
	core, scheduling := corev1.SchemeGroupVersion, schedulingv1.SchemeGroupVersion
	namespaces := registry.ObjectsOf[*corev1.Namespace](r, core.WithResource("namespaces"))
	ranges := registry.ObjectsOf[*corev1.LimitRange](r, core.WithResource("limitranges"))
	accounts := registry.ObjectsOf[*corev1.ServiceAccount](r, core.WithResource("serviceaccounts"))
	nodes := clusterWide(registry.ObjectsOf[*corev1.Node](r, core.WithResource("nodes")).Get)
	claims := registry.ObjectsOf[*corev1.PersistentVolumeClaim](r, core.WithResource("persistentvolumeclaims"))
	volumes := registry.ObjectsOf[*corev1.PersistentVolume](r, core.WithResource("persistentvolumes"))
	drivers := registry.ObjectsOf[*storagev1.CSIDriver](r, storagev1.SchemeGroupVersion.WithResource("csidrivers"))
	priorities := registry.ObjectsOf[*schedulingv1.PriorityClass](r, scheduling.WithResource("priorityclasses"))
	storageClasses := registry.ObjectsOf[*storagev1.StorageClass](r, storagev1.SchemeGroupVersion.WithResource("storageclasses"))
	ingressClasses := registry.ObjectsOf[*networkingv1.IngressClass](r, networkingv1.SchemeGroupVersion.WithResource("ingressclasses"))
	runtimes := registry.ObjectsOf[*nodev1.RuntimeClass](r, nodev1.SchemeGroupVersion.WithResource("runtimeclasses"))
	pods := registry.ObjectsOf[*corev1.Pod](r, core.WithResource("pods"))
	security, err := podsecurity.New(podsecurity.Config{Namespace: clusterWide(namespaces.GetLive), Pods: pods.All, Standards: c.PodSecurity})
	if err != nil {
		return nil, err
	}
	features, err := nodefeatures.New(apiserver.KubernetesVersion, nodes)
	if err != nil {
		return nil, err
	}
	chain := admission.Chain{
		namespacelifecycle.Plugin{Namespace: clusterWide(namespaces.GetLive)},
		limitranger.Plugin{Ranges: ranges.All},
		serviceaccount.Plugin{Account: func(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
			if name == "default" {
				return accounts.Await(ctx, namespace, name, defaultAccountWait)
			}
			return accounts.GetLive(ctx, namespace, name)
		}},
		noderestriction.Plugin{
			NodeOf: nodeauthorizer.NodeOf, Pod: pods.Get, Node: nodes, ServiceAccount: accounts.Get, Claim: claims.Get,
			Volume: clusterWide(volumes.Get), CSIDriver: clusterWide(drivers.Get), Authorizer: may,
		},
		nodetaint.Plugin{},
		security,
		priority.Plugin{Class: clusterWide(priorities.Get), Default: registry.Derive(priorities, priority.Default)},
		defaulttoleration.Plugin{},
		storageclass.Plugin{Default: registry.Derive(storageClasses, storageclass.Default)},
		storageprotection.Plugin{},
		volumeresize.Plugin{Class: clusterWide(storageClasses.Get)},
		runtimeclass.Plugin{Class: clusterWide(runtimes.GetLive)},
		certificates.Approval{Authorizer: may},
		certificates.Signing{Authorizer: may},
		certificates.Attest{Authorizer: may},
		certificates.SubjectRestriction{},
		ingressclass.Plugin{Default: registry.Derive(ingressClasses, ingressclass.Default)},
		topologylabels.Plugin{Node: nodes},
		features,
		podresize.Plugin{Node: nodes},
	}
	if !c.NodeRestriction {
		chain = slices.DeleteFunc(chain, func(p admission.Plugin) bool { return p.Name() == noderestriction.Plugin{}.Name() })
	}
	own := len(chain)
	seen := seenBy(r, may, clusterWide(namespaces.GetLive))
	mutating, validating := policies(r, seen)
	mutatingHooks, validatingHooks := webhookSteps(r, seen, resolve)
	chain = append(chain, mutating, mutatingHooks, validating, validatingHooks, resourceQuota(r))
	return c.adjust(chain, own)
}

// adjust puts the program's own steps in their place and leaves out those that
// it does not want.
func (c *Admission) adjust(chain admission.Chain, own int) (admission.Chain, error) {
	for _, step := range c.Steps {
		if chain.Index(step.Name()) >= 0 {
			return nil, fmt.Errorf("standard: Config.Admission.Steps: there is a step %q already", step.Name())
		}
		chain = slices.Insert(chain, own, step)
		own++
	}
	for _, name := range c.Without {
		i := chain.Index(name)
		if i < 0 {
			return nil, fmt.Errorf("standard: Config.Admission.Without: there is no step %q", name)
		}
		chain = slices.Delete(chain, i, i+1)
	}
	return chain, nil
}

// clusterWide is a getter for objects that are in no namespace.
func clusterWide[T any](get func(ctx context.Context, namespace, name string) (T, error)) func(ctx context.Context, name string) (T, error) {
	return func(ctx context.Context, name string) (T, error) { return get(ctx, "", name) }
}

// ensureClasses makes the priority classes of the system's own pods.
func ensureClasses(ctx context.Context, r *registry.Registry) error {
	policy := corev1.PreemptLowerPriority
	classes := registry.Direct[*schedulingv1.PriorityClass]{
		Registry: r, Resource: schedulingv1.SchemeGroupVersion.WithResource("priorityclasses"), Manager: "kube-apiserver",
	}
	for _, c := range []struct {
		name, what string
		value      int32
	}{
		{"system-node-critical", "Used for system critical pods that must not be moved from their current node.", 2000001000},
		{"system-cluster-critical", "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.", 2000000000},
	} {
		_, err := classes.Create(ctx, &schedulingv1.PriorityClass{
			ObjectMeta: metav1.ObjectMeta{Name: c.name}, Value: c.value, Description: c.what, PreemptionPolicy: &policy,
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("standard: making priority class %s: %w", c.name, err)
		}
	}
	return nil
}
