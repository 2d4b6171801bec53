package registry

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// Virtual is a resource, or a subresource of a stored one, that is not kept
// but computed. Its verbs are the interfaces that Handler implements:
// [Creater], [Getter], [Lister], [Connecter]; [Tabler] adds Tables.
type Virtual struct {
	// Parent is the group and version in the URL.
	Parent schema.GroupVersion
	// Names are those of the resource; for a subresource only Resource, that
	// of its parent, counts.
	kinds.Names
	// Subresource is the part after the object's name, such as "eviction";
	// empty for a resource.
	Subresource string
	Namespaced  bool
	// Deprecated, if set, is a text for a Warning header of every answer.
	Deprecated string
	// Kind is that of the bodies; its group and version may differ from
	// Parent's, as policy/v1 Eviction does below core/v1 pods.
	Kind schema.GroupVersionKind
	// Handler implements the verbs.
	Handler any
}

// Creater answers POST.
type Creater interface {
	// New makes the value that the body is decoded into.
	New() runtime.Object
	// Create does the work and returns what to answer. For a subresource name
	// is the object's; otherwise it is empty. Admission is called through
	// admit before anything takes effect; it is never nil.
	Create(ctx context.Context, namespace, name string, obj runtime.Object, opts *metav1.CreateOptions, admit func(context.Context, runtime.Object) error) (runtime.Object, error)
}

// Defaulter is a Creater that fills in what bodies leave out.
type Defaulter interface {
	Default(obj runtime.Object)
}

// Accepter is a Creater that takes bodies of further versions.
type Accepter interface {
	// Accept returns a body of the kind given as the value that Create takes;
	// nil if it is none that is understood.
	Accept(gvk schema.GroupVersionKind, obj runtime.Object) runtime.Object
}

// Getter answers GET of one object.
type Getter interface {
	Get(ctx context.Context, namespace, name string, opts *metav1.GetOptions) (runtime.Object, error)
}

// Lister answers GET of a collection.
type Lister interface {
	NewList() runtime.Object
	List(ctx context.Context, namespace string, opts *internalversion.ListOptions) (runtime.Object, error)
}

// Tabler makes Tables of what a Getter or Lister returns.
type Tabler interface {
	Columns() []metav1.TableColumnDefinition
	// Cells are one for each column.
	Cells(obj runtime.Object) []any
}

// Connecter answers with a stream or whatever else it likes, after the request
// has been authenticated and authorized.
type Connecter interface {
	// Methods are the HTTP methods served.
	Methods() []string
	// Connect returns the handler for one request; path is what follows the
	// subresource in the URL, with its slash, or empty. An API status error
	// is answered as such.
	Connect(ctx context.Context, namespace, name, path string, r *http.Request) (http.Handler, error)
}

// Admitted is a Connecter that admission is asked about, whatever the method.
type Admitted interface {
	// Options are what admission sees of a request, of the Virtual's kind.
	Options(path string, r *http.Request) runtime.Object
}
