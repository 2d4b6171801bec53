package crd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// A converter makes the form of an object in another version. The result may
// share memory with the object, which is not changed.
type converter interface {
	convert(obj *unstructured.Unstructured, from, to *served, r rest) (*unstructured.Unstructured, error)
}

// rest says what becomes of fields that a version does not know.
type rest int

const (
	dropped rest = iota
	kept
)

func newConverter(d *definition, hooks webhooks) (converter, error) {
	c := d.crd.Spec.Conversion
	if c == nil || c.Strategy != v1.WebhookConverter {
		return &relabel{}, nil
	}
	return newWebhook(d, hooks)
}

// in returns an object as a version has it; the object itself if it is of that
// version already.
func (d *definition) in(to *served, obj kinds.Object) (kinds.Object, error) {
	return d.as(to, obj, dropped)
}

// between is in for one version's form of an object, of which nothing is
// dropped.
func (d *definition) between(obj kinds.Object, gv schema.GroupVersion) (kinds.Object, error) {
	to := d.versions[gv.Version]
	if to == nil || gv.Group != d.gk.Group {
		return nil, runtime.NewNotRegisteredErrForKind("keelson", d.gk.WithVersion(gv.Version))
	}
	return d.as(to, obj, kept)
}

func (d *definition) as(to *served, obj kinds.Object, r rest) (kinds.Object, error) {
	u := obj.(*unstructured.Unstructured)
	gvk := u.GroupVersionKind()
	if gvk == to.gvk {
		return obj, nil
	}
	from := d.versions[gvk.Version]
	if from == nil || gvk.Group != d.gk.Group {
		return nil, failure(fmt.Errorf("request to convert CR from an invalid group/version: %s", gvk.GroupVersion()))
	}
	out, err := d.convert.convert(u, from, to, r)
	if err != nil {
		return nil, failure(err)
	}
	return out, nil
}

// failure is the answer to a request that a failed conversion ends. What a
// webhook has answered is not passed on as such.
func failure(err error) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Message: err.Error()}}
}

// relabel converts by saying that the object is of the other version, and
// dropping what that one does not know.
type relabel struct {
	mu   sync.Mutex
	same map[[2]string]bool // whether two versions have the same schema
}

func (r *relabel) convert(u *unstructured.Unstructured, from, to *served, unknown rest) (*unstructured.Unstructured, error) {
	content := make(map[string]any, len(u.Object))
	for k, v := range u.Object {
		content[k] = v
	}
	content["apiVersion"] = to.gvk.GroupVersion().String()
	out := &unstructured.Unstructured{Object: content}
	if unknown == kept || r.alike(from, to) {
		return out, nil
	}
	out = out.DeepCopy()
	_, err := to.coerce(out, fromClient)
	return out, err
}

// alike reports whether what fits one version fits the other.
func (r *relabel) alike(a, b *served) bool {
	key := [2]string{a.spec.Name, b.spec.Name}
	r.mu.Lock()
	defer r.mu.Unlock()
	same, known := r.same[key]
	if !known {
		if r.same == nil {
			r.same = map[[2]string]bool{}
		}
		same = equality.Semantic.DeepEqual(a.spec.Schema, b.spec.Schema)
		r.same[key] = same
	}
	return same
}

// decode reads what the store holds. The object stays in the version that it
// was stored in, for a webhook may not answer now.
func (d *definition) decode(value []byte) (kinds.Object, error) {
	u := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(value, &u.Object); err != nil {
		return nil, err
	}
	gvk := u.GroupVersionKind()
	v := d.versions[gvk.Version]
	if v == nil || gvk.GroupKind() != d.gk {
		return nil, fmt.Errorf("stored as %s, which definition %s does not have", gvk, d.crd.Name)
	}
	if _, err := v.coerce(u, fromStore); err != nil {
		return nil, err
	}
	v.setDefaults(u)
	return u, nil
}

// encode writes an object for the store, in the version that is meant for it,
// which obj is then of, too.
func (d *definition) encode(obj kinds.Object) ([]byte, error) {
	stored, err := d.in(d.storage, obj)
	if err != nil {
		return nil, err
	}
	u := obj.(*unstructured.Unstructured)
	u.Object = stored.(*unstructured.Unstructured).Object
	if err := d.storage.tidy(u); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(u.Object); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
