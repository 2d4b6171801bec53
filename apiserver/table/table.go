package table

import (
	"bytes"
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

var objectMeta = metav1.ObjectMeta{}.SwaggerDoc()

// Columns are those of a kind; of one without its own, name and age.
func Columns(k *kinds.Kind) []metav1.TableColumnDefinition {
	if len(k.Columns) > 0 {
		return k.Columns
	}
	return []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name", Description: objectMeta["name"]},
		{Name: "Created At", Type: "date", Description: objectMeta["creationTimestamp"]},
	}
}

// Cells are those of an object in its kind's stored version, in the order of
// Columns. For an empty object, as in a bookmark, use Blank.
func Cells(k *kinds.Kind, obj kinds.Object) []any {
	if k.Cells != nil && len(k.Columns) > 0 {
		return k.Cells(obj)
	}
	return []any{obj.GetName(), obj.GetCreationTimestamp().UTC().Format(time.RFC3339)}
}

// Writer puts a Table together as JSON.
type Writer struct {
	b    bytes.Buffer
	rows int
	err  error
}

// Begin writes what comes before the rows; nil columns leave them out.
func (w *Writer) Begin(gv schema.GroupVersion, meta *metav1.ListMeta, columns []metav1.TableColumnDefinition) {
	w.b.Reset()
	w.rows, w.err = 0, nil
	w.b.WriteString(`{"kind":"Table","apiVersion":`)
	w.value(gv.String())
	w.b.WriteString(`,"metadata":`)
	w.value(meta)
	w.b.WriteString(`,"columnDefinitions":`)
	w.value(columns)
	w.b.WriteString(`,"rows":`)
}

// Row writes a row; object is the JSON to include with it, "null" for none.
func (w *Writer) Row(cells []any, conditions []metav1.TableRowCondition, object ...[]byte) {
	if w.rows > 0 {
		w.b.WriteByte(',')
	} else {
		w.b.WriteByte('[')
	}
	w.rows++
	w.b.WriteString(`{"cells":`)
	w.value(cells)
	if len(conditions) > 0 {
		w.b.WriteString(`,"conditions":`)
		w.value(conditions)
	}
	w.b.WriteString(`,"object":`)
	for _, b := range object {
		w.b.Write(b)
	}
	w.b.WriteByte('}')
}

// End writes what follows the rows of a kind and returns the whole, valid until
// the next Begin.
func (w *Writer) End(k *kinds.Kind) ([]byte, error) {
	switch {
	case w.rows > 0:
		w.b.WriteString("]}")
	case len(k.Columns) == 0: // as Kubernetes does it
		w.b.WriteString("null}")
	default:
		w.b.WriteString("[]}")
	}
	return w.b.Bytes(), w.err
}

func (w *Writer) value(v any) {
	data, err := json.Marshal(v)
	if err != nil && w.err == nil {
		w.err = err
	}
	w.b.Write(data)
}
