package kinds

import (
	"context"
	"errors"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/operation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Object is what a Kind is made of: a Go type of an API with metadata.
type Object interface {
	runtime.Object
	metav1.Object
}

// Names are what a resource is called.
type Names struct {
	// Resource is the plural in the URL, Singular the singular that clients
	// accept.
	Resource, Singular string
	// ShortNames and Categories are further names, such as "po" and "all".
	ShortNames, Categories []string
}

// Kind is a Definition with its Go type erased, as the registry uses it. No
// function in it changes its second object argument (the old one), and all
// may be nil unless said otherwise.
type Kind struct {
	schema.GroupVersionKind
	Names
	// Namespaced kinds live in namespaces, others belong to the cluster.
	Namespaced bool
	// StorageKey is the path below /registry/, such as "services/specs".
	StorageKey string
	// New and NewList make empty values; never nil.
	New     func() Object
	NewList func() runtime.Object
	// Views are other groups or versions the same stored objects are served as.
	Views []View
	// StoredOnly keeps the kind's own version for the store: only Views are
	// served, of which there is at least one then.
	StoredOnly bool
	// Encode and Decode, if set, write and read what the store holds instead
	// of the type's protobuf or JSON form. An object to encode has no
	// resourceVersion, and Encode may bring it into shape: it is also asked,
	// of any object, where a dry run stores nothing. A decoded object has its
	// defaults.
	Encode func(obj Object) ([]byte, error)
	Decode func(value []byte) (Object, error)
	// Between, if set, converts an object that one version shows to another,
	// to compare who owns what, instead of the way by the stored form: it
	// drops nothing that the other version does not know.
	Between func(obj Object, to schema.GroupVersion) (Object, error)
	// StoredAs is what the stored form says it is, if that is not the kind.
	StoredAs schema.GroupVersionKind
	// TypeConverter, if set, knows the schema of the objects, for managed
	// fields; otherwise the server's does.
	TypeConverter managedfields.TypeConverter

	// ValidName returns what is wrong with a name (or, with prefix, a
	// generateName); never nil.
	ValidName func(name string, prefix bool) []string
	// MetadataLast judges the metadata of a new object only when Validate has
	// found nothing.
	MetadataLast bool
	// RecheckName judges generateName at updates of the resource itself too.
	RecheckName bool
	// AnyFinalizer allows finalizers that do not say whose they are.
	AnyFinalizer bool
	// AnyStatusFinalizer does so where only the status is written.
	AnyStatusFinalizer bool
	// Default fills in fields left out. It runs on what a client sends and on
	// what is read from the store.
	Default func(obj Object)
	// Convert removes from an object that a client has sent, with its
	// defaults, what no version keeps; an error says why it cannot be read.
	Convert func(obj Object) error
	// Carriers are annotations that stand for fields which a version lacks.
	// They are no metadata: answers of that alone leave them out.
	Carriers []string

	// Receive, if set, brings an object that a client has sent into its shape,
	// before Default, and returns the paths of fields that it knows nothing
	// of and has dropped.
	Receive func(obj Object) (unknown []string, err error)

	// Permit is asked whether whoever writes may give an object this state, once
	// admission has completed it and before it is validated; old is nil on
	// create. An API status error refuses. Writers of status and other parts
	// are not asked about.
	Permit func(ctx context.Context, obj, old Object) error
	// PrepareCreate removes what a creator may not set and sets what the
	// server decides; after defaulting and before admission and validation.
	PrepareCreate func(ctx context.Context, obj Object)
	// Validate returns what is wrong with a new object beyond its metadata.
	Validate func(ctx context.Context, obj Object) field.ErrorList
	// PrepareUpdate takes back what a writer of the main resource may not
	// change (its status, say) and counts the generation.
	PrepareUpdate func(ctx context.Context, obj, old Object)
	// ValidateUpdate returns what is wrong with a change beyond metadata.
	ValidateUpdate func(ctx context.Context, obj, old Object) field.ErrorList
	// Rules are those of the Go type's tags, for every write of the object and
	// of its parts. Of what they find, errors of the alpha stage are ignored.
	Rules Rules
	// RuleOptions names the options that the tags ask for, and whether they are
	// on; old is nil on create.
	RuleOptions func(obj, old Object) map[string]bool
	// Canonicalize normalises an object just before it is stored.
	Canonicalize func(obj Object)
	// Warnings returns texts for Warning headers; old is nil on create.
	Warnings func(ctx context.Context, obj, old Object) []string

	// Deprecated, if set, is a text for a Warning header of every answer.
	Deprecated string

	// CreateOnUpdate allows PUT to create, UnconditionalUpdate one without a
	// resourceVersion.
	CreateOnUpdate, UnconditionalUpdate bool
	// TTL is how long an object is kept after its last write; zero for ever.
	TTL func(obj Object) time.Duration
	// GracefulDelete is asked before an object without finalizers is
	// removed. It may adjust opts.GracePeriodSeconds and obj, which is what
	// is stored next; true means that the object is only marked
	// (deletionTimestamp, deletionGracePeriodSeconds) and somebody else
	// removes it when the grace period is over or the work is done.
	GracefulDelete func(ctx context.Context, obj Object, opts *metav1.DeleteOptions) bool
	// MarkDeleted, if set, is all that the first delete does: it marks obj,
	// which somebody else removes later. Grace periods and propagation count
	// from the second delete on.
	MarkDeleted func(obj Object)
	// ReturnDeleted answers a delete with the object instead of a Status.
	ReturnDeleted bool
	// NoDependents says that nothing depends on objects of the kind, so that
	// deletes that would wait for dependents or orphan them do not.
	NoDependents bool
	// DeleteWarnings returns texts for Warning headers of deletes.
	DeleteWarnings func(opts *metav1.DeleteOptions) []string
	// DefaultPropagation is what a delete without propagationPolicy does with
	// dependents; empty means Background.
	DefaultPropagation metav1.DeletionPropagation

	// Unfinished reports whether an object that has been marked by a delete
	// waits for more than its finalizers and grace period, as a namespace
	// does for its spec.finalizers.
	Unfinished func(obj Object) bool

	// Begin, if set, takes outside resources for a write, such as service
	// addresses, and may complete obj. It runs before the object is prepared
	// and judged, for create (old nil) and update, but not for subresources;
	// done is called with the outcome and gives back what a failed or dry-run
	// write took.
	Begin func(ctx context.Context, obj, old Object, dryRun DryRun) (done func(stored Stored), err error)
	// AfterDelete gives back what Begin took, once the object is gone.
	AfterDelete func(obj Object)

	// Status, if set, serves /status.
	Status *Status
	// Scale, if set, serves /scale.
	Scale *Scale
	// Verbs, if set, are those that discovery lists, instead of all.
	Verbs func() []string
	// Subresources are further parts of the object with writers of their
	// own, by name, such as "finalize"; they are served like /status.
	Subresources map[string]*Status
	// Resets names fields, such as "spec" or "status.conditions", that writers
	// of the resource itself ("") or of a subresource cannot own, because their
	// changes are taken back; besides the spec for status and the status for
	// the rest.
	Resets map[string][]string

	// Fields returns the selectable fields besides metadata.name and
	// metadata.namespace. FieldNames lists them; a selector that names
	// another is refused, and so is one by namespace if NoNamespaceField.
	Fields           func(obj Object) fields.Set
	FieldNames       []string
	NoNamespaceField bool
	// Terms are what objects are found by without looking at all of them, by
	// parts of the server that ask for a term; they mean what the kind says.
	Terms func(obj Object) []string
	// FieldAliases are further names of fields, and which they mean.
	FieldAliases map[string]string
	// UnknownField words the refusal of a selector's field; nil is the usual
	// text.
	UnknownField func(name string) string

	// Columns and Cells make a Table: one cell for each column. Without them
	// the columns are Name and Created At. Conditions, if set, are those of
	// the row.
	Columns    []metav1.TableColumnDefinition
	Cells      func(obj Object) []any
	Conditions func(obj Object) []metav1.TableRowCondition
}

// Rules check an object in the light of an operation, and of the old object
// where it is an update; old is nil on create.
type Rules func(ctx context.Context, op operation.Operation, obj, old Object) field.ErrorList

// RulesOf erases the type of a generated validation function; see package
// declarative.
func RulesOf[T Object](f func(ctx context.Context, op operation.Operation, path *field.Path, obj, old T) field.ErrorList) Rules {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, op operation.Operation, obj, old Object) field.ErrorList {
		was, _ := old.(T)
		return f(ctx, op, nil, obj.(T), was)
	}
}

