package admission

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
)

// Operation is what a request does to an object.
type Operation string

// The operations. A patch is an update, or a create if it makes the object.
const (
	Create  Operation = "CREATE"
	Update  Operation = "UPDATE"
	Delete  Operation = "DELETE"
	Connect Operation = "CONNECT"
)

// Attributes are one write as plugins see it. The value belongs to one
// request; plugins may keep nothing of it.
type Attributes struct {
	Operation Operation
	// Resource and Kind are those of the request; for a subresource with
	// bodies of its own, such as pods/eviction, Kind is that of the body.
	Resource schema.GroupVersionResource
	Kind     schema.GroupVersionKind
	// Subresource is the part after the name, such as "status", or empty.
	Subresource string
	// Namespace is empty for cluster-wide objects, and for a namespace its
	// own name. Name is empty where the server is still to generate one.
	Namespace, Name string
	// Object is the object as it is to be, in the version of the request; nil
	// for Delete. Mutators change it in place, validators never. For Connect
	// it is the options of the connection, or nil.
	Object runtime.Object
	// OldObject is the object as it is, for Update and Delete; nobody changes
	// it. It is nil for a deletecollection as a whole.
	OldObject runtime.Object
	// Options are the CreateOptions, UpdateOptions, PatchOptions or
	// DeleteOptions of the request; nil for Connect.
	Options runtime.Object
	// DryRun requests must leave no trace outside the request.
	DryRun bool
	// User is who asks; nil when the server runs without authentication.
	User user.Info
	// Annotations are what plugins want noted in the audit event of the
	// request; see [Attributes.Annotate].
	Annotations map[string]string
	// Again is set while mutators are asked a second time about the same
	// write: see [Attributes.AskAgain].
	Again bool

	askAgain bool
	notes    map[string]any
}

// Annotate notes something in the audit event of the request; the key has the
// form "example.com/what".
func (a *Attributes) Annotate(key, value string) {
	if a.Annotations == nil {
		a.Annotations = map[string]string{}
	}
	a.Annotations[key] = value
}

// AskAgain has all mutators asked once more after the last of them, because
// the object has changed since some have seen it. While they are, it does
// nothing.
func (a *Attributes) AskAgain() { a.askAgain = true }

// Note keeps a plugin's own notes until it is asked again about the same
// write; Noted returns them, or nil.
func (a *Attributes) Note(plugin string, notes any) {
	if a.notes == nil {
		a.notes = map[string]any{}
	}
	a.notes[plugin] = notes
}

// Noted returns what the plugin has kept with Note.
func (a *Attributes) Noted(plugin string) any { return a.notes[plugin] }

// Is reports whether the write is to a resource of a group, whatever the
// version, or to a subresource of it.
func (a *Attributes) Is(group, resource, subresource string) bool {
	return a.Resource.Resource == resource && a.Resource.Group == group && a.Subresource == subresource
}

// A Mutator may change the object of a write, or refuse it with an error. An
// API status error is answered as it is; any other error becomes 403
// Forbidden. Texts for Warning headers go to k8s.io/apiserver/pkg/warning.
type Mutator interface {
	Admit(ctx context.Context, a *Attributes) error
}

// A Validator may refuse a write, with errors as a [Mutator]'s.
type Validator interface {
	Validate(ctx context.Context, a *Attributes) error
}

// Plugin is one link of a [Chain]: a [Mutator], a [Validator] or both.
type Plugin interface {
	// Name is the plugin's, such as "NamespaceLifecycle"; unique in a chain.
	Name() string
	// Handles says whether the plugin wants to be asked about an operation.
	Handles(op Operation) bool
}
