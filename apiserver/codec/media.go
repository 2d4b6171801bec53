package codec

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/munnerz/goautoneg"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Media is a media type of the API.
type Media int

// The media types, in the order of the server's preference.
const (
	JSON Media = iota
	YAML
	Protobuf
)

var (
	names       = [...]string{"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}
	streamNames = [...]string{"application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"}
)

// Names are the media types in the server's order of preference. Do not change
// them.
func Names() []string { return names[:] }

// StreamNames are the media types of watches. Do not change them.
func StreamNames() []string { return streamNames[:] }

// String is the type's name in HTTP headers.
func (m Media) String() string { return names[m] }

// Output is what a client wants an answer to be written as.
type Output struct {
	Media Media
	// Pretty asks for indented JSON.
	Pretty bool
	// As, if set, is the form that objects are turned into: a Table,
	// PartialObjectMetadata or PartialObjectMetadataList.
	As *schema.GroupVersionKind
	// Parameters are those of the accepted clause.
	Parameters map[string]string
}

// IsTable reports whether a Table is asked for.
func (o Output) IsTable() bool { return o.As != nil && o.As.Kind == "Table" }

// IsPartial reports whether only metadata is asked for.
func (o Output) IsPartial() bool { return o.As != nil && o.As.Kind != "Table" }

// Transforms says which forms of objects an endpoint can answer with besides
// the object itself.
type Transforms int

// The choices.
const (
	NoTransforms Transforms = iota
	AllTransforms
	// CustomTransforms are those of objects that have no protobuf form: only
	// their metadata alone can be had in it.
	CustomTransforms
)

// Negotiate finds the way to answer a request; the error is a 406.
func Negotiate(r *http.Request, allowed Transforms) (Output, error) {
	accept := r.Header.Get("Accept")
	if accept == "" || accept == "application/json" || accept == "*/*" {
		return Output{Media: JSON, Pretty: pretty(r)}, nil
	}
	if accept == names[Protobuf] && allowed != CustomTransforms {
		return Output{Media: Protobuf}, nil
	}
	for _, clause := range goautoneg.ParseAccept(accept) {
		for m := range names {
			typ, sub, _ := strings.Cut(names[m], "/")
			if !(clause.Type == typ || clause.Type == "*") || !(clause.SubType == sub || clause.SubType == "*") {
				continue
			}
			if out, ok := clauseOutput(clause.Params, Media(m), allowed); ok {
				out.Pretty = out.Pretty || pretty(r)
				return out, nil
			}
		}
	}
	return Output{}, NotAcceptable(names[:])
}

// NotAcceptable is the 406 that lists the media types an endpoint writes.
func NotAcceptable(written []string) error {
	return statusError(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable,
		"only the following media types are accepted: "+strings.Join(written, ", "))
}

// Routable checks that one of the media types in the Accept header, taken
// without its parameters, is among those a path writes, as is done before the
// request is looked at any further; wildcards for subtypes do not count. The
// error is a 406.
func Routable(r *http.Request, written []string) error {
	accept := r.Header.Get("Accept")
	if accept == "" || accept == written[0] {
		return nil
	}
	for rest, more := accept, true; more; {
		var clause string
		clause, rest, more = strings.Cut(rest, ",")
		clause, _, _ = strings.Cut(clause, ";")
		clause = strings.Trim(clause, " ")
		if clause == "*/*" || slices.Contains(written, clause) {
			return nil
		}
	}
	return routingError(http.StatusNotAcceptable, metav1.StatusReasonNotAcceptable,
		"406: Not Acceptable\n\nAvailable representations: "+strings.Join(written, ", "))
}

// Readable checks that the Content-Type is one of those a path reads, likewise.
// The error is a 415.
func Readable(r *http.Request, read []string) error {
	for t := range strings.SplitSeq(r.Header.Get("Content-Type"), ",") {
		t, _, _ = strings.Cut(t, ";")
		if slices.Contains(read, strings.Trim(t, " ")) {
			return nil
		}
	}
	return routingError(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType, "415: Unsupported Media Type")
}

func routingError(code int32, reason metav1.StatusReason, message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{},
	}}
}

func clauseOutput(params map[string]string, m Media, allowed Transforms) (Output, bool) {
	out := Output{Media: m, Parameters: params}
	var as schema.GroupVersionKind
	wanted := false
	for k, v := range params {
		switch k {
		case "as":
			as.Kind, wanted = v, true
		case "g":
			as.Group, wanted = v, true
		case "v":
			as.Version, wanted = v, true
		case "stream":
			if v != "" && (v != "watch" || m == YAML) {
				return out, false
			}
		case "sv":
			if v != "" && (v != "v1" || allowed == NoTransforms) {
				return out, false
			}
		case "pretty":
			out.Pretty = v == "1"
		}
	}
	if !wanted {
		return out, m != Protobuf || allowed != CustomTransforms
	}
	if allowed == NoTransforms || as.Group != metav1.GroupName || (as.Version != "v1" && as.Version != "v1beta1") {
		return out, false
	}
	switch as.Kind {
	case "Table":
		if m == Protobuf {
			return out, false
		}
	case "PartialObjectMetadata", "PartialObjectMetadataList":
	default:
		return out, false
	}
	out.As = &as
	return out, true
}

// pretty reports whether a person seems to be reading.
func pretty(r *http.Request) bool {
	if strings.Contains(r.URL.RawQuery, "pretty") {
		if v := r.URL.Query().Get("pretty"); v != "" {
			on, _ := strconv.ParseBool(v)
			return on
		}
	}
	agent := r.UserAgent()
	return strings.HasPrefix(agent, "curl") || strings.HasPrefix(agent, "Wget") || strings.HasPrefix(agent, "Mozilla/5.0")
}

// Input finds the media type of a request's body; the error is a 415.
func Input(r *http.Request) (Media, error) {
	t := r.Header.Get("Content-Type")
	if t == "" {
		return JSON, nil
	}
	if i := slices.Index(names[:], t); i >= 0 {
		return Media(i), nil
	}
	if t, _, err := mime.ParseMediaType(t); err == nil {
		if i := slices.Index(names[:], t); i >= 0 {
			return Media(i), nil
		}
	}
	return 0, Unsupported(names[:])
}

// Unsupported is the 415 that lists the media types an endpoint reads.
func Unsupported(accepted []string) error {
	return statusError(http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType,
		"the body of the request was in an unknown format - accepted media types include: "+strings.Join(accepted, ", "))
}
