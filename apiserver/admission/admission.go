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
	// Annotations, if not nil, collects what a plugin wants noted in the
	// audit event of the request.
	Annotations map[string]string
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
	// Name is the plugin's, such as "NamespaceLifecycle".
	Name() string
	// Handles says whether the plugin wants to be asked about an operation.
	Handles(op Operation) bool
}

// Chain asks its plugins in order; the first error ends it. Its methods may
// be called from many goroutines if those of its plugins may.
type Chain []Plugin

// Admit implements [Mutator].
func (c Chain) Admit(ctx context.Context, a *Attributes) error {
	for _, p := range c {
		if m, ok := p.(Mutator); ok && p.Handles(a.Operation) {
			if err := m.Admit(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// Validate implements [Validator].
func (c Chain) Validate(ctx context.Context, a *Attributes) error {
	for _, p := range c {
		if v, ok := p.(Validator); ok && p.Handles(a.Operation) {
			if err := v.Validate(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}
