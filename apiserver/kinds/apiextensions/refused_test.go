package apiextensions

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
	"testing"

	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// base is a definition that nothing is wrong with; SPEC stands for the schema
// of spec.
const base = `{"metadata":{"name":"things.example.com"},"spec":{"group":"example.com","scope":"Namespaced","names":{"plural":"things","kind":"Thing"},
	"versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":SPEC}}}}]}}`

const plain = `{"type":"object","properties":{"a":{"type":"string"},"n":{"type":"integer"},"l":{"type":"array","items":{"type":"string"}},"m":{"type":"object","additionalProperties":true}}}`

func definition(t testing.TB, text string) *v1.CustomResourceDefinition {
	t.Helper()
	crd := &v1.CustomResourceDefinition{}
	if err := json.Unmarshal([]byte(text), crd); err != nil {
		t.Fatal(text, err)
	}
	kind().Default(crd)
	return crd
}

func kind() *kinds.Kind { return Kinds()[0] }

// withSpec is base with a schema of spec.
func withSpec(schema string) string { return strings.Replace(base, "SPEC", schema, 1) }

// patched is base changed by a JSON merge patch.
func patched(t testing.TB, patch string) string {
	t.Helper()
	var doc, p map[string]any
	for text, into := range map[string]*map[string]any{withSpec(plain): &doc, patch: &p} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(text, err)
		}
	}
	data, err := json.Marshal(merge(doc, p))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func merge(into, patch map[string]any) map[string]any {
	into = maps.Clone(into)
	if into == nil {
		into = map[string]any{}
	}
	for k, v := range patch {
		if m, ok := v.(map[string]any); ok {
			old, _ := into[k].(map[string]any)
			into[k] = merge(old, m)
		} else if v == nil {
			delete(into, k)
		} else {
			into[k] = v
		}
	}
	return into
}

// created is what is wrong with a new definition.
func created(t testing.TB, text string) (*v1.CustomResourceDefinition, field.ErrorList) {
	crd, k := definition(t, text), kind()
	k.PrepareCreate(context.Background(), crd)
	return crd, k.Validate(context.Background(), crd)
}

