package builtin

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// unstored are the kinds of served versions that are no stored resource:
// bodies of subresources, and answers that are computed.
var unstored = map[schema.GroupKind]bool{
	{Kind: "Binding"}: true, {Kind: "ComponentStatus"}: true, {Kind: "PodStatusResult"}: true, {Kind: "RangeAllocation"}: true, {Kind: "SerializedReference"}: true,
	{Group: "autoscaling", Kind: "Scale"}: true,
	{Group: "policy", Kind: "Eviction"}:   true,
}

// Every kind with metadata that k8s.io/api has in a version of which anything
// is served is a stored resource with a file of its own, in the folder of its
// group.
func TestKindsAreComplete(t *testing.T) {
	served := map[schema.GroupVersionKind]bool{}
	versions := map[schema.GroupVersion]bool{}
	for _, k := range Kinds() {
		if !k.StoredOnly {
			served[k.GroupVersionKind], versions[k.GroupVersion()] = true, true
		}
		for i := range k.Views {
			gvk := k.Views[i].GroupVersionKind
			served[gvk], versions[gvk.GroupVersion()] = true, true
		}
	}
	object := reflect.TypeFor[metav1.Object]()
	for gvk, typ := range scheme.AllKnownTypes() {
		if !versions[gvk.GroupVersion()] || !reflect.PointerTo(typ).Implements(object) || unstored[gvk.GroupKind()] {
			continue
		}
		// A resource has a list; what is only sent and answered has none.
		if !scheme.Recognizes(gvk.GroupVersion().WithKind(gvk.Kind + "List")) {
			continue
		}
		if !served[gvk] {
			t.Errorf("%s is not served", gvk)
			continue
		}
		group, _, _ := strings.Cut(gvk.Group, ".")
		if group == "" {
			group = "core"
		}
		if group == "events" { // served as it is stored: as events of core
			group = "core"
		}
		if _, err := os.Stat(filepath.Join("..", group, strings.ToLower(gvk.Kind)+".go")); err != nil {
			t.Errorf("%s has no file: %v", gvk, err)
		}
	}
}
