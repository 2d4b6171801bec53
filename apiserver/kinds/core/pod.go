package core

import (
	"context"
	"fmt"
	"strconv"

	"github.com/keelson-project/keelson/internal/qos"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/warning"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func pod() *kinds.Kind {
	return kinds.Definition[*corev1.Pod]{
		GVK:        gvk("Pod"),
		Names:      kinds.Names{Resource: "pods", Singular: "pod", ShortNames: []string{"po"}, Categories: []string{"all"}},
		Namespaced: true,
		New:        func() *corev1.Pod { return &corev1.Pod{} },
		NewList:    func() runtime.Object { return &corev1.PodList{} },

		Default:             defaultPod,
		PrepareCreate:       preparePod,
		Validate:            func(_ context.Context, p *corev1.Pod) field.ErrorList { return podspec.ValidateNew(p) },
		PrepareUpdate:       preparePodUpdate,
		ValidateUpdate:      func(_ context.Context, p, old *corev1.Pod) field.ErrorList { return podspec.ValidateUpdate(p, old) },
		Warnings:            podWarnings,
		UnconditionalUpdate: true,
		RecheckName:         true,
		ReturnDeleted:       true,
		GracefulDelete:      gracefulPodDelete,

		Resets:              map[string][]string{"status": {"metadata.deletionTimestamp", "metadata.ownerReferences"}},
		HasStatus:           true,
		PrepareStatusUpdate: preparePodStatus,
		ValidateStatusUpdate: func(_ context.Context, p, old *corev1.Pod) field.ErrorList {
			return podspec.ValidateStatusUpdate(p, old)
		},
		StatusWarnings: podStatusWarnings,

		Subresources: map[string]kinds.Part[*corev1.Pod]{
			"ephemeralcontainers": {
				PrepareUpdate: prepareEphemeralContainers,
				ValidateUpdate: func(_ context.Context, p, old *corev1.Pod) field.ErrorList {
					return podspec.ValidateEphemeralContainers(p, old)
				},
			},
			"resize": {
				PrepareUpdate:  prepareResize,
				ValidateUpdate: func(_ context.Context, p, old *corev1.Pod) field.ErrorList { return podspec.ValidateResize(p, old) },
			},
		},

		Fields: func(p *corev1.Pod) fields.Set {
			ip := ""
			if len(p.Status.PodIPs) > 0 {
				ip = p.Status.PodIPs[0].IP
			}
			return fields.Set{
				"spec.nodeName": p.Spec.NodeName, "spec.restartPolicy": string(p.Spec.RestartPolicy),
				"spec.schedulerName": p.Spec.SchedulerName, "spec.serviceAccountName": p.Spec.ServiceAccountName,
				"spec.hostNetwork": strconv.FormatBool(p.Spec.HostNetwork), "status.phase": string(p.Status.Phase),
				"status.podIP": ip, "status.nominatedNodeName": p.Status.NominatedNodeName,
			}
		},
		FieldNames: []string{
			"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
			"status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
		},

		FieldAliases: map[string]string{"spec.host": "spec.nodeName"}, // of old clients

		Columns:    podColumns(),
		Cells:      podCells,
		Conditions: podRowConditions,
	}.Kind()
}

func defaultPod(p *corev1.Pod) {
	if grace := p.Spec.TerminationGracePeriodSeconds; grace != nil && *grace < 0 {
		p.Spec.TerminationGracePeriodSeconds = ref(int64(1))
	}
	if p.Spec.EnableServiceLinks == nil {
		p.Spec.EnableServiceLinks = ref(corev1.DefaultEnableServiceLinks)
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			c := &list[i]
			if c.Resources.Limits != nil {
				if c.Resources.Requests == nil {
					c.Resources.Requests = make(corev1.ResourceList, len(c.Resources.Limits))
				}
				fill(c.Resources.Requests, c.Resources.Limits)
			}
			for j := range c.Ports {
				if port := &c.Ports[j]; p.Spec.HostNetwork && port.HostPort == 0 {
					port.HostPort = port.ContainerPort
				}
			}
		}
	}
	podspec.Default(&p.Spec)
	defaultPodStatus(&p.Status)
}

