package endpoint

import (
	"net/http"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/apiserver/table"
)

func (h *Handler) get(w http.ResponseWriter, r *request) error {
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	opts := &metav1.GetOptions{}
	if r.URL.RawQuery != "" {
		if v, ok := r.URL.Query()["export"]; ok {
			on, err := strconv.ParseBool(v[0])
			if err != nil {
				return apierrors.NewBadRequest("the export parameter cannot be parsed: " + err.Error())
			}
			if on {
				return apierrors.NewBadRequest("the export parameter, deprecated since v1.14, is no longer supported")
			}
		}
		if err := parameters(r.Request, opts); err != nil {
			return err
		}
	}
	it, err := r.resource.Get(r.Context(), r.namespace, r.info.Name, opts)
	if err != nil {
		return err
	}
	return h.answer(w, r, http.StatusOK, it, out)
}

// form is what of an item an answer is made of.
func form(out codec.Output) cache.Form {
	f := cache.JSON
	if out.Media == codec.Protobuf {
		f = cache.Protobuf
	}
	if out.IsPartial() {
		f += cache.MetaJSON - cache.JSON
	}
	return f
}

// bytesOf returns the bytes of an item to build an answer of, and its type.
func bytesOf(res *registry.Resource, it *cache.Item, out codec.Output) ([]byte, *codec.Type, error) {
	b, err := it.Bytes(form(out))
	if err != nil {
		return nil, nil, apierrors.NewInternalError(err)
	}
	if out.IsPartial() {
		return b, codec.NewType(partialKind(out, ""), codec.Untagged), nil
	}
	return b, res.Type, nil
}

func partialKind(out codec.Output, suffix string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: out.As.Group, Version: out.As.Version, Kind: "PartialObjectMetadata" + suffix}
}

// answer writes one object in the form asked for.
func (h *Handler) answer(w http.ResponseWriter, r *request, code int, it *cache.Item, out codec.Output) error {
	if out.IsTable() {
		return h.answerTable(w, r, code, []*cache.Item{it}, &metav1.ListMeta{ResourceVersion: it.Object.GetResourceVersion()}, out)
	}
	if out.As != nil && out.As.Kind != "PartialObjectMetadata" {
		return conversionError("you requested PartialObjectMetadataList, but the requested object is not a list (" + typeName(r.resource, r.resource.GVK) + ")")
	}
	body, typ, err := bytesOf(r.resource, it, out)
	if err != nil {
		return err
	}
	parts := typ.Object(out.Media, body)
	if out.Media != codec.Protobuf {
		parts = append(parts, []byte("\n"))
	}
	h.writeParts(w, r.Request, code, parts, out)
	return nil
}

func (h *Handler) list(w http.ResponseWriter, r *request) error {
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	opts, err := listOptions(r)
	if err != nil {
		return err
	}
	if opts.Watch {
		return h.watchWith(w, r, opts, out)
	}
	l, err := r.resource.List(r.Context(), r.namespace, opts)
	if err != nil {
		return err
	}
	return h.answerList(w, r, l, out)
}

// answerList writes a list in the form asked for.
func (h *Handler) answerList(w http.ResponseWriter, r *request, l *registry.List, out codec.Output) error {
	if out.IsTable() {
		return h.answerTable(w, r, http.StatusOK, l.Items, &l.Meta, out)
	}
	typ := r.resource.ListType
	if out.As != nil {
		if out.As.Kind != "PartialObjectMetadataList" {
			return conversionError("you requested PartialObjectMetadata, but the requested object is a list (" + typeName(r.resource, r.resource.ListType.GVK) + ")")
		}
		kind := partialKind(out, "List")
		if len(l.Items) == 0 { // the items are null then
			none := &metav1.PartialObjectMetadataList{ListMeta: l.Meta}
			none.SetGroupVersionKind(kind)
			h.write(w, r.Request, http.StatusOK, none, out)
			return nil
		}
		typ = codec.NewType(kind, codec.Untagged)
	}
	items := make([][]byte, len(l.Items))
	head := codec.Parts(nil)
	for i, it := range l.Items {
		b, one, err := bytesOf(r.resource, it, out)
		if err != nil {
			return err
		}
		if out.IsPartial() && out.Media != codec.Protobuf {
			// items of this list say what they are
			if head == nil {
				head = one.Object(out.Media, []byte("{}x"))
				head = head[:len(head)-1]
			}
			b = codec.Parts{head.Bytes(), b[1:]}.Bytes()
		}
		items[i] = b
	}
	parts, err := typ.List(out.Media, &l.Meta, items)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	h.writeParts(w, r.Request, http.StatusOK, parts, out)
	return nil
}