func expect(t *testing.T, errs field.ErrorList, want string) {
	t.Helper()
	for _, err := range errs {
		if strings.HasPrefix(err.Error(), want) {
			return
		}
	}
	t.Errorf("%v, want %s", errs, want)
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ patch, want string }{
		{`{"metadata":{"name":"x.example.com"}}`, `metadata.name: Invalid value: "x.example.com": must be spec.names.plural+"."+spec.group`},
		{`{"metadata":{"generateName":"x-"}}`, `metadata.generateName: Invalid value: "x-": must be spec.names.plural+"."+spec.group`},
		{`{"spec":{"group":""}}`, `spec.group: Required value`},
		{`{"spec":{"group":"Not.Lower"}}`, `spec.group: Invalid value: "Not.Lower": a lowercase RFC 1123 subdomain`},
		{`{"spec":{"group":"single"}}`, `spec.group: Invalid value: "single": should be a domain with at least one dot`},
		{`{"spec":{"scope":""}}`, `spec.scope: Required value`},
		{`{"spec":{"scope":"World"}}`, `spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"`},
		{`{"spec":{"names":{"plural":""}}}`, `spec.names.plural: Required value`},
		{`{"spec":{"names":{"kind":""}}}`, `spec.names.kind: Required value`},
		{`{"spec":{"names":{"kind":""}}}`, `spec.names.singular: Required value`},
		{`{"spec":{"names":{"kind":""}}}`, `spec.names.listKind: Required value`},
		{`{"spec":{"names":{"plural":"No_"}}}`, `spec.names.plural: Invalid value: "No_": a DNS-1035 label`},
		{`{"spec":{"names":{"singular":"No_"}}}`, `spec.names.singular: Invalid value: "No_": a DNS-1035 label`},
		{`{"spec":{"names":{"kind":"No_"}}}`, `spec.names.kind: Invalid value: "No_": may have mixed case, but should otherwise match: a DNS-1035 label`},
		{`{"spec":{"names":{"listKind":"No_"}}}`, `spec.names.listKind: Invalid value: "No_": may have mixed case, but should otherwise match: a DNS-1035 label`},
		{`{"spec":{"names":{"listKind":"Thing"}}}`, `spec.names.listKind: Invalid value: "Thing": kind and listKind may not be the same`},
		{`{"spec":{"names":{"shortNames":["No_"]}}}`, `spec.names.shortNames[0]: Invalid value: "No_": a DNS-1035 label`},
		{`{"spec":{"names":{"categories":["a","No_"]}}}`, `spec.names.categories[1]: Invalid value: "No_": a DNS-1035 label`},
		{`{"spec":{"group":"x.k8s.io"},"metadata":{"name":"things.x.k8s.io"}}`, `metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation`},
		{`{"spec":{"group":"x.k8s.io"},"metadata":{"name":"things.x.k8s.io","annotations":{"api-approved.kubernetes.io":"yes"}}}`, `metadata.annotations[api-approved.kubernetes.io]: Invalid value: "yes": protected groups must have approval annotation`},
		{`{"spec":{"preserveUnknownFields":true}}`, `spec.preserveUnknownFields: Invalid value: true: cannot set to true`},
		{`{"spec":{"versions":[]}}`, `spec.versions: Invalid value: []: must have exactly one version marked as storage version`},
		{`{"spec":{"versions":[]}}`, `status.storedVersions: Invalid value: null: must have at least one stored version`},
		{`{"spec":{"versions":[{"name":"v1","served":true,"storage":true}]}}`, `spec.versions[0].schema.openAPIV3Schema: Required value`},
		{`{"spec":{"versions":[{"name":"No_","served":true,"storage":true}]}}`, `spec.versions[0].name: Invalid value: "No_": a DNS-1035 label`},
		{`{"spec":{"versions":[{"name":"v1","storage":true,"schema":{"openAPIV3Schema":{"type":"object"}}},{"name":"v1","schema":{"openAPIV3Schema":{"type":"object"}}}]}}`, `spec.versions: Invalid value: [{"Name":"v1"`},
		{`{"spec":{"conversion":{"strategy":"Magic"}}}`, `spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"`},
		{`{"spec":{"conversion":{"strategy":"None","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"https://h"}}}}}`, `spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook`},
		{`{"spec":{"conversion":{"strategy":"None","webhook":{"conversionReviewVersions":["v1"]}}}}`, `spec.conversion.conversionReviewVersions: Forbidden: should not be set`},
		{`{"spec":{"conversion":{"strategy":"Webhook"}}}`, `spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook`},
		{`{"spec":{"conversion":{"strategy":"Webhook"}}}`, `spec.conversion.conversionReviewVersions: Required value`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{}}}}}`, `spec.conversion.webhookClientConfig: Required value: exactly one of url or service is required`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"url":"http://h"}}}}}`, `spec.conversion.webhookClientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1"],"clientConfig":{"service":{"name":"","namespace":"n"}}}}}}`, `spec.conversion.webhookClientConfig.service.namespace: Required value`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v1","v1"],"clientConfig":{"url":"https://h"}}}}}`, `spec.conversion.conversionReviewVersions[1]: Invalid value: "v1": duplicate version`},
		{`{"spec":{"conversion":{"strategy":"Webhook","webhook":{"conversionReviewVersions":["v9"],"clientConfig":{"url":"https://h"}}}}}`, `spec.conversion.conversionReviewVersions: Invalid value: ["v9"]: must include at least one of v1, v1beta1`},
	} {
		_, errs := created(t, patched(t, c.patch))
		expect(t, errs, c.want)
	}
}

