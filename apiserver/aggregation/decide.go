package aggregation

import (
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"

	"github.com/keelson-project/keelson/apiserver/discovery"
)

// label tells APIServices that are kept by a server from those that people
// make, and how they are kept: versions that come with the server are brought
// in order when it starts, others, such as custom ones, whenever they are not.
const (
	label   = "kube-aggregator.kubernetes.io/automanaged"
	onStart = "onstart"
	always  = "true"
)

// name is what the APIService of a version is called.
func name(gv schema.GroupVersion) string { return gv.Version + "." + gv.Group }

// wanted are the APIServices of all versions that this server serves, but not
// of the one in which it serves them.
func (k *Keeper) wanted() map[string]*apiregistrationv1.APIService {
	out := map[string]*apiregistrationv1.APIService{}
	add := func(gv schema.GroupVersion) {
		if gv.Group == apiregistrationv1.GroupName || out[name(gv)] != nil {
			return
		}
		kept := onStart
		priority, ok := k.defined[gv]
		if !ok {
			kept, priority = always, discovery.Others()
		}
		out[name(gv)] = &apiregistrationv1.APIService{
			ObjectMeta: metav1.ObjectMeta{Name: name(gv), Labels: map[string]string{label: kept}},
			Spec: apiregistrationv1.APIServiceSpec{
				Group: gv.Group, Version: gv.Version, GroupPriorityMinimum: priority.Group, VersionPriority: priority.Version,
			},
		}
	}
	for _, r := range k.cfg.Registry.Resources() {
		add(r.GVR.GroupVersion())
	}
	for _, gv := range k.cfg.Computed {
		add(gv)
	}
	return out
}

// action is what is to be done to an APIService.
type action int

const (
	nothing action = iota
	create
	update
	remove
)

// decide compares an APIService with the one wanted; either may be nil. synced
// says whether it has been brought in order since the start, atStart whether
// it was there then.
func decide(want, have *apiregistrationv1.APIService, synced, atStart bool) action {
	kept := func(s *apiregistrationv1.APIService) string {
		if s == nil {
			return ""
		}
		return s.Labels[label]
	}
	switch {
	case want == nil && have == nil, kept(want) == onStart && synced:
		return nothing
	case have == nil:
		return create
	case kept(have) != onStart && kept(have) != always: // somebody else's
		return nothing
	case kept(have) == onStart && (synced || !atStart):
		return nothing
	case want == nil:
		return remove
	case equality.Semantic.DeepEqual(have.Spec, want.Spec):
		return nothing
	}
	return update
}
