package discovery

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/version"
)

// Priority orders what discovery lists: the higher comes first. A group stands
// where the highest of its versions' group priorities puts it.
type Priority struct{ Group, Version int32 }

// Others returns the priority of versions that Kubernetes does not define.
func Others() Priority { return Priority{Group: 1000, Version: 100} }

// Priorities returns those of the versions that Kubernetes defines.
func Priorities() map[schema.GroupVersion]Priority {
	return map[schema.GroupVersion]Priority{
		{Group: "apiregistration.k8s.io", Version: "v1"}: {20001, 15}, // above all others may have

		{Group: "", Version: "v1"}:                                   {18000, 1},
		{Group: "apps", Version: "v1"}:                               {17800, 15},
		{Group: "events.k8s.io", Version: "v1"}:                      {17750, 15},
		{Group: "events.k8s.io", Version: "v1beta1"}:                 {17750, 5},
		{Group: "authentication.k8s.io", Version: "v1"}:              {17700, 15},
		{Group: "authentication.k8s.io", Version: "v1beta1"}:         {17700, 9},
		{Group: "authentication.k8s.io", Version: "v1alpha1"}:        {17700, 1},
		{Group: "authorization.k8s.io", Version: "v1"}:               {17600, 15},
		{Group: "autoscaling", Version: "v2"}:                        {17500, 30},
		{Group: "autoscaling", Version: "v1"}:                        {17500, 15},
		{Group: "batch", Version: "v1"}:                              {17400, 15},
		{Group: "batch", Version: "v1beta1"}:                         {17400, 9},
		{Group: "certificates.k8s.io", Version: "v1"}:                {17300, 15},
		{Group: "certificates.k8s.io", Version: "v1beta1"}:           {17300, 9},
		{Group: "certificates.k8s.io", Version: "v1alpha1"}:          {17300, 1},
		{Group: "networking.k8s.io", Version: "v1"}:                  {17200, 15},
		{Group: "networking.k8s.io", Version: "v1beta1"}:             {17200, 9},
		{Group: "policy", Version: "v1"}:                             {17100, 15},
		{Group: "rbac.authorization.k8s.io", Version: "v1"}:          {17000, 15},
		{Group: "storage.k8s.io", Version: "v1"}:                     {16800, 15},
		{Group: "storage.k8s.io", Version: "v1beta1"}:                {16800, 9},
		{Group: "storage.k8s.io", Version: "v1alpha1"}:               {16800, 1},
		{Group: "apiextensions.k8s.io", Version: "v1"}:               {16700, 15},
		{Group: "admissionregistration.k8s.io", Version: "v1"}:       {16700, 15},
		{Group: "admissionregistration.k8s.io", Version: "v1beta1"}:  {16700, 12},
		{Group: "admissionregistration.k8s.io", Version: "v1alpha1"}: {16700, 9},
		{Group: "scheduling.k8s.io", Version: "v1"}:                  {16600, 15},
		{Group: "scheduling.k8s.io", Version: "v1beta1"}:             {16600, 9},
		{Group: "scheduling.k8s.io", Version: "v1alpha3"}:            {16600, 3},
		{Group: "coordination.k8s.io", Version: "v1"}:                {16500, 15},
		{Group: "coordination.k8s.io", Version: "v1beta1"}:           {16500, 13},
		{Group: "coordination.k8s.io", Version: "v1alpha2"}:          {16500, 12},
		{Group: "node.k8s.io", Version: "v1"}:                        {16300, 15},
		{Group: "discovery.k8s.io", Version: "v1"}:                   {16200, 15},
		{Group: "resource.k8s.io", Version: "v1"}:                    {16200, 21},
		{Group: "resource.k8s.io", Version: "v1beta2"}:               {16200, 15},
		{Group: "resource.k8s.io", Version: "v1beta1"}:               {16200, 9},
		{Group: "resource.k8s.io", Version: "v1alpha3"}:              {16200, 1},
		{Group: "flowcontrol.apiserver.k8s.io", Version: "v1"}:       {16100, 21},
		{Group: "internal.apiserver.k8s.io", Version: "v1alpha1"}:    {16000, 9},
		{Group: "storagemigration.k8s.io", Version: "v1"}:            {15800, 15},
		{Group: "storagemigration.k8s.io", Version: "v1beta1"}:       {15800, 9},
		{Group: "lifecycle.k8s.io", Version: "v1alpha1"}:             {15700, 1},
	}
}

// Registered is a group and version that this server or another one serves.
type Registered struct {
	schema.GroupVersion
	Priority Priority
	// Remote ones are another server's.
	Remote bool
}

// order brings versions into the order in which they are listed: groups by
// priority and name, and within a group versions by priority and age.
func order(all []Registered) {
	highest := map[string]int32{}
	for _, r := range all {
		highest[r.Group] = max(highest[r.Group], r.Priority.Group)
	}
	slices.SortStableFunc(all, func(a, b Registered) int {
		return cmp.Or(
			cmp.Compare(highest[b.Group], highest[a.Group]),
			strings.Compare(a.Group, b.Group),
			cmp.Compare(b.Priority.Version, a.Priority.Version),
			-version.CompareKubeAwareVersionStrings(a.Version, b.Version),
		)
	})
}