func TestRefusedOfVersion(t *testing.T) {
	for _, c := range []struct{ patch, want string }{
		{`"deprecationWarning":"old"`, `spec.versions[0].deprecationWarning: Invalid value: "old": can only be set for deprecated versions`},
		{`"deprecated":true,"deprecationWarning":""`, `spec.versions[0].deprecationWarning: Invalid value: "": must not be an empty string`},
		{`"deprecated":true,"deprecationWarning":"a\nb"`, `spec.versions[0].deprecationWarning: Invalid value: "a\nb": must only contain printable UTF-8 characters; non-printable character found at index 1`},
		{`"deprecated":true,"deprecationWarning":"` + strings.Repeat("x", 257) + `"`, `spec.versions[0].deprecationWarning: Invalid value: "` + strings.Repeat("x", 257) + `": must be <= 256 characters long`},
		{`"subresources":{"scale":{"specReplicasPath":"","statusReplicasPath":".status.r"}}`, `spec.subresources.scale.specReplicasPath: Required value`},
		{`"subresources":{"scale":{"specReplicasPath":".status.r","statusReplicasPath":".status.r"}}`, `spec.subresources.scale.specReplicasPath: Invalid value: ".status.r": should be a json path under .spec`},
		{`"subresources":{"scale":{"specReplicasPath":"spec.r","statusReplicasPath":".status.r"}}`, `spec.subresources.scale.specReplicasPath: Invalid value: "spec.r": must be a simple json path starting with .`},
		{`"subresources":{"scale":{"specReplicasPath":".spec.r","statusReplicasPath":""}}`, `spec.subresources.scale.statusReplicasPath: Required value`},
		{`"subresources":{"scale":{"specReplicasPath":".spec.r","statusReplicasPath":".spec.r"}}`, `spec.subresources.scale.statusReplicasPath: Invalid value: ".spec.r": should be a json path under .status`},
		{`"subresources":{"scale":{"specReplicasPath":".spec.r","statusReplicasPath":".status.r","labelSelectorPath":".x"}}`, `spec.subresources.scale.labelSelectorPath: Invalid value: ".x": should be a json path under either .spec or .status`},
		{`"additionalPrinterColumns":[{"name":"","type":"string","jsonPath":".spec.a"}]`, `spec.additionalPrinterColumns[0].name: Required value`},
		{`"additionalPrinterColumns":[{"name":"A","type":"","jsonPath":".spec.a"}]`, `spec.additionalPrinterColumns[0].type: Required value: must be one of boolean,date,integer,number,string`},
		{`"additionalPrinterColumns":[{"name":"A","type":"text","jsonPath":".spec.a"}]`, `spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of boolean,date,integer,number,string`},
		{`"additionalPrinterColumns":[{"name":"A","type":"string","format":"x","jsonPath":".spec.a"}]`, `spec.additionalPrinterColumns[0].format: Invalid value: "x": must be one of byte,date,date-time,double,float,int32,int64,password`},
		{`"additionalPrinterColumns":[{"name":"A","type":"string","jsonPath":""}]`, `spec.additionalPrinterColumns[0].JSONPath: Required value`},
		{`"additionalPrinterColumns":[{"name":"A","type":"string","jsonPath":"spec.a"}]`, `spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.a": must be a simple json path starting with .`},
		{`"selectableFields":[{"jsonPath":""}]`, `spec.selectableFields[0].jsonPath: Required value`},
		{`"selectableFields":[{"jsonPath":".spec.none"}]`, `spec.selectableFields[0].jsonPath: Invalid value: ".spec.none": is an invalid path: does not refer to a valid field`},
		{`"selectableFields":[{"jsonPath":".spec['a']"}]`, `spec.selectableFields[0].jsonPath: Invalid value: ".spec['a']": is an invalid path: array notation is not allowed`},
		{`"selectableFields":[{"jsonPath":".spec.m.x.y"}]`, `spec.selectableFields[0].jsonPath: Invalid value: ".spec.m.x.y": is an invalid path: does not refer to a valid field`},
		{`"selectableFields":[{"jsonPath":".spec.l"}]`, `spec.selectableFields[0].jsonPath: Invalid value: ".spec.l": must point to a field of type string, boolean or integer.`},
		{`"selectableFields":[{"jsonPath":".spec.a"},{"jsonPath":".spec.a"}]`, `spec.selectableFields[1].jsonPath: Duplicate value: ".spec.a"`},
		{`"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"string"}}`, `spec.validation.openAPIV3Schema.type: Invalid value: "string": only "object" is allowed as the type at the root of the schema if the status subresource is enabled`},
		{`"subresources":{"status":{}},"schema":{"openAPIV3Schema":{"type":"object","maxProperties":1}}`, `spec.validation.openAPIV3Schema: Invalid value: {"ID":`},
		{`"schema":{"openAPIV3Schema":{"type":"object","nullable":true}}`, `spec.validation.openAPIV3Schema.nullable: Forbidden: nullable cannot be true at the root`},
		{`"schema":{"openAPIV3Schema":{"type":"object","properties":{"metadata":{"type":"object","default":{}}}}}`, `spec.validation.openAPIV3Schema.properties[metadata]`},
	} {
		version := `{"name":"v1","served":true,"storage":true,` + c.patch + `}`
		if !strings.Contains(version, `"schema"`) {
			version = strings.TrimSuffix(version, "}") + `,"schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":` + plain + `}}}}`
		}
		_, errs := created(t, patched(t, `{"spec":{"versions":[`+version+`]}}`))
		expect(t, errs, c.want)
	}
}