// DryRun says whether a write is only tried.
type DryRun bool

// Stored says whether a write has reached the store.
type Stored bool

// Status is what differs for writers of /status or another part.
type Status struct {
	// PrepareUpdate takes back all changes outside the part.
	PrepareUpdate func(ctx context.Context, obj, old Object)
	// ValidateUpdate returns what is wrong with the part as it is to be.
	ValidateUpdate func(ctx context.Context, obj, old Object) field.ErrorList
	// Warnings returns texts for Warning headers.
	Warnings func(ctx context.Context, obj, old Object) []string
}

// ErrNoReplicas says that an object names no number of replicas.
var ErrNoReplicas = errors.New("does not exist")

// Scale maps an object to the scale subresource.
type Scale struct {
	// Get fills spec and status of the scale; metadata is the registry's work.
	// An error that is [ErrNoReplicas] leaves out only that number.
	Get func(obj Object, scale *autoscalingv1.Scale) error
	// Set changes the object's number of replicas.
	Set func(obj Object, replicas int32) error
	// Path are the fields that lead to the number of replicas; default
	// spec, replicas.
	Path []string
}

// View is another group or version under which a kind's objects are served.
type View struct {
	schema.GroupVersionKind
	Names
	New     func() Object
	NewList func() runtime.Object
	// Default fills in what this version leaves out.
	Default func(obj Object)
	// Rules, if set, are asked instead of the kind's when this version is
	// written.
	Rules Rules
	// FieldNames, if set, are the fields that selectors of this version may
	// name, and which of the kind's they mean.
	FieldNames map[string]string
	// Own, if set, is asked instead of the kind itself about everything but
	// how objects are stored: names, rules, columns, subresources. Its
	// functions take objects as this version shows them.
	Own *Kind
	// ToStored and FromStored convert between this version and the kind's own.
	// They may share memory with their argument and do not change it.
	ToStored, FromStored func(obj Object) (Object, error)
}

// Is reports whether k serves the resource in the group and version given,
// by itself or by a view.
func (k *Kind) Is(gvr schema.GroupVersionResource) bool {
	if !k.StoredOnly && k.GroupVersion() == gvr.GroupVersion() && k.Resource == gvr.Resource {
		return true
	}
	for i := range k.Views {
		if v := &k.Views[i]; v.GroupVersion() == gvr.GroupVersion() && v.Resource == gvr.Resource {
			return true
		}
	}
	return false
}
