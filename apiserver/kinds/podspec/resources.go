package podspec

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

// DefaultPodResources completes the resources of the pod as a whole, where
// they are set, from those of its containers.
func DefaultPodResources(spec *corev1.PodSpec) {
	r := spec.Resources
	if r == nil || len(r.Requests) == 0 && len(r.Limits) == 0 {
		return
	}
	of := &corev1.Pod{Spec: corev1.PodSpec{Containers: spec.Containers, InitContainers: spec.InitContainers}}
	limits := resourcehelper.AggregateContainerLimits(of, resourcehelper.PodResourcesOptions{})
	for name, q := range limits {
		if _, requested := r.Requests[name]; check.IsHugePages(name) && !requested {
			add(&r.Limits, name, q)
		}
	}
	for name, q := range resourcehelper.AggregateContainerRequests(of, resourcehelper.PodResourcesOptions{}) {
		if resourcehelper.IsSupportedPodLevelResource(name) && !check.IsHugePages(name) {
			add(&r.Requests, name, q)
		}
	}
	for name, q := range r.Limits {
		if resourcehelper.IsSupportedPodLevelResource(name) {
			add(&r.Requests, name, q.DeepCopy())
		}
	}
	for name, request := range r.Requests {
		if _, limited := r.Limits[name]; limited || !resourcehelper.IsSupportedPodLevelResource(name) || !allLimit(spec, name) {
			continue
		}
		limit, ok := limits[name]
		if !ok {
			continue
		}
		if request.Cmp(limit) > 0 {
			limit = request
		}
		add(&r.Limits, name, limit)
	}
}

// allLimit reports whether every container limits a resource.
func allLimit(spec *corev1.PodSpec, name corev1.ResourceName) bool {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			if _, ok := list[i].Resources.Limits[name]; !ok {
				return false
			}
		}
	}
	return true
}

// add sets what a list does not say yet.
func add(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	if _, ok := (*list)[name]; !ok {
		(*list)[name] = q
	}
}

// podResourceName requires a resource that a pod as a whole may have.
func podResourceName(e *check.Errors, p *field.Path, name corev1.ResourceName) {
	before := len(e.List)
	e.ResourceName(p, name)
	if len(e.List) == before && !resourcehelper.IsSupportedPodLevelResource(name) {
		e.Add(field.NotSupported(p, name, sets.List(resourcehelper.SupportedPodLevelResources())))
	}
}

// podResourcesSuffice requires the pod's resources to hold its containers'.
func (c *checker) podResourcesSuffice(p *field.Path) {
	r, of := c.spec.Resources, &corev1.Pod{Spec: *c.spec}
	requests := resourcehelper.AggregateContainerRequests(of, resourcehelper.PodResourcesOptions{})
	for _, name := range check.Names(requests) {
		q := requests[name]
		if whole, ok := r.Requests[name]; ok && q.Cmp(whole) > 0 {
			c.Invalid(p.Child("requests").Key(string(name)), whole.String(), fmt.Sprintf("must be greater than or equal to aggregate container requests of %s", q.String()))
		}
	}
	limits := resourcehelper.AggregateContainerLimits(of, resourcehelper.PodResourcesOptions{})
	for _, name := range check.Names(limits) {
		q := limits[name]
		if whole, ok := r.Limits[name]; ok && check.IsHugePages(name) && q.Cmp(whole) > 0 {
			c.Invalid(p.Child("limits").Key(string(name)), whole.String(), fmt.Sprintf("must be greater than or equal to aggregate container limits of %s", q.String()))
		}
	}
	for i := range c.spec.Containers {
		list := c.spec.Containers[i].Resources.Limits
		for _, name := range check.Names(list) {
			q := list[name]
			if whole, ok := r.Limits[name]; ok && q.Cmp(whole) > 0 {
				c.Invalid(p.Child("containers").Index(i).Key(string(name)).Child("limits"), q.String(), fmt.Sprintf("must be less than or equal to pod limits of %s", whole.String()))
			}
		}
	}
}