func defaultPodStatus(s *corev1.PodStatus) {
	switch {
	case s.PodIP != "" && (len(s.PodIPs) == 0 || s.PodIPs[0].IP != s.PodIP):
		s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}
	case s.PodIP == "" && len(s.PodIPs) > 0:
		s.PodIP = s.PodIPs[0].IP
	}
	switch {
	case s.HostIP != "" && (len(s.HostIPs) == 0 || s.HostIPs[0].IP != s.HostIP):
		s.HostIPs = []corev1.HostIP{{IP: s.HostIP}}
	case s.HostIP == "" && len(s.HostIPs) > 0:
		s.HostIP = s.HostIPs[0].IP
	}
	for _, list := range [][]corev1.ContainerStatus{s.InitContainerStatuses, s.ContainerStatuses, s.EphemeralContainerStatuses} {
		for i := range list {
			podspec.Round(list[i].AllocatedResources)
			podspec.DefaultResources(list[i].Resources)
		}
	}
	podspec.Round(s.AllocatedResources)
	podspec.DefaultResources(s.Resources)
}

func preparePod(ctx context.Context, p *corev1.Pod) {
	p.Generation = 1
	p.Status = corev1.PodStatus{Phase: corev1.PodPending}
	podspec.Drop(&p.Spec, nil, p.Annotations)
	if len(p.Spec.SchedulingGates) > 0 {
		p.Status.Conditions = []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, LastTransitionTime: metav1.Now(),
			Reason: corev1.PodReasonSchedulingGated, Message: "Scheduling is blocked due to non-empty scheduling gates",
		}}
	}
	selectOwnLabels(&p.Spec, p.Labels)
	for _, text := range podspec.AppArmorFields(&p.Spec, p.Annotations) {
		warning.AddWarning(ctx, "", text)
	}
	podspec.DefaultPodResources(&p.Spec)
	p.Status.QOSClass = qos.Of(&p.Spec)
}