func TestRefusedSchema(t *testing.T) {
	const p = "spec.validation.openAPIV3Schema.properties[spec]"
	for _, c := range []struct{ schema, want string }{
		{`{"type":"text"}`, p + `.type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object", "string"`},
		{`{"type":"null"}`, p + `.type: Forbidden: type cannot be set to null, use nullable as an alternative`},
		{`{"type":"object","id":"x"}`, p + `.id: Forbidden: id is not supported`},
		{`{"type":"object","$ref":"x"}`, p + `.$ref: Forbidden: $ref is not supported`},
		{`{"type":"object","patternProperties":{"a":{"type":"string"}}}`, p + `.patternProperties: Forbidden: patternProperties is not supported`},
		{`{"type":"object","definitions":{"a":{"type":"string"}}}`, p + `.definitions: Forbidden: definitions is not supported`},
		{`{"type":"object","dependencies":{"a":["b"]}}`, p + `.dependencies: Forbidden: dependencies is not supported`},
		{`{"type":"array","items":{"type":"string"},"additionalItems":true}`, p + `.additionalItems: Forbidden: additionalItems is not supported`},
		{`{"type":"array","items":[{"type":"string"}]}`, p + `.items: Forbidden: items must be a schema object and not an array`},
		{`{"type":"array","items":{"type":"string"},"uniqueItems":true}`, p + `.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic`},
		{`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"type":"string"}}`, p + `.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive`},
		{`{"type":"object","x-kubernetes-preserve-unknown-fields":false}`, p + `.x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined`},
		{`{"x-kubernetes-map-type":"atomic"}`, p + `.type: Required value: must be object if x-kubernetes-map-type is specified`},
		{`{"type":"string","x-kubernetes-map-type":"atomic"}`, p + `.type: Invalid value: "string": must be object if x-kubernetes-map-type is specified`},
		{`{"type":"object","x-kubernetes-map-type":"x"}`, p + `.x-kubernetes-map-type: Unsupported value: "x": supported values: "atomic", "granular"`},
		{`{"type":"string","x-kubernetes-list-type":"set"}`, p + `.type: Invalid value: "string": must be array if x-kubernetes-list-type is specified`},
		{`{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"x"}`, p + `.x-kubernetes-list-type: Unsupported value: "x": supported values: "atomic", "set", "map"`},
		{`{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"set"}`, p + `.items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set`},
		{`{"type":"array","items":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set"},"x-kubernetes-list-type":"set"}`, p + `.items.x-kubernetes-list-type: Invalid value: "set": must be atomic as item`},
		{`{"type":"array","items":{"type":"string","nullable":true},"x-kubernetes-list-type":"set"}`, p + `.items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set`},
		{`{"type":"array","items":{"type":"object"},"x-kubernetes-list-map-keys":["a"]}`, p + `.x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty`},
		{`{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"atomic","x-kubernetes-list-map-keys":["a"]}`, p + `.x-kubernetes-list-type: Invalid value: "atomic": must be map if x-kubernetes-list-map-keys is non-empty`},
		{`{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"map"}`, p + `.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map`},
		{`{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`, p + `.items: Required value: must have a schema if x-kubernetes-list-type is map`},
		{`{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`, p + `.items.type: Invalid value: "string": must be object if parent array's x-kubernetes-list-type is map`},
		{`{"type":"array","items":{"type":"object"},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`, p + `.x-kubernetes-list-map-keys: Invalid value: ["a"]: entries must all be names of item properties`},
		{`{"type":"array","items":{"type":"object","properties":{"a":{"type":"object"}},"required":["a"]},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`, p + `.items.properties[a].type: Invalid value: "object": must be a scalar type if parent array's x-kubernetes-list-type is map`},
		{`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a","a"]}`, p + `.x-kubernetes-list-map-keys: Invalid value: ["a","a"]: must not contain duplicate entries`},
		{`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string"}}},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`, p + `.items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property`},
		{`{"type":"array","items":{"type":"object","properties":{"a":{"type":"string","nullable":true}},"required":["a"]},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["a"]}`, p + `.items.properties[a].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable`},
		{`{"properties":{"a":{"type":"string"}}}`, p + `.type: Required value: must not be empty for specified object fields`},
		{`{"type":"object","properties":{"a":{"type":"string","default":1}}}`, p + `.properties[a].default: Invalid value: "integer":  in body must be of type string: "integer"`},
		{`{"type":"object","default":{"b":1},"properties":{"a":{"type":"string"}}}`, p + `.default: Invalid value: {"b":1}: must not have unknown fields`},
		{`{"type":"object","allOf":[{"type":"object"}]}`, p + `.allOf[0].type: Forbidden: must be empty to be structural`},
		{`{"type":"string","pattern":"("}`, p + `.pattern: Invalid value: "(": must be a valid regular expression`},
		{`{"type":"object","x-kubernetes-embedded-resource":true,"properties":{"metadata":{"type":"object","x-kubernetes-embedded-resource":true}},"x-kubernetes-preserve-unknown-fields":true}`, p + `.properties[metadata].x-kubernetes-embedded-resource: Forbidden: must not be used inside of resource meta`},
	} {
		_, errs := created(t, withSpec(c.schema))
		expect(t, errs, c.want)
	}
}

