package crd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"golang.org/x/sync/singleflight"

	"github.com/keelson-project/keelson/apiserver/webhook"
)

// hookTimeout is how long a webhook may take to convert.
const hookTimeout = 30 * time.Second

// webhooks is what calls of webhooks need.
type webhooks struct {
	ctx     context.Context // ends the calls that are under way
	resolve webhook.Resolver
}

// hook converts by asking a webhook.
type hook struct {
	client   *webhook.Client
	ctx      context.Context
	versions []string // of reviews, that the webhook speaks
	flights  singleflight.Group
}

func newWebhook(d *definition, hooks webhooks) (*hook, error) {
	c := d.crd.Spec.Conversion.Webhook
	if c == nil || c.ClientConfig == nil {
		return nil, errors.New("the webhook's address is missing")
	}
	t := webhook.Target{CABundle: c.ClientConfig.CABundle}
	if s := c.ClientConfig.Service; s != nil {
		t.Namespace, t.Name = s.Namespace, s.Name
		if s.Port != nil {
			t.Port = *s.Port
		}
		if s.Path != nil {
			t.Path = *s.Path
		}
	} else if c.ClientConfig.URL != nil {
		t.URL = *c.ClientConfig.URL
	}
	client, err := webhook.Open(t, hooks.resolve, hookTimeout)
	if err != nil {
		return nil, err
	}
	return &hook{client: client, ctx: hooks.ctx, versions: c.ConversionReviewVersions}, nil
}

// convert asks once for all who want one and the same object converted at the
// same time.
func (h *hook) convert(u *unstructured.Unstructured, from, to *served, r rest) (*unstructured.Unstructured, error) {
	out, err, _ := h.flights.Do(fmt.Sprintf("%p %s %d", u, to.spec.Name, r), func() (any, error) {
		out, err := h.ask(u, to.gvk.GroupVersion())
		if err != nil || r == kept {
			return out, err
		}
		_, err = to.coerce(out, fromClient)
		return out, err
	})
	if err != nil {
		return nil, err
	}
	return out.(*unstructured.Unstructured), nil
}