func (h *Handler) answerTable(w http.ResponseWriter, r *request, code int, items []*cache.Item, meta *metav1.ListMeta, out codec.Output) error {
	t, err := newTabler(r, out)
	if err != nil {
		return err
	}
	data, err := t.table(meta, items)
	if err != nil {
		return apierrors.NewInternalError(err)
	}
	h.writeParts(w, r.Request, code, codec.Parts{data, []byte("\n")}, out)
	return nil
}

// tabler makes Tables for one request.
type tabler struct {
	res     *registry.Resource
	gv      schema.GroupVersion
	include metav1.IncludeObjectPolicy
	headers bool
	partial *codec.Type
	w       table.Writer
}

func newTabler(r *request, out codec.Output) (*tabler, error) {
	opts, err := tableOptions(r)
	if err != nil {
		return nil, err
	}
	gv := schema.GroupVersion{Group: out.As.Group, Version: out.As.Version}
	return &tabler{
		res: r.resource, gv: gv, include: opts.IncludeObject, headers: !opts.NoHeaders,
		partial: codec.NewType(gv.WithKind("PartialObjectMetadata"), codec.Untagged),
	}, nil
}

func tableOptions(r *request) (*metav1.TableOptions, error) {
	opts := &metav1.TableOptions{}
	if err := parameters(r.Request, opts); err != nil {
		return nil, err
	}
	if errs := metavalidation.ValidateTableOptions(opts); len(errs) > 0 {
		text := errs[0].Error()
		if len(errs) > 1 {
			text = errs.ToAggregate().Error()
		}
		return nil, apierrors.NewBadRequest("Unable to convert to Table as requested: " + text)
	}
	return opts, nil
}

// table makes one Table; its bytes are valid until the next.
func (t *tabler) table(meta *metav1.ListMeta, items []*cache.Item) ([]byte, error) {
	var columns []metav1.TableColumnDefinition
	if t.headers {
		columns = table.Columns(t.res.Kind)
	}
	t.w.Begin(t.gv, meta, columns)
	for _, it := range items {
		if err := t.row(it); err != nil {
			return nil, err
		}
	}
	return t.w.End(t.res.Kind)
}

func (t *tabler) row(it *cache.Item) error {
	obj, err := t.res.ToJudged(it.Object)
	if err != nil {
		return err
	}
	var conditions []metav1.TableRowCondition
	if t.res.Kind.Conditions != nil {
		conditions = t.res.Kind.Conditions(obj)
	}
	cells := table.Cells(t.res.Kind, obj)
	include := t.include
	if include == metav1.IncludeNone && obj.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
		include = metav1.IncludeMetadata // or its reader could not know that it ends the initial events
	}
	switch include {
	case metav1.IncludeNone:
		t.w.Row(cells, conditions, []byte("null"))
	case metav1.IncludeObject:
		b, err := it.Bytes(cache.JSON)
		if err != nil {
			return err
		}
		t.w.Row(cells, conditions, t.res.Type.Object(codec.JSON, b)...)
	default:
		b, err := it.Bytes(cache.MetaJSON)
		if err != nil {
			return err
		}
		t.w.Row(cells, conditions, t.partial.Object(codec.JSON, b)...)
	}
	return nil
}
