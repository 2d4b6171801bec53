package patch

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

// maxComparisons is how often merging lists may compare an element with another:
// each of the patch with each of the object's and with each other. It is what a
// patch of five thousand elements takes.
const maxComparisons = 50_000_000

// checkCost refuses a strategic merge patch that would take too long.
func checkCost(doc, patch map[string]any, like any) error {
	schema, err := strategicpatch.NewPatchMetaFromStruct(like)
	if err != nil {
		return nil // merging fails likewise, and says so
	}
	n := comparisons(doc, patch, schema)
	if n > maxComparisons {
		return apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("merging the lists of this patch takes %d comparisons of elements, more than %d", n, maxComparisons))
	}
	return nil
}

// comparisons counts those that merging a patch into an object takes.
func comparisons(doc, patch map[string]any, schema strategicpatch.LookupPatchMeta) (n int) {
	for key, value := range patch {
		switch value := value.(type) {
		case map[string]any:
			if inner, _, err := schema.LookupPatchMetadataForStruct(key); err == nil {
				have, _ := doc[key].(map[string]any)
				n += comparisons(have, value, inner)
			}
		case []any:
			key = strings.TrimPrefix(key, "$setElementOrder/")
			inner, meta, err := schema.LookupPatchMetadataForSlice(key)
			if err != nil || !slices.Contains(meta.GetPatchStrategies(), "merge") {
				continue
			}
			have, _ := doc[key].([]any)
			n += len(value) * (len(value) + len(have))
			for _, element := range value {
				if e, ok := element.(map[string]any); ok && n <= maxComparisons {
					n += comparisons(nil, e, inner)
				}
			}
		}
	}
	return n
}