// selectOwnLabels adds what matchLabelKeys and mismatchLabelKeys stand for,
// the pod's own values of those labels, to the selectors beside them.
func selectOwnLabels(spec *corev1.PodSpec, own map[string]string) {
	add := func(s *metav1.LabelSelector, keys []string, op metav1.LabelSelectorOperator) {
		if s == nil {
			return
		}
		for _, key := range keys {
			if value, ok := own[key]; ok {
				s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: []string{value}})
			}
		}
	}
	terms := func(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
		for i := range preferred {
			t := &preferred[i].PodAffinityTerm
			add(t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn)
			add(t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
		}
		for i := range required {
			t := &required[i]
			add(t.LabelSelector, t.MatchLabelKeys, metav1.LabelSelectorOpIn)
			add(t.LabelSelector, t.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
		}
	}
	if a := spec.Affinity; a != nil {
		if p := a.PodAffinity; p != nil {
			terms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
		if p := a.PodAntiAffinity; p != nil {
			terms(p.RequiredDuringSchedulingIgnoredDuringExecution, p.PreferredDuringSchedulingIgnoredDuringExecution)
		}
	}
	for i := range spec.TopologySpreadConstraints {
		c := &spec.TopologySpreadConstraints[i]
		add(c.LabelSelector, c.MatchLabelKeys, metav1.LabelSelectorOpIn)
	}
}

func preparePodUpdate(_ context.Context, p, old *corev1.Pod) {
	p.Status = old.Status
	if p.Spec.Resources == nil {
		p.Spec.Resources = old.Spec.Resources.DeepCopy()
	}
	podspec.Drop(&p.Spec, &old.Spec, p.Annotations)
	countPod(p, old)
}

// countPod counts the generation of a pod whose specification has changed.
func countPod(p, old *corev1.Pod) {
	p.Generation = old.Generation
	if !equality.Semantic.DeepEqual(p.Spec, old.Spec) {
		p.Generation++
	}
}

func prepareEphemeralContainers(_ context.Context, p, old *corev1.Pod) {
	added := p.Spec.EphemeralContainers
	p.Spec, p.Status = *old.Spec.DeepCopy(), old.Status
	p.Spec.EphemeralContainers = added
	metav1.ResetObjectMetaForStatus(p, old)
	podspec.Drop(&p.Spec, &old.Spec, p.Annotations)
	countPod(p, old)
}

// prepareResize takes back all changes but those of resources and of how they
// may be resized. Containers that have come or gone are left for the
// validation to find.
func prepareResize(_ context.Context, p, old *corev1.Pod) {
	if len(p.Spec.Containers) == len(old.Spec.Containers) && len(p.Spec.InitContainers) == len(old.Spec.InitContainers) {
		now := p.Spec
		p.Spec, p.Status = *old.Spec.DeepCopy(), old.Status
		p.Spec.Resources = now.Resources
		p.Spec.Containers = resized(now.Containers, p.Spec.Containers)
		p.Spec.InitContainers = resized(now.InitContainers, p.Spec.InitContainers)
		metav1.ResetObjectMetaForStatus(p, old)
	}
	if p.Spec.Resources == nil {
		p.Spec.Resources = old.Spec.Resources.DeepCopy()
	}
	podspec.DefaultPodResources(&p.Spec)
	podspec.Drop(&p.Spec, &old.Spec, p.Annotations)
	countPod(p, old)
}

// resized returns the old containers, which it changes, with the resources of
// the new ones; or the new ones where they are others.
func resized(now, old []corev1.Container) []corev1.Container {
	for i := range now {
		if now[i].Name != old[i].Name {
			return now
		}
	}
	for i := range now {
		old[i].Resources, old[i].ResizePolicy = now[i].Resources, now[i].ResizePolicy
	}
	return old
}

func preparePodStatus(_ context.Context, p, old *corev1.Pod) {
	p.Spec = old.Spec
	p.DeletionTimestamp = nil
	p.OwnerReferences = old.OwnerReferences
	s, was := &p.Status, &old.Status
	if s.QOSClass == "" {
		s.QOSClass = was.QOSClass
	}
	if s.ResourceClaimStatuses == nil {
		s.ResourceClaimStatuses = was.ResourceClaimStatuses
	}
	if s.ExtendedResourceClaimStatus == nil {
		s.ExtendedResourceClaimStatus = was.ExtendedResourceClaimStatus
	}
	if s.NodeAllocatableResourceClaimStatuses == nil {
		s.NodeAllocatableResourceClaimStatuses = was.NodeAllocatableResourceClaimStatuses
	}
	if s.ObservedGeneration == 0 {
		s.ObservedGeneration = was.ObservedGeneration
	}
	// Conditions of one type, of which there may be several, are told apart
	// by their order.
	left := map[corev1.PodConditionType][]int64{}
	for _, c := range was.Conditions {
		left[c.Type] = append(left[c.Type], c.ObservedGeneration)
	}
	for i := range s.Conditions {
		c := &s.Conditions[i]
		before := left[c.Type]
		if len(before) == 0 {
			continue
		}
		if left[c.Type] = before[1:]; c.ObservedGeneration == 0 {
			c.ObservedGeneration = before[0]
		}
	}
	podspec.DropStatus(s, was)
}

func podStatusWarnings(_ context.Context, p, _ *corev1.Pod) (out []string) {
	at := field.NewPath("status")
	for i, ip := range p.Status.PodIPs {
		out = append(out, validation.GetWarningsForIP(at.Child("podIPs").Index(i).Child("ip"), ip.IP)...)
	}
	for i, ip := range p.Status.HostIPs {
		out = append(out, validation.GetWarningsForIP(at.Child("hostIPs").Index(i).Child("ip"), ip.IP)...)
	}
	return out
}

// gracefulPodDelete settles how long a pod may take to end. A pod that no
// node runs has nothing to finish.
func gracefulPodDelete(_ context.Context, p *corev1.Pod, opts *metav1.DeleteOptions) bool {
	if opts == nil {
		return false
	}
	var seconds int64
	switch {
	case opts.GracePeriodSeconds != nil:
		seconds = *opts.GracePeriodSeconds
	case p.Spec.TerminationGracePeriodSeconds != nil:
		seconds = *p.Spec.TerminationGracePeriodSeconds
	}
	if p.Spec.NodeName == "" || p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		seconds = 0
	}
	if seconds < 0 {
		seconds = 1
	}
	opts.GracePeriodSeconds = &seconds
	return true
}

func podWarnings(_ context.Context, p, old *corev1.Pod) []string {
	if old != nil {
		return nil
	}
	var out []string
	if msgs := validation.IsDNS1123Label(p.Name); len(msgs) > 0 {
		out = append(out, fmt.Sprintf("metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: %v", msgs))
	}
	return append(out, podspec.Warnings(nil, &p.ObjectMeta, &p.Spec)...)
}
