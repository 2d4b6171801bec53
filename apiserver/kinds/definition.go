package kinds

import (
	"context"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Definition describes a kind by functions over its own Go type, such as
// *corev1.Pod. The fields mean what those of [Kind] with the same name do.
type Definition[T Object] struct {
	GVK schema.GroupVersionKind
	Names
	Namespaced bool
	StorageKey string // default: Names.Resource
	New        func() T
	NewList    func() runtime.Object
	Views      []View
	StoredOnly bool

	Encode        func(obj T) ([]byte, error)
	Decode        func(value []byte) (T, error)
	StoredAs      schema.GroupVersionKind
	TypeConverter managedfields.TypeConverter

	ValidName          func(name string, prefix bool) []string // default: a DNS subdomain
	MetadataLast       bool
	RecheckName        bool
	AnyFinalizer       bool
	AnyStatusFinalizer bool
	Default            func(obj T)
	Convert            func(obj T) error
	Carriers           []string

	PrepareCreate  func(ctx context.Context, obj T)
	Validate       func(ctx context.Context, obj T) field.ErrorList
	PrepareUpdate  func(ctx context.Context, obj, old T)
	ValidateUpdate func(ctx context.Context, obj, old T) field.ErrorList
	// Rules is a generated function, such as Validate_Pod; it is called with
	// the zero T as old on create, as is RuleOptions.
	Rules        func(ctx context.Context, op operation.Operation, path *field.Path, obj, old T) field.ErrorList
	RuleOptions  func(obj, old T) map[string]bool
	Canonicalize func(obj T)
	// Warnings is called with the zero T as old on create.
	Warnings func(ctx context.Context, obj, old T) []string

	CreateOnUpdate, UnconditionalUpdate bool
	Deprecated                          string

	TTL                func(obj T) time.Duration
	GracefulDelete     func(ctx context.Context, obj T, opts *metav1.DeleteOptions) bool
	MarkDeleted        func(obj T)
	ReturnDeleted      bool
	NoDependents       bool
	DefaultPropagation metav1.DeletionPropagation
	DeleteWarnings     func(opts *metav1.DeleteOptions) []string
	Unfinished         func(obj T) bool

	// HasStatus serves /status with the functions below.
	HasStatus            bool
	PrepareStatusUpdate  func(ctx context.Context, obj, old T)
	ValidateStatusUpdate func(ctx context.Context, obj, old T) field.ErrorList
	StatusWarnings       func(ctx context.Context, obj, old T) []string

	// Subresources are served like /status.
	Subresources map[string]Part[T]
	Resets       map[string][]string

	// GetScale and SetScale, if set, serve /scale.
	GetScale func(obj T, scale *autoscalingv1.Scale)
	SetScale func(obj T, replicas int32)

	Fields           func(obj T) fields.Set
	FieldNames       []string
	NoNamespaceField bool
	Terms            func(obj T) []string
	FieldAliases     map[string]string
	UnknownField     func(name string) string

	Columns    []metav1.TableColumnDefinition
	Cells      func(obj T) []any
	Conditions func(obj T) []metav1.TableRowCondition
}

// Part is a subresource that writes a part of the object, as [Status] does.
type Part[T Object] struct {
	PrepareUpdate  func(ctx context.Context, obj, old T)
	ValidateUpdate func(ctx context.Context, obj, old T) field.ErrorList
}

// Kind erases the type.
func (d Definition[T]) Kind() *Kind {
	k := &Kind{
		GroupVersionKind: d.GVK, Names: d.Names, Namespaced: d.Namespaced, StorageKey: d.StorageKey,
		New: func() Object { return d.New() }, NewList: d.NewList, Views: d.Views, StoredOnly: d.StoredOnly,
		StoredAs: d.StoredAs, TypeConverter: d.TypeConverter,
		ValidName:          d.ValidName,
		MetadataLast:       d.MetadataLast,
		RecheckName:        d.RecheckName,
		AnyFinalizer:       d.AnyFinalizer,
		AnyStatusFinalizer: d.AnyStatusFinalizer,
		Default:            one(d.Default),
		Convert:            get(d.Convert),
		Carriers:           d.Carriers,
		PrepareCreate:      inContext(d.PrepareCreate),
		Validate:           validation1(d.Validate),
		PrepareUpdate:      two(d.PrepareUpdate),
		ValidateUpdate:     validation2(d.ValidateUpdate),
		Rules:              RulesOf(d.Rules),
		Canonicalize:       one(d.Canonicalize),
		CreateOnUpdate:     d.CreateOnUpdate, UnconditionalUpdate: d.UnconditionalUpdate, Deprecated: d.Deprecated,
		Resets: d.Resets,
		TTL:    get(d.TTL), MarkDeleted: one(d.MarkDeleted), ReturnDeleted: d.ReturnDeleted, NoDependents: d.NoDependents, DefaultPropagation: d.DefaultPropagation,
		DeleteWarnings: d.DeleteWarnings, Terms: get(d.Terms),
		Fields: get(d.Fields), FieldNames: d.FieldNames, NoNamespaceField: d.NoNamespaceField,
		FieldAliases: d.FieldAliases, UnknownField: d.UnknownField,
		Columns: d.Columns, Cells: get(d.Cells), Conditions: get(d.Conditions),
	}
	if k.StorageKey == "" {
		k.StorageKey = d.Resource
	}
	if f := d.Encode; f != nil {
		k.Encode = func(obj Object) ([]byte, error) { return f(obj.(T)) }
	}
	if f := d.Decode; f != nil {
		k.Decode = func(value []byte) (Object, error) {
			obj, err := f(value)
			if err != nil {
				return nil, err // and no pointer of a type, which would be some object
			}
			return obj, nil
		}
	}
	if k.ValidName == nil {
		k.ValidName = validation.NameIsDNSSubdomain
	}
	if f := d.RuleOptions; f != nil {
		k.RuleOptions = func(obj, old Object) map[string]bool {
			was, _ := old.(T)
			return f(obj.(T), was)
		}
	}
	if f := d.Warnings; f != nil {
		k.Warnings = func(ctx context.Context, obj, old Object) []string {
			was, _ := old.(T)
			return f(ctx, obj.(T), was)
		}
	}
	if f := d.GracefulDelete; f != nil {
		k.GracefulDelete = func(ctx context.Context, obj Object, opts *metav1.DeleteOptions) bool {
			return f(ctx, obj.(T), opts)
		}
	}
	if d.HasStatus {
		k.Status = &Status{PrepareUpdate: two(d.PrepareStatusUpdate), ValidateUpdate: validation2(d.ValidateStatusUpdate)}
		if f := d.StatusWarnings; f != nil {
			k.Status.Warnings = func(ctx context.Context, obj, old Object) []string { return f(ctx, obj.(T), old.(T)) }
		}
	}
	if d.Unfinished != nil {
		k.Unfinished = get(d.Unfinished)
	}
	for name, p := range d.Subresources {
		if k.Subresources == nil {
			k.Subresources = make(map[string]*Status, len(d.Subresources))
		}
		k.Subresources[name] = &Status{PrepareUpdate: two(p.PrepareUpdate), ValidateUpdate: validation2(p.ValidateUpdate)}
	}
	if d.GetScale != nil {
		k.Scale = &Scale{
			Get: func(obj Object, scale *autoscalingv1.Scale) error { d.GetScale(obj.(T), scale); return nil },
			Set: func(obj Object, replicas int32) error { d.SetScale(obj.(T), replicas); return nil },
		}
	}
	return k
}

func one[T Object](f func(T)) func(Object) {
	if f == nil {
		return nil
	}
	return func(obj Object) { f(obj.(T)) }
}

func get[T Object, R any](f func(T) R) func(Object) R {
	if f == nil {
		return nil
	}
	return func(obj Object) R { return f(obj.(T)) }
}

func inContext[T Object](f func(context.Context, T)) func(context.Context, Object) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, obj Object) { f(ctx, obj.(T)) }
}

func two[T Object](f func(context.Context, T, T)) func(context.Context, Object, Object) {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, obj, old Object) { f(ctx, obj.(T), old.(T)) }
}

func validation1[T Object](f func(context.Context, T) field.ErrorList) func(context.Context, Object) field.ErrorList {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, obj Object) field.ErrorList { return f(ctx, obj.(T)) }
}

func validation2[T Object](f func(context.Context, T, T) field.ErrorList) func(context.Context, Object, Object) field.ErrorList {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, obj, old Object) field.ErrorList { return f(ctx, obj.(T), old.(T)) }
}
