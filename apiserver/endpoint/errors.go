package endpoint

import (
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/keelson-project/keelson/apiserver/codec"
)

func typeString(v any) string { return fmt.Sprintf("%T", v) }

// conversionError is the 406 of a form that an answer does not have.
func conversionError(message string) error {
	return &notAcceptable{apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotAcceptable, Reason: metav1.StatusReasonNotAcceptable, Message: message,
	}}}
}

// noProtobuf is the 406 of an object that has no protobuf form.
func noProtobuf() error {
	return conversionError("only the following media types are accepted: " + strings.Join(codec.Names()[:2], ", "))
}
