package builtin

import (
	"context"
	"encoding/json"
	"testing"

	"k8s.io/apiserver/pkg/endpoints/request"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// newEvent is an event of events.k8s.io/v1, where more is asked of events.
const newEvent = `{"eventTime":"2026-01-01T00:00:00.000000Z","reportingController":"a.b/c","reportingInstance":"i","action":"x","reason":"r","type":"Normal","regarding":{"namespace":"ns"}}`

// newEventRefused are events that differ from it, and are refused.
var newEventRefused = [][2]string{
	{`{"eventTime":null}`, "eventTime: Required value"},
	{`{"type":"Other"}`, `type: Invalid value: "": has invalid value: Other`},
	{`{"type":null}`, `type: Invalid value: "": has invalid value: `},
	{`{"deprecatedFirstTimestamp":"2026-01-01T00:00:00Z"}`, `firstTimestamp: Invalid value: "": needs to be unset`},
	{`{"deprecatedLastTimestamp":"2026-01-01T00:00:00Z"}`, `lastTimestamp: Invalid value: "": needs to be unset`},
	{`{"deprecatedCount":1}`, `count: Invalid value: "": needs to be unset`},
	{`{"deprecatedSource":{"component":"c"}}`, `source: Invalid value: "": needs to be unset`},
	{`{"series":{"count":1,"lastObservedTime":"2026-01-01T00:00:00.000000Z"}}`, `series.count: Invalid value: "": should be at least 2`},
	{`{"series":{"count":2,"lastObservedTime":null}}`, "series.lastObservedTime: Required value"},
	{`{"reportingController":""}`, "reportingController: Required value"},
	{`{"reportingController":"a b"}`, `reportingController: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or `},
	{`{"reportingInstance":""}`, "reportingInstance: Required value"},
	{`{"action":""}`, "action: Required value"},
	{`{"reason":""}`, "reason: Required value"},
	{`{"reason":"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"}`, `reason: Invalid value: "": can have at most 128 characters`},
	{`{"note":"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"}`, `message: Invalid value: "": can have at most 1024 characters`},
	{`{"regarding":{"namespace":null}}`, `involvedObject.namespace: Invalid value: "": does not match event.namespace`},
	{`{"metadata":{"finalizers":["a b"]}}`, `metadata.finalizers: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or `},
	{`{"metadata":{"finalizers":["other"]}}`, `metadata.finalizers[0]: Invalid value: "other": name is neither a standard finalizer name nor is it fully qualified`},
	{`{"metadata":{"name":"A_"}}`, `metadata.name: Invalid value: "A_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.`},
	{`{"metadata":{"labels":{"a":"b c"}}}`, `metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValu`},
}

// newEventUpdateRefused are changes of it that are refused.
var newEventUpdateRefused = [][2]string{
	{`{"regarding":{"name":"n"}}`, `involvedObject: Invalid value: {"Kind":"","Namespace":"ns","Name":"n","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable`},
	{`{"reason":"q"}`, `reason: Invalid value: "q": field is immutable`},
	{`{"note":"q"}`, `message: Invalid value: "q": field is immutable`},
	{`{"deprecatedSource":{"component":"c"}}`, `source: Invalid value: {"Component":"c","Host":""}: field is immutable`},
	{`{"deprecatedFirstTimestamp":"2026-01-01T00:00:00Z"}`, `firstTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable`},
	{`{"deprecatedLastTimestamp":"2026-01-01T00:00:00Z"}`, `lastTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable`},
	{`{"deprecatedCount":1}`, "count: Invalid value: 1: field is immutable"},
	{`{"type":"Warning"}`, `type: Invalid value: "Warning": field is immutable`},
	{`{"action":"y"}`, `action: Invalid value: "y": field is immutable`},
	{`{"related":{"name":"n"}}`, `related: Invalid value: {"Kind":"","Namespace":"","Name":"n","UID":"","APIVersion":"","ResourceVersion":"","FieldPath":""}: field is immutable`},
	{`{"reportingController":"b"}`, `reportingController: Invalid value: "b": field is immutable`},
	{`{"reportingInstance":"j"}`, `reportingInstance: Invalid value: "j": field is immutable`},
	{`{"eventTime":"2026-01-02T00:00:00.000000Z"}`, `eventTime: Invalid value: "2026-01-02T00:00:00.000000Z": field is immutable`},
	{`{"series":{"count":1,"lastObservedTime":"2026-01-01T00:00:00.000000Z"}}`, `series.count: Invalid value: "": should be at least 2`},
	{`{"series":{"count":2,"lastObservedTime":null}}`, "series.lastObservedTime: Required value"},
}

// storedEvent is what is stored of the new event with a patch.
func storedEvent(t *testing.T, k *kinds.Kind, patch string) kinds.Object {
	t.Helper()
	whole := map[string]any{"metadata": map[string]any{"name": "it", "namespace": "ns"}}
	for _, text := range []string{newEvent, patch} {
		var p map[string]any
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(text, err)
		}
		whole = merge(whole, p)
	}
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	seen := k.Views[0].New()
	if err := json.Unmarshal(data, seen); err != nil {
		t.Fatal(err)
	}
	obj, err := k.Views[0].ToStored(seen)
	if err != nil {
		t.Fatal(err)
	}
	if k.Default != nil {
		k.Default(obj)
	}
	return obj
}

func TestNewEventRefused(t *testing.T) {
	k := kindOf(t, "Event")
	ctx := request.WithRequestInfo(context.Background(), &request.RequestInfo{APIGroup: "events.k8s.io", APIVersion: "v1"})
	if errs := k.Validate(ctx, storedEvent(t, k, `{}`)); len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, c := range newEventRefused {
		t.Run(c[0], func(t *testing.T) { expect(t, k.Validate(ctx, storedEvent(t, k, c[0])), c[1]) })
	}
	for _, c := range newEventUpdateRefused {
		t.Run("update/"+c[0], func(t *testing.T) {
			expect(t, k.ValidateUpdate(ctx, storedEvent(t, k, c[0]), storedEvent(t, k, `{}`)), c[1])
		})
	}
}
