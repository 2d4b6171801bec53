package flowcontrol

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	flowcontrolv1 "k8s.io/api/flowcontrol/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"

	apikinds "github.com/keelson-project/keelson/apiserver/kinds"
	kinds "github.com/keelson-project/keelson/apiserver/kinds/flowcontrol"
	"github.com/keelson-project/keelson/apiserver/ownership"
	"github.com/keelson-project/keelson/apiserver/registry"
)

// state are the objects that are there. They are shared: nobody changes them.
type state struct {
	schemas map[string]*flowcontrolv1.FlowSchema
	levels  map[string]*flowcontrolv1.PriorityLevelConfiguration
}

// ensure makes all objects as they are to be.
func (k *Keeper) ensure(ctx context.Context, s state) error {
	levels := registry.Direct[*flowcontrolv1.PriorityLevelConfiguration]{
		Registry: k.registry, Resource: flowcontrolv1.SchemeGroupVersion.WithResource("prioritylevelconfigurations"), Manager: producer,
	}
	schemas := registry.Direct[*flowcontrolv1.FlowSchema]{
		Registry: k.registry, Resource: flowcontrolv1.SchemeGroupVersion.WithResource("flowschemas"), Manager: producer,
	}
	known := map[string]bool{}
	var errs []error
	for _, group := range []struct {
		levels  []*flowcontrolv1.PriorityLevelConfiguration
		schemas []*flowcontrolv1.FlowSchema
		revise  revision
	}{
		{bootstrap.SuggestedPriorityLevelConfigurations, bootstrap.SuggestedFlowSchemas, suggested},
		{bootstrap.MandatoryPriorityLevelConfigurations, bootstrap.MandatoryFlowSchemas, mandatory},
	} {
		for _, want := range group.levels {
			known["level "+want.Name] = true
			errs = append(errs, ensure(ctx, levels, want, s.levels[want.Name], group.revise, reviseLevel))
		}
		for _, want := range group.schemas {
			known["schema "+want.Name] = true
			errs = append(errs, ensure(ctx, schemas, want, s.schemas[want.Name], group.revise, reviseSchema))
		}
	}
	for name, have := range s.schemas {
		errs = append(errs, abandon(ctx, schemas, have, known["schema "+name]), k.note(ctx, have, s.levels[have.Spec.PriorityLevelConfiguration.Name] != nil))
	}
	for name, have := range s.levels {
		errs = append(errs, abandon(ctx, levels, have, known["level "+name]))
	}
	return errors.Join(errs...)
}

type object[T any] interface {
	apikinds.Object
	comparable
	DeepCopy() T
}

// revision says whether the spec of an object is to follow Kubernetes.
type revision func(have metav1.Object) bool

func mandatory(metav1.Object) bool { return true }

// suggested objects follow unless their annotation says otherwise, or, without
// one, somebody has changed them.
func suggested(have metav1.Object) bool {
	if follows, known := annotated(have); known {
		return follows
	}
	return have.GetGeneration() == 1
}

func annotated(have metav1.Object) (follows, known bool) {
	follows, err := strconv.ParseBool(have.GetAnnotations()[flowcontrolv1.AutoUpdateAnnotationKey])
	return follows, err == nil
}

// ensure makes an object that is missing, or brings the one that is there up
// to date; revise gives a copy the spec that is wanted and says whether that
// changed it.
func ensure[T object[T]](ctx context.Context, client registry.Direct[T], want, have T, follow revision, revise func(have, want T) bool) error {
	var none T
	var err error
	if have == none {
		_, err = client.Create(ctx, want, metav1.CreateOptions{})
	} else {
		next, follows := have.DeepCopy(), follow(have)
		changed := follows && revise(next, want)
		if says, known := annotated(have); !known || says != follows {
			all := next.GetAnnotations()
			if all == nil {
				all = map[string]string{}
			}
			all[flowcontrolv1.AutoUpdateAnnotationKey] = strconv.FormatBool(follows)
			next.SetAnnotations(all)
			changed = true
		}
		if !changed {
			return nil
		}
		_, err = client.Update(ctx, next, metav1.UpdateOptions{})
	}
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // somebody was faster, and the news is on its way
	}
	if err != nil {
		return fmt.Errorf("flowcontrol: %s: %w", want.GetName(), err)
	}
	return nil
}

