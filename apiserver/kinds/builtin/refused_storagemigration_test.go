package builtin

import (
	"context"
	"testing"
)

func TestMigrationsRefused(t *testing.T) {
	testRefused(t, []refusal{
		{"StorageVersionMigration", `{"spec":{"resource":null}}`, "spec.resource.resource: Required value: resource is required to be set"},
		{"StorageVersionMigration", `{"spec":{"resource":{"resource":"A"}}}`, `spec.resource.resource: Invalid value: "A": a DNS-1035 label`},
		{"StorageVersionMigration", `{"spec":{"resource":{"group":"A"}}}`, `spec.resource.group: Invalid value: "A": a lowercase RFC 1123 subdomain`},
	})
	testUpdateRefused(t, []refusal{
		{"StorageVersionMigration", `{"spec":{"resource":{"resource":"other"}}}`, "spec: Invalid value: {\"Resource\":{\"group\":\"\",\"resource\":\"other\"}}: field is immutable"},
	})
	testDefaults(t, []outcome{
		{"StorageVersionMigration", `{"status":{"resourceVersion":"7"}}`, "status", "map[]"},
	})
}

func TestMigrationStatus(t *testing.T) {
	k := kindOf(t, "StorageVersionMigration")
	const both = `{"type":"Succeeded","status":"True","reason":"R","message":"","lastTransitionTime":"2024-01-01T00:00:00Z"},` +
		`{"type":"Failed","status":"True","reason":"R","message":"","lastTransitionTime":"2024-01-01T00:00:00Z"}`
	for _, c := range []struct{ was, patch, want string }{
		{`{}`, `{"status":{"resourceVersion":"x"}}`, `status.resourceVersion: Invalid value: "x"`},
		{`{}`, `{"status":{"conditions":[{"type":"T"}]}}`, "status.conditions[0].status: Required value"},
		{`{"status":{"resourceVersion":"1"}}`, `{"status":{"resourceVersion":"2"}}`, `status.resourceVersion: Invalid value: "2": field is immutable`},
		{`{}`, `{"status":{"conditions":[` + both + `]}}`, "status.conditions: Invalid value: "},
		{`{"status":{"conditions":[` + both + `]}}`, `{}`, "status.conditions: Invalid value: null: Success condition cannot be set to false"},
		{`{"status":{"conditions":[` + both + `]}}`, `{}`, "status.conditions: Invalid value: null: Failed condition cannot be set to false"},
	} {
		now, old := object(t, k, c.patch), object(t, k, c.was)
		k.Status.PrepareUpdate(context.Background(), now, old)
		expect(t, k.Status.ValidateUpdate(context.Background(), now, old), c.want)
	}
	if cells := k.Cells(object(t, k)); cells[1] != "pods" || cells[2] != "Unknown" {
		t.Error(cells)
	}
	if cells := k.Cells(object(t, k, `{"status":{"conditions":[`+both+`]}}`)); cells[2] != "Failed" {
		t.Error(cells)
	}
}
