package patch

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/mergepatch"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	kjson "sigs.k8s.io/json"

	"github.com/keelson-project/keelson/apiserver/codec"
)

const (
	// maxOperations is how many operations a JSON patch may have.
	maxOperations = 10000
	// maxCopied is how much its operations may copy, in bytes.
	maxCopied = 3 << 20
)

// Strictness says whether repeated and unknown fields of the patch itself are
// reported.
type Strictness int

// The choices.
const (
	Lenient Strictness = iota
	Strict
)

type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	From  string `json:"from"`
	Value any    `json:"value"`
}

// JSON applies a JSON patch (RFC 6902) to a JSON document. With Strict, what is
// wrong with the form of the patch is returned beside the result. Errors are
// API statuses.
func JSON(doc, patch []byte, s Strictness) (out []byte, strict []error, err error) {
	if s == Strict {
		var ops []operation
		strict, err = kjson.UnmarshalStrict(patch, &ops)
		if err != nil {
			text := strings.ReplaceAll(err.Error(), "patch.operation", "handlers.jsonPatchOp") // as Kubernetes calls it
			return nil, nil, apierrors.NewBadRequest("error decoding patch: " + text)
		}
		for i := range strict {
			strict[i] = fmt.Errorf("json patch %w", strict[i])
		}
	}
	ops, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, nil, apierrors.NewBadRequest(err.Error())
	}
	if len(ops) > maxOperations {
		return nil, nil, apierrors.NewRequestEntityTooLargeError(fmt.Sprintf("The allowed maximum operations in a JSON patch is %d, got %d", maxOperations, len(ops)))
	}
	if out, err = apply(doc, ops); err != nil {
		return nil, nil, unprocessable(err)
	}
	return out, strict, nil
}

// apply does the operations. Those that copy are done by themselves, and
// counted: a few dozen that copy what others have copied would fill any memory.
func apply(doc []byte, ops jsonpatch.Patch) ([]byte, error) {
	copied := 0
	for len(ops) > 0 {
		n := slices.IndexFunc(ops, func(op jsonpatch.Operation) bool { return op.Kind() == "copy" })
		if n < 0 {
			return ops.Apply(doc)
		}
		before, err := ops[:n].Apply(doc)
		if err != nil {
			return nil, err
		}
		if doc, err = ops[n : n+1].Apply(before); err != nil {
			return nil, err
		}
		if copied += max(0, len(doc)-len(before)); copied > maxCopied {
			return nil, fmt.Errorf("the operations copy %d bytes, more than %d", copied, maxCopied)
		}
		ops = ops[n+1:]
	}
	return doc, nil
}

// Merge applies a JSON merge patch (RFC 7386), otherwise as JSON does.
func Merge(doc, patch []byte, s Strictness) (out []byte, strict []error, err error) {
	if s == Strict {
		var m map[string]any
		strict, err = kjson.UnmarshalStrict(patch, &m)
		if err != nil {
			return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
		}
	}
	out, err = jsonpatch.MergePatch(doc, patch)
	if errors.Is(err, jsonpatch.ErrBadJSONPatch) {
		return nil, nil, apierrors.NewBadRequest(err.Error())
	}
	return out, strict, err
}

// Strategic applies a strategic merge patch to an object in unstructured form,
// which it may change; the struct tags of like's type say how lists merge.
// It returns the patch as it was understood as well.
func Strategic(doc map[string]any, patch []byte, like any, s Strictness) (out, parsed map[string]any, strict []error, err error) {
	parsed = map[string]any{}
	if s == Strict {
		strict, err = kjson.UnmarshalStrict(patch, &parsed)
	} else {
		err = kjson.UnmarshalCaseSensitivePreserveInts(patch, &parsed)
	}
	if err != nil {
		return nil, nil, nil, apierrors.NewBadRequest(err.Error())
	}
	if err := checkCost(doc, parsed, like); err != nil {
		return nil, nil, nil, err
	}
	out, err = strategicpatch.StrategicMergeMapPatch(doc, parsed, like)
	switch {
	case err == nil:
		return out, parsed, strict, nil
	case errors.Is(err, mergepatch.ErrNoListOfLists), errors.Is(err, mergepatch.ErrPatchContentNotMatchRetainKeys):
		return nil, nil, nil, unprocessable(err)
	}
	return nil, nil, nil, apierrors.NewBadRequest(err.Error())
}

// Configuration reads an applied configuration, YAML or JSON. With Strict,
// repeated fields are reported beside it.
func Configuration(patch []byte, s Strictness) (content map[string]any, strict, err error) {
	if err := utilyaml.Unmarshal(patch, &content); err != nil {
		return nil, nil, apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: %v", err))
	}
	if content == nil {
		content = map[string]any{}
	}
	if s == Strict {
		strict = utilyaml.UnmarshalStrict(patch, &map[string]any{})
	}
	return content, strict, nil
}

// Check refuses a body that cannot be a patch of a kind at all.
func Check(patch []byte, f Format) error {
	if f == YAML && !json.Valid(patch) {
		if err := codec.CheckNesting(patch, codec.YAML); err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("error encoding patch: %v", err))
		}
		if _, err := utilyaml.ToJSON(patch); err != nil {
			return apierrors.NewBadRequest(fmt.Sprintf("error encoding patch: %v", err))
		}
		return nil
	}
	if f == JSONFormat && !json.Valid(patch) {
		return apierrors.NewBadRequest("invalid JSON patch")
	}
	if err := codec.CheckNesting(patch, codec.JSON); err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("error decoding patch: exceeded max depth of %d", codec.MaxNesting))
	}
	return nil
}

// Format is what a patch is written in.
type Format int

// The formats.
const (
	JSONFormat Format = iota
	YAML
)

func unprocessable(err error) error {
	return apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "", err.Error(), 0, false)
}