func TestRefusedRules(t *testing.T) {
	const p = "spec.validation.openAPIV3Schema.properties[spec]"
	rule := func(r string) string {
		return strings.TrimSuffix(plain, "}") + `,"x-kubernetes-validations":[` + r + `]}`
	}
	for _, c := range []struct{ schema, want string }{
		{rule(`{"rule":" "}`), p + `.x-kubernetes-validations[0].rule: Required value: rule is not specified`},
		{rule(`{"rule":"true","message":" "}`), p + `.x-kubernetes-validations[0].message: Invalid value: " ": must be non-empty if specified`},
		{rule(`{"rule":"true","message":"a\nb"}`), p + `.x-kubernetes-validations[0].message: Invalid value: "a\nb": must not contain line breaks`},
		{rule(`{"rule":"true ||\ntrue"}`), p + `.x-kubernetes-validations[0].message: Required value: message must be specified if rule contains line breaks`},
		{rule(`{"rule":"true","messageExpression":" "}`), p + `.x-kubernetes-validations[0].messageExpression: Required value: messageExpression must be non-empty if specified`},
		{rule(`{"rule":"true","reason":"Because"}`), p + `.x-kubernetes-validations[0].reason: Unsupported value: "Because": supported values: "FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"`},
		{rule(`{"rule":"true","fieldPath":" "}`), p + `.x-kubernetes-validations[0].fieldPath: Invalid value: " ": must be non-empty if specified`},
		{rule(`{"rule":"true","fieldPath":".a\n"}`), p + `.x-kubernetes-validations[0].fieldPath: Invalid value: ".a\n": must not contain line breaks`},
		{rule(`{"rule":"true","fieldPath":".z"}`), p + `.x-kubernetes-validations[0].fieldPath: Invalid value: ".z": must be a valid path`},
		{rule(`{"rule":"true","fieldPath":".m.x.y"}`), p + `.x-kubernetes-validations[0].fieldPath: Invalid value: ".m.x.y": must be a valid path`},
		{rule(`{"rule":"self.z == 1"}`), p + `.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.z == 1"`},
		{rule(`{"rule":"self.n"}`), p + `.x-kubernetes-validations[0].rule: Invalid value: {"Rule":"self.n"`},
		{rule(`{"rule":"true","messageExpression":"self.n"}`), p + `.x-kubernetes-validations[0].messageExpression: Invalid value: {"Rule":"true"`},
		{rule(`{"rule":"self.n > 0","optionalOldSelf":true}`), p + `.x-kubernetes-validations[0].optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule`},
		{`{"type":"array","items":{"type":"string","x-kubernetes-validations":[{"rule":"self == oldSelf"}]}}`, p + `.items.x-kubernetes-validations[0].rule: Invalid value: "self == oldSelf": oldSelf cannot be used on the uncorrelatable portion of the schema within ` + p},
		{`{"type":"array","items":{"type":"string","x-kubernetes-validations":[{"rule":"self.matches('a')"}]}}`, p + `.items.x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds budget by factor of more than 100x`},
		{`{"type":"array","items":{"type":"array","items":{"type":"string","x-kubernetes-validations":[{"rule":"self.contains('a')"}]}}}`, `spec.validation.openAPIV3Schema: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x`},
		{`{"type":"array","items":{"type":"array","items":{"type":"string","x-kubernetes-validations":[{"rule":"self.contains('a')"}]}}}`, p + `.items.items.x-kubernetes-validations[0].rule: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema`},
	} {
		_, errs := created(t, withSpec(c.schema))
		expect(t, errs, c.want)
	}
}