// ask has one object converted.
func (h *hook) ask(u *unstructured.Unstructured, to schema.GroupVersion) (*unstructured.Unstructured, error) {
	failed := func(err error) error {
		return fmt.Errorf("conversion webhook for %v failed: %w", u.GroupVersionKind(), err)
	}
	uid := uuid.NewUUID()
	raw, err := u.MarshalJSON()
	if err != nil {
		return nil, err
	}
	body, read, err := h.review(&v1.ConversionRequest{UID: uid, DesiredAPIVersion: to.String(), Objects: []runtime.RawExtension{{Raw: raw}}})
	if err != nil {
		return nil, err
	}
	answer, err := h.client.Post(h.ctx, body)
	if err != nil {
		return nil, failed(err)
	}
	objects, err := read(answer)
	if err != nil {
		return nil, failed(err)
	}
	if len(objects) != 1 {
		return nil, fmt.Errorf("conversion webhook for %v returned %d objects, expected %d", u.GroupVersionKind(), len(objects), 1)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(objects[0].Raw); err != nil {
		return nil, err
	}
	invalid := func(format string, args ...any) error {
		return fmt.Errorf("conversion webhook for %v returned invalid "+format, append([]any{u.GroupVersionKind()}, args...)...)
	}
	switch got := out.GroupVersionKind(); {
	case got.GroupVersion() != to:
		return nil, invalid("object at index 0: invalid groupVersion (expected %v, received %v)", to, got.GroupVersion())
	case got.Kind != u.GetKind():
		return nil, invalid("object at index 0: invalid kind (expected %v, received %v)", u.GetKind(), got.Kind)
	}
	if err := sameObject(u, out); err != nil {
		return nil, invalid("object: %w", err)
	}
	if err := restore(u, out); err != nil {
		return nil, invalid("metadata: %w", err)
	}
	return out, nil
}

// review writes a request in the first form that the webhook speaks, and
// returns what reads the answer.
func (h *hook) review(r *v1.ConversionRequest) ([]byte, func([]byte) ([]runtime.RawExtension, error), error) {
	for _, v := range h.versions {
		switch v {
		case "v1":
			review := &v1.ConversionReview{Request: r}
			want := v1.SchemeGroupVersion.WithKind("ConversionReview")
			review.SetGroupVersionKind(want)
			body, err := json.Marshal(review)
			return body, func(data []byte) ([]runtime.RawExtension, error) {
				out := &v1.ConversionReview{}
				if err := json.Unmarshal(data, out); err != nil {
					return nil, err
				}
				if got := out.GroupVersionKind(); got != want {
					return nil, fmt.Errorf("expected webhook response of %v, got %v", want, got)
				}
				if out.Response == nil {
					return nil, errors.New("no response provided")
				}
				if got := out.Response.UID; got != r.UID {
					return nil, fmt.Errorf("expected response.uid=%q, got %q", r.UID, got)
				}
				return out.Response.ConvertedObjects, succeeded(&out.Response.Result)
			}, err
		case "v1beta1":
			review := &v1beta1.ConversionReview{Request: &v1beta1.ConversionRequest{UID: r.UID, DesiredAPIVersion: r.DesiredAPIVersion, Objects: r.Objects}}
			review.SetGroupVersionKind(v1beta1.SchemeGroupVersion.WithKind("ConversionReview"))
			body, err := json.Marshal(review)
			return body, func(data []byte) ([]runtime.RawExtension, error) {
				out := &v1beta1.ConversionReview{}
				if err := json.Unmarshal(data, out); err != nil {
					return nil, err
				}
				if out.Response == nil {
					return nil, errors.New("no response provided")
				}
				return out.Response.ConvertedObjects, succeeded(&out.Response.Result)
			}, err
		}
	}
	return nil, nil, errors.New("no supported conversion review versions")
}

func succeeded(s *metav1.Status) error {
	switch {
	case s.Status == metav1.StatusSuccess:
		return nil
	case s.Message != "":
		return errors.New(s.Message)
	}
	return fmt.Errorf("response.result.status was '%s', not 'Success'", s.Status)
}

// sameObject requires that a webhook has not made another object of it.
func sameObject(a, b *unstructured.Unstructured) error {
	for _, c := range []struct {
		what string
		a, b any
	}{{"name", a.GetName(), b.GetName()}, {"namespace", a.GetNamespace(), b.GetNamespace()}, {"UID", a.GetUID(), b.GetUID()}} {
		if c.a != c.b {
			return fmt.Errorf("must have the same %s: %v != %v", c.what, c.a, c.b)
		}
	}
	return nil
}

// restore gives a converted object the metadata it had, but for labels and
// annotations, which a webhook may change.
func restore(original, converted *unstructured.Unstructured) error {
	found, ok := converted.Object["metadata"]
	if !ok {
		return errors.New("missing metadata in converted object")
	}
	theirs, ok := found.(map[string]any)
	if !ok {
		return fmt.Errorf("invalid metadata of type %T in converted object", found)
	}
	meta, _ := original.Object["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	if meta == nil {
		meta = map[string]any{}
	}
	for _, name := range []string{"labels", "annotations"} {
		value := theirs[name]
		if value == nil {
			delete(meta, name)
			continue
		}
		set, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("invalid metadata.%s of type %T in converted object", name, value)
		}
		texts := make(map[string]string, len(set))
		for k, v := range set {
			if texts[k], ok = v.(string); !ok {
				return fmt.Errorf("metadata.%s[%s] must be a string, but is %T in converted object", name, k, v)
			}
		}
		if had, _, _ := unstructured.NestedStringMap(original.Object, "metadata", name); !maps.Equal(had, texts) {
			var errs field.ErrorList
			if name == "labels" {
				errs = metavalidation.ValidateLabels(texts, field.NewPath("metadata", "labels"))
			} else {
				errs = validation.ValidateAnnotations(texts, field.NewPath("metadata", "annotation"))
			}
			if len(errs) > 0 {
				return errs.ToAggregate()
			}
		}
		meta[name] = set
	}
	converted.Object["metadata"] = meta
	return nil
}
