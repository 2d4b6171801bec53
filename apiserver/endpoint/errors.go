package endpoint

import (
	"errors"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/registry"
)

// errUnshowable ends a watch whose events do not have the form asked for.
var errUnshowable = errors.New("a single object has no such form")

// typeName is what Kubernetes' errors call the Go type of a resource's objects
// or lists: that of the package of unversioned types.
func typeName(res *registry.Resource, gvk schema.GroupVersionKind) string {
	if res.IsUnstructured() {
		if strings.HasSuffix(gvk.Kind, "List") {
			return "*unstructured.UnstructuredList"
		}
		return "*unstructured.Unstructured"
	}
	pkg := shortGroup(gvk.Group)
	if pkg == "events" { // the same type as in the group core
		pkg = "core"
	}
	return "*" + pkg + "." + gvk.Kind
}

// conversionError is the 406 of a form that an answer does not have.
func conversionError(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable, Message: message,
	}}
}
