package storage

import (
	"maps"
	"slices"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// classWarnings mention old node labels in the topologies of a class.
func classWarnings(c *storagev1.StorageClass) (out []string) {
	for i, t := range c.AllowedTopologies {
		for j, x := range t.MatchLabelExpressions {
			if msg := podspec.OldNodeLabel(x.Key); msg != "" {
				p := field.NewPath("allowedTopologies").Index(i).Child("matchLabelExpressions").Index(j).Child("key")
				out = append(out, p.String()+": "+msg)
			}
		}
	}
	return out
}

// capacityWarnings mention old node labels in where a capacity is.
func capacityWarnings(c *storagev1.CSIStorageCapacity) (out []string) {
	s, p := c.NodeTopology, field.NewPath("nodeTopology")
	if s == nil {
		return nil
	}
	for i, x := range s.MatchExpressions {
		if msg := podspec.OldNodeLabel(x.Key); msg != "" {
			out = append(out, p.Child("matchExpressions").Index(i).Child("key").String()+": "+x.Key+" is "+msg)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		if msg := podspec.OldNodeLabel(key); msg != "" {
			out = append(out, p.Child("matchLabels", key).String()+": "+msg)
		}
	}
	return out
}