func reviseSchema(have, want *flowcontrolv1.FlowSchema) bool {
	want = want.DeepCopy()
	kinds.DefaultFlowSchema(want)
	if equality.Semantic.DeepEqual(have.Spec, want.Spec) {
		return false
	}
	have.Spec = want.Spec
	return true
}

// reviseLevel leaves alone how much the exempt level has and lends.
func reviseLevel(have, want *flowcontrolv1.PriorityLevelConfiguration) bool {
	want = want.DeepCopy()
	kinds.DefaultPriorityLevel(want)
	if want.Spec.Exempt != nil && have.Spec.Exempt != nil {
		want.Spec.Exempt = have.Spec.Exempt
	}
	if equality.Semantic.DeepEqual(have.Spec, want.Spec) {
		return false
	}
	have.Spec = want.Spec
	return true
}

// abandon deletes an object that follows Kubernetes, but that Kubernetes no
// longer knows.
func abandon[T apikinds.Object](ctx context.Context, client registry.Direct[T], have T, known bool) error {
	if follows, _ := annotated(have); known || !follows || have.GetDeletionTimestamp() != nil {
		return nil
	}
	uid := have.GetUID()
	err := client.Delete(ctx, have.GetName(), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("flowcontrol: deleting %s: %w", have.GetName(), err)
	}
	return nil
}

// note writes down whether a schema's priority level is there.
func (k *Keeper) note(ctx context.Context, s *flowcontrolv1.FlowSchema, found bool) error {
	level := s.Spec.PriorityLevelConfiguration.Name
	status, reason, rest := flowcontrolv1.ConditionFalse, "Found", "and it exists"
	if !found {
		status, reason, rest = flowcontrolv1.ConditionTrue, "NotFound", "but there is no such object"
	}
	message := fmt.Sprintf("This FlowSchema references the PriorityLevelConfiguration object named %q %s", level, rest)
	for _, c := range s.Status.Conditions {
		if c.Type == flowcontrolv1.FlowSchemaConditionDangling && c.Status == status && c.Reason == reason && c.Message == message {
			return nil
		}
	}
	condition := flowcontrolv1.FlowSchemaCondition{
		Type: flowcontrolv1.FlowSchemaConditionDangling, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.Now().Rfc3339Copy(),
	}
	err := k.apply(ctx, s.Name, condition)
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("flowcontrol: noting the priority level of %s: %w", s.Name, err)
	}
	return nil
}

// applied are the fields that the keeper owns in a schema's status.
const applied = `{"f:status":{"f:conditions":{"k:{\"type\":\"Dangling\"}":{".":{},"f:lastTransitionTime":{},"f:message":{},"f:reason":{},"f:status":{},"f:type":{}}}}}`

// apply sets a condition of a schema as a forced server-side apply of it does,
// but without the schema of all kinds, which takes long to read at the start.
func (k *Keeper) apply(ctx context.Context, name string, condition flowcontrolv1.FlowSchemaCondition) error {
	schemas := k.registry.Resource(flowcontrolv1.SchemeGroupVersion.WithResource("flowschemas"))
	if schemas == nil {
		return apierrors.NewNotFound(flowcontrolv1.Resource("flowschemas"), name)
	}
	ctx = request.WithUser(ctx, &user.DefaultInfo{Name: user.APIServerUser, Groups: []string{user.SystemPrivilegedGroup}})
	w := registry.Write{Name: name, Subresource: "status", Manager: consumer}
	_, _, err := schemas.Change(ctx, w, false, func(_ context.Context, old apikinds.Object) (apikinds.Object, registry.Tracked, error) {
		next := old.(*flowcontrolv1.FlowSchema).DeepCopy()
		if i := slices.IndexFunc(next.Status.Conditions, func(c flowcontrolv1.FlowSchemaCondition) bool { return c.Type == condition.Type }); i >= 0 {
			next.Status.Conditions[i] = condition
		} else {
			next.Status.Conditions = append(next.Status.Conditions, condition)
		}
		fields, ok := k.owners.Update(old, next, ownership.Writer{
			Manager: consumer, APIVersion: flowcontrolv1.SchemeGroupVersion.String(), Subresource: "status", Resets: []string{"spec", "metadata"}, Applies: applied,
		})
		if ok {
			next.ManagedFields = fields
		}
		return next, registry.Tracked(ok), nil
	})
	return err
}
