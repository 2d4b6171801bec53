package builtin

import (
	"encoding/json"
	"strings"
	"testing"
)

// repeat is a list in JSON of an entry for each of n letters, which stand in it
// for %.
func repeat(n int, entry string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(entry, "%", strings.Repeat(string(rune('a'+i%26)), 1+i/26))
	}
	return "[" + strings.Join(list, ",") + "]"
}

// table is repeat for an object.
func table(n int, entry string) string {
	list := repeat(n, entry)
	return "{" + list[1:len(list)-1] + "}"
}

func claimed(request string) string {
	return `{"spec":{"devices":{"requests":[{"name":"a","exactly":{"deviceClassName":"c",` + request + `}}]}}}`
}

func alternative(request string) string {
	return `{"spec":{"devices":{"requests":[{"name":"a","firstAvailable":[{` + request + `}]}]}}}`
}

func sliceOf(device string) string { return `{"spec":{"devices":[{"name":"d",` + device + `}]}}` }

func capacityOf(policy string) string {
	return sliceOf(`"allowMultipleAllocations":true,"capacity":{"c":{"value":"10","requestPolicy":{` + policy + `}}}`)
}

func TestDevicesRefused(t *testing.T) {
	const class, claim, template, slice, rule = "DeviceClass", "ResourceClaim", "ResourceClaimTemplate", "ResourceSlice", "DeviceTaintRule"
	const at, exactly, first = "spec.devices.", "spec.devices.requests[0].exactly.", "spec.devices.requests[0].firstAvailable[0]."
	long := strings.Repeat("a", 64)
	text, err := json.Marshal(strings.Repeat("a", 10241))
	if err != nil {
		t.Fatal(err)
	}
	const costly = `device.attributes[\"d\"].all(a, device.attributes[\"d\"].all(b, device.attributes[\"d\"].all(c, device.attributes[\"d\"].all(d, device.attributes[\"d\"].all(e, true)))))`
	selector := func(text string) string { return `"selectors":[{"cel":{"expression":` + text + `}}]` }
	for _, c := range []refusal{
		{class, `{"metadata":{"name":"A"}}`, `metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		{class, `{"spec":{"selectors":[{}]}}`, "spec.selectors[0].cel: Required value"},
		{class, `{"spec":{` + selector(`"nope"`) + `}}`, `spec.selectors[0].cel.expression: Invalid value: "nope": compilation failed`},
		{class, `{"spec":{"selectors":` + repeat(33, `{"cel":{"expression":"true"}}`) + `}}`, "spec.selectors: Too many: 33: must have at most 32 items"},
		{class, `{"spec":{"config":[{}]}}`, "spec.config[0].opaque: Required value"},
		{class, `{"spec":{"config":` + repeat(33, `{"opaque":{"driver":"d","parameters":{}}}`) + `}}`, "spec.config: Too many: 33: must have at most 32 items"},
		{class, `{"spec":{"extendedResourceName":"gpu"}}`, `spec.extendedResourceName: Invalid value: "gpu"`},

		{claim, `{"spec":{"devices":{"requests":` + repeat(33, `{"name":"%","exactly":{"deviceClassName":"c"}}`) + `}}}`, at + "requests: Too many: 33: must have at most 32 items"},
		{claim, `{"spec":{"devices":{"requests":` + repeat(2, `{"name":"a","exactly":{"deviceClassName":"c"}}`) + `}}}`, at + "requests[1]: Duplicate value"},
		{claim, `{"spec":{"devices":{"requests":[{"name":"A","exactly":{"deviceClassName":"c"}}]}}}`, at + `requests[0].name: Invalid value: "A": a lowercase RFC 1123 label`},
		{claim, `{"spec":{"devices":{"requests":[{"name":"a"}]}}}`, at + "requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"},
		{claim, `{"spec":{"devices":{"requests":[{"name":"a","exactly":{"deviceClassName":"c"},"firstAvailable":[{"name":"s","deviceClassName":"c"}]}]}}}`, at + "requests[0]: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set"},
		{claim, claimed(`"deviceClassName":""`), exactly + "deviceClassName: Required value"},
		{claim, claimed(`"deviceClassName":"A"`), exactly + `deviceClassName: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		{claim, claimed(`"selectors":[{}]`), exactly + "selectors[0].cel: Required value"},
		{claim, claimed(selector(`"1"`)), exactly + `selectors[0].cel.expression: Invalid value: "1": must evaluate to bool`},
		{claim, claimed(selector(string(text))), exactly + "selectors[0].cel.expression: Too long: may not be more than 10240"},
		{claim, claimed(selector(`"` + costly + `"`)), exactly + "selectors[0].cel.expression: Forbidden: too complex, exceeds cost limit"},
		{claim, claimed(`"allocationMode":"Some"`), exactly + `allocationMode: Unsupported value: "Some": supported values: "All", "ExactCount"`},
		{claim, claimed(`"allocationMode":"All","count":2`), exactly + "count: Invalid value: 2: must not be specified when allocationMode is 'All'"},
		{claim, claimed(`"count":-1`), exactly + "count: Invalid value: -1: must be greater than zero"},
		{claim, claimed(`"tolerations":[{"key":"a b"}]`), exactly + `tolerations[0].key: Invalid value: "a b"`},
		{claim, claimed(`"tolerations":[{"operator":"Exists","value":"v"}]`), exactly + "tolerations[0].value: Invalid value: \"v\": must be empty for operator `Exists`"},
		{claim, claimed(`"tolerations":[{"value":"v v"}]`), exactly + `tolerations[0].value: Invalid value: "v v": a valid label`},
		{claim, claimed(`"tolerations":[{"operator":"Other"}]`), exactly + `tolerations[0].operator: Unsupported value: "Other": supported values: "Equal", "Exists"`},
		{claim, claimed(`"tolerations":[{"effect":"Other"}]`), exactly + `tolerations[0].effect: Unsupported value: "Other": supported values: "NoExecute", "NoSchedule", "None"`},
		{claim, alternative(`"name":"A","deviceClassName":"c"`), first + `name: Invalid value: "A": a lowercase RFC 1123 label`},
		{claim, alternative(`"name":"s"`), first + "deviceClassName: Required value"},
		{claim, alternative(`"name":"s","deviceClassName":"A"`), first + `deviceClassName: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		{claim, alternative(`"name":"s","deviceClassName":"c","selectors":[{}]`), first + "selectors[0].cel: Required value"},
		{claim, alternative(`"name":"s","deviceClassName":"c","count":-1`), first + "count: Invalid value: -1: must be greater than zero"},
		{claim, alternative(`"name":"s","deviceClassName":"c","tolerations":[{"value":"v v"}]`), first + `tolerations[0].value: Invalid value: "v v"`},
		{claim, `{"spec":{"devices":{"requests":[{"name":"a","firstAvailable":` + repeat(9, `{"name":"%","deviceClassName":"c"}`) + `}]}}}`, at + "requests[0].firstAvailable: Too many: 9: must have at most 8 items"},
		{claim, `{"spec":{"devices":{"requests":[{"name":"a","firstAvailable":` + repeat(2, `{"name":"a","deviceClassName":"c"}`) + `}]}}}`, at + "requests[0].firstAvailable[1]: Duplicate value"},
		{claim, `{"spec":{"devices":{"constraints":[{}]}}}`, at + `constraints[0]: Required value: exactly one of "matchAttribute" or "distinctAttribute" is required`},
		{claim, `{"spec":{"devices":{"constraints":[{"matchAttribute":"a"}]}}}`, at + `constraints[0].matchAttribute: Invalid value: "a": a fully qualified name must be a domain and a name separated by a slash`},
		{claim, `{"spec":{"devices":{"constraints":[{"distinctAttribute":"d/9"}]}}}`, at + `constraints[0].distinctAttribute: Invalid value: "9": a valid C identifier`},
		{claim, `{"spec":{"devices":{"constraints":` + repeat(33, `{"matchAttribute":"d/a"}`) + `}}}`, at + "constraints: Too many: 33: must have at most 32 items"},
		{claim, `{"spec":{"devices":{"constraints":[{"requests":["z"],"matchAttribute":"d/a"}]}}}`, at + `constraints[0].requests[0]: Invalid value: "z": must be the name of a request in the claim`},
		{claim, `{"spec":{"devices":{"constraints":[{"requests":["b/z"],"matchAttribute":"d/a"}]}}}`, at + `constraints[0].requests[0]: Invalid value: "b/z": must be the name of a request in the claim`},
		{claim, `{"spec":{"devices":{"constraints":[{"requests":["b/s/s"],"matchAttribute":"d/a"}]}}}`, at + `constraints[0].requests[0]: Invalid value: "b/s/s": must be the name of a request in the claim`},
		{claim, `{"spec":{"devices":{"constraints":[{"requests":["a","a"],"matchAttribute":"d/a"}]}}}`, at + `constraints[0].requests[1]: Duplicate value: "a"`},
		{claim, `{"spec":{"devices":{"constraints":[{"requests":` + repeat(33, `"a"`) + `,"matchAttribute":"d/a"}]}}}`, at + "constraints[0].requests: Too many: 33: must have at most 32 items"},
		{claim, `{"spec":{"devices":{"config":[{}]}}}`, at + "config[0].opaque: Required value"},
		{claim, `{"spec":{"devices":{"config":[{"opaque":{"parameters":{}}}]}}}`, at + "config[0].opaque.driver: Required value"},
		{claim, `{"spec":{"devices":{"config":[{"opaque":{"driver":"_","parameters":{}}}]}}}`, at + `config[0].opaque.driver: Invalid value: "_"`},
		{claim, `{"spec":{"devices":{"config":[{"opaque":{"driver":"` + long + `","parameters":{}}}]}}}`, at + "config[0].opaque.driver: Too long: may not be more than 63"},
		{claim, `{"spec":{"devices":{"config":[{"opaque":{"driver":"d"}}]}}}`, at + "config[0].opaque.parameters: Required value"},
		{claim, `{"spec":{"devices":{"config":[{"opaque":{"driver":"d","parameters":[1]}}]}}}`, at + `config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object`},
		{claim, `{"spec":{"devices":{"config":[{"opaque":{"driver":"d","parameters":` + string(text) + `}}]}}}`, at + "config[0].opaque.parameters: Too long: may not be more than 10240"},
		{claim, `{"spec":{"devices":{"config":[{"requests":["z"],"opaque":{"driver":"d","parameters":{}}}]}}}`, at + `config[0].requests[0]: Invalid value: "z": must be the name of a request`},

		{template, `{"spec":{"metadata":{"name":"n"}}}`, "spec.metadata.name: Forbidden: cannot be set"},
		{template, `{"spec":{"metadata":{"labels":{"a b":"c"}}}}`, `spec.metadata.labels: Invalid value: "a b"`},
		{template, `{"spec":{"spec":{"devices":{"requests":[{"name":"a"}]}}}}`, "spec.spec.devices.requests[0]: Required value"},

		{slice, `{"spec":{"driver":""}}`, "spec.driver: Required value"},
		{slice, `{"spec":{"driver":"_"}}`, `spec.driver: Invalid value: "_"`},
		{slice, `{"spec":{"pool":{"name":""}}}`, "spec.pool.name: Required value"},
		{slice, `{"spec":{"pool":{"name":"a//b"}}}`, `spec.pool.name: Invalid value: "": a lowercase RFC 1123 subdomain`},
		{slice, `{"spec":{"pool":{"resourceSliceCount":0}}}`, "spec.pool.resourceSliceCount: Invalid value: 0: must be greater than zero"},
		{slice, `{"spec":{"pool":{"generation":-1}}}`, "spec.pool.generation: Invalid value: -1: must be greater than or equal to zero"},
		{slice, `{"spec":{"nodeName":null}}`, "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"},
		{slice, `{"spec":{"nodeName":""}}`, `spec.nodeName: Invalid value: "": must be either unset or set to a non-empty string`},
		{slice, `{"spec":{"nodeName":"A"}}`, `spec.nodeName: Invalid value: "A": a lowercase RFC 1123 subdomain`},
		{slice, `{"spec":{"allNodes":true}}`, "spec: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of"},
		{slice, `{"spec":{"allNodes":false}}`, "spec.allNodes: Invalid value: false: must be either unset or set to true"},
		{slice, `{"spec":{"perDeviceNodeSelection":false}}`, "spec.perDeviceNodeSelection: Invalid value: false: must be either unset or set to true"},
		{slice, `{"spec":{"nodeName":null,"nodeSelector":{}}}`, "spec.nodeSelector.nodeSelectorTerms: Required value"},
		{slice, `{"spec":{"nodeName":null,"nodeSelector":{"nodeSelectorTerms":[{},{}]}}}`, "spec.nodeSelector.nodeSelectorTerms: Invalid value"},
		{slice, `{"spec":{"sharedCounters":[{"name":"c","counters":{"m":{"value":"1"}}}]}}`, "spec: Invalid value: \"\": only one of `sharedCounters` or `devices` is allowed"},
		{slice, `{"spec":{"devices":null,"sharedCounters":[{"counters":{"m":{"value":"1"}}}]}}`, "spec.sharedCounters[0].name: Required value"},
		{slice, `{"spec":{"devices":null,"sharedCounters":[{"name":"A","counters":{"m":{"value":"1"}}}]}}`, `spec.sharedCounters[0].name: Invalid value: "A"`},
		{slice, `{"spec":{"devices":null,"sharedCounters":[{"name":"c"}]}}`, "spec.sharedCounters[0].counters: Required value"},
		{slice, `{"spec":{"devices":null,"sharedCounters":[{"name":"c","counters":{"A":{"value":"1"}}}]}}`, `spec.sharedCounters[0].counters: Invalid value: "A"`},
		{slice, `{"spec":{"devices":null,"sharedCounters":[{"name":"c","counters":` + table(33, `"%":{"value":"1"}`) + `}]}}`, "spec.sharedCounters[0].counters: Too many: 33: must have at most 32 items"},
		{slice, `{"spec":{"devices":null,"sharedCounters":` + repeat(9, `{"name":"%","counters":{"m":{"value":"1"}}}`) + `}}`, "spec.sharedCounters: Too many: 9: must have at most 8 items"},
		{slice, `{"spec":{"devices":null,"sharedCounters":` + repeat(2, `{"name":"a","counters":{"m":{"value":"1"}}}`) + `}}`, "spec.sharedCounters[1]: Duplicate value"},
		{slice, `{"spec":{"devices":` + repeat(129, `{"name":"%"}`) + `}}`, "spec.devices: Too many: 129: must have at most 128 items"},
		{slice, `{"spec":{"devices":` + repeat(65, `{"name":"%","taints":[{"key":"k","effect":"None"}]}`) + `}}`, "spec.devices: Too many: 65: must have at most 64 items"},
		{slice, `{"spec":{"devices":[{"name":"A"}]}}`, `spec.devices[0].name: Invalid value: "A": a lowercase RFC 1123 label`},
		{slice, `{"spec":{"devices":[{"name":"a"},{"name":"a"}]}}`, `spec.devices[1]: Duplicate value: "a"`},
		{slice, sliceOf(`"attributes":` + table(33, `"%":{"int":1}`)), "spec.devices[0]: Invalid value: 33: the total number of attributes and capacities must not exceed 32"},
		{slice, sliceOf(`"attributes":` + table(49, `"%":{"int":1}`)), "spec.devices[0]: Invalid value: 49: the total number of attribute values must not exceed 48"},
		{slice, sliceOf(`"attributes":{"a":{}}`), "spec.devices[0].attributes[a]: Invalid value: \"\": must specify one of"},
		{slice, sliceOf(`"attributes":{"a":{"int":1,"bool":true}}`), "spec.devices[0].attributes[a]: Invalid value: \"{int, bool}\": must specify exactly one of"},
		{slice, sliceOf(`"attributes":{"a":{"string":"` + long + `a"}}`), "spec.devices[0].attributes[a].string: Too long: may not be more than 64"},
		{slice, sliceOf(`"attributes":{"a":{"version":"1"}}`), `spec.devices[0].attributes[a].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0`},
		{slice, sliceOf(`"attributes":{"a":{"version":"1.0.0-` + long + `"}}`), "spec.devices[0].attributes[a].version: Too long: may not be more than 64"},
		{slice, sliceOf(`"attributes":{"9":{"int":1}}`), `spec.devices[0].attributes: Invalid value: "9": a valid C identifier`},
		{slice, sliceOf(`"attributes":{"` + long + `":{"int":1}}`), "spec.devices[0].attributes: Too long: may not be more than 32"},
		{slice, sliceOf(`"attributes":{"/a":{"int":1}}`), `spec.devices[0].attributes: Invalid value: "": the domain must not be empty`},
		{slice, sliceOf(`"attributes":{"d/":{"int":1}}`), `spec.devices[0].attributes: Invalid value: "": the name must not be empty`},
		{slice, sliceOf(`"attributes":{"_/a":{"int":1}}`), `spec.devices[0].attributes: Invalid value: "_": a lowercase RFC 1123 subdomain`},
		{slice, sliceOf(`"capacity":{"9":{"value":"1"}}`), `spec.devices[0].capacity: Invalid value: "9": a valid C identifier`},
		{slice, sliceOf(`"capacity":{"c":{"value":"1","requestPolicy":{}}}`), "spec.devices[0].capacity[c].requestPolicy: Forbidden: allowMultipleAllocations must be true"},
		{slice, sliceOf(`"taints":` + repeat(17, `{"key":"k","effect":"None"}`)), "spec.devices[0].taints: Too many: 17: must have at most 16 items"},
		{slice, sliceOf(`"taints":[{"key":"a b","effect":"None"}]`), `spec.devices[0].taints[0].key: Invalid value: "a b"`},
		{slice, sliceOf(`"taints":[{"key":"k","value":"v v","effect":"None"}]`), `spec.devices[0].taints[0].value: Invalid value: "v v"`},
		{slice, sliceOf(`"taints":[{"key":"k"}]`), "spec.devices[0].taints[0].effect: Required value"},
		{slice, sliceOf(`"taints":[{"key":"k","effect":"Other"}]`), `spec.devices[0].taints[0].effect: Unsupported value: "Other"`},
		{slice, sliceOf(`"consumesCounters":[{"counters":{"m":{"value":"1"}}}]`), "spec.devices[0].consumesCounters[0].counterSet: Required value"},
		{slice, sliceOf(`"consumesCounters":[{"counterSet":"c"}]`), "spec.devices[0].consumesCounters[0].counters: Required value"},
		{slice, sliceOf(`"consumesCounters":[{"counterSet":"c","counters":` + table(33, `"%":{"value":"1"}`) + `}]`), "spec.devices[0].consumesCounters[0].counters: Too many: 33: must have at most 32 items"},
		{slice, sliceOf(`"consumesCounters":` + repeat(3, `{"counterSet":"%","counters":{"m":{"value":"1"}}}`)), "spec.devices[0].consumesCounters: Too many: 3: must have at most 2 items"},
		{slice, sliceOf(`"bindingConditions":["a b"],"bindingFailureConditions":["c"]`), `spec.devices[0].bindingConditions[0]: Invalid value: "a b"`},
		{slice, sliceOf(`"bindingConditions":["a","a"],"bindingFailureConditions":["c"]`), `spec.devices[0].bindingConditions[1]: Duplicate value: "a"`},
		{slice, sliceOf(`"bindingConditions":["a"],"bindingFailureConditions":["a"]`), `spec.devices[0].bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with bindingConditions`},
		{slice, sliceOf(`"bindingConditions":["a"]`), "spec.devices[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use bindingConditions"},
		{slice, sliceOf(`"bindingFailureConditions":["a"]`), "spec.devices[0].bindingConditions: Invalid value: null: bindingConditions are required to use bindingFailureConditions"},
		{slice, sliceOf(`"bindingConditions":["a","b","c","d","e"],"bindingFailureConditions":["f"]`), "spec.devices[0].bindingConditions: Too many: 5: must have at most 4 items"},
		{slice, sliceOf(`"nodeName":"n"`), "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true"},
		{slice, `{"spec":{"nodeName":null,"perDeviceNodeSelection":true}}`, "spec.devices[0]: Required value: exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when"},
		{slice, `{"spec":{"nodeName":null,"perDeviceNodeSelection":true,"devices":[{"name":"d","nodeName":"n","allNodes":true}]}}`, "spec.devices[0]: Invalid value: \"{`nodeName`, `allNodes`}\": exactly one of"},
		{slice, `{"spec":{"nodeName":null,"perDeviceNodeSelection":true,"devices":[{"name":"d","nodeName":""}]}}`, `spec.devices[0].nodeName: Invalid value: "": must not be empty`},
		{slice, `{"spec":{"nodeName":null,"perDeviceNodeSelection":true,"devices":[{"name":"d","nodeName":"A"}]}}`, `spec.devices[0].nodeName: Invalid value: "A"`},
		{slice, `{"spec":{"nodeName":null,"perDeviceNodeSelection":true,"devices":[{"name":"d","allNodes":false}]}}`, "spec.devices[0].allNodes: Invalid value: false: must be either unset or set to true"},
		{slice, `{"spec":{"nodeName":null,"perDeviceNodeSelection":true,"devices":[{"name":"d","nodeSelector":{}}]}}`, "spec.devices[0].nodeSelector.nodeSelectorTerms: Required value"},

		{rule, `{"spec":{"taint":{"key":""}}}`, `spec.taint.key: Invalid value: "": name part must be non-empty`},
		{rule, `{"spec":{"taint":{"value":"v v"}}}`, `spec.taint.value: Invalid value: "v v"`},
		{rule, `{"spec":{"taint":{"effect":""}}}`, "spec.taint.effect: Required value"},
		{rule, `{"spec":{"taint":{"effect":"Other"}}}`, `spec.taint.effect: Unsupported value: "Other": supported values: "NoExecute", "NoSchedule", "None"`},
		{rule, `{"spec":{"deviceSelector":{"driver":""}}}`, "spec.deviceSelector.driver: Required value"},
		{rule, `{"spec":{"deviceSelector":{"pool":""}}}`, "spec.deviceSelector.pool: Required value"},
		{rule, `{"spec":{"deviceSelector":{"device":"A"}}}`, `spec.deviceSelector.device: Invalid value: "A"`},
	} {
		t.Run(c.kind+"/"+c.want, func(t *testing.T) {
			k := kindOf(t, c.kind)
			expect(t, created(k, object(t, k, c.patch)), c.want)
		})
	}
}

func TestCapacitiesRefused(t *testing.T) {
	const p = "spec.devices[0].capacity[c].requestPolicy"
	for _, c := range []struct{ policy, want string }{
		{`"default":"1","validValues":["1"],"validRange":{"min":"1"}`, p + `: Forbidden: exactly one policy can be specified`},
		{`"validValues":["1"]`, p + ".default: Required value: required when validValues is defined"},
		{`"validRange":{"min":"1"}`, p + ".default: Required value: required when validRange is defined"},
		{`"default":"2","validValues":["2","1"]`, p + `.validValues[1]: Invalid value: "1": values must be sorted in ascending order`},
		{`"default":"1","validValues":["1","20"]`, p + `.validValues[1]: Invalid value: "20": option is larger than capacity value: 10`},
		{`"default":"1","validValues":["1","1000m"]`, p + `.validValues[1]: Duplicate value: "1"`},
		{`"default":"3","validValues":["1","2"]`, p + `.validValues: Invalid value: "3": default value is not valid according to the requestPolicy`},
		{`"default":"1","validValues":["1","1","1","1","1","1","1","1","1","1","1"]`, p + ".validValues: Too many: 11: must have at most 10 items"},
		{`"default":"1","validRange":{}`, p + ".validRange.min: Required value: required when validRange is defined"},
		{`"default":"1","validRange":{"min":"20"}`, p + `.validRange.min: Invalid value: "20": min is larger than capacity value: 10`},
		{`"default":"1","validRange":{"min":"2"}`, p + `.validRange.default: Invalid value: "1": default is less than min: 2`},
		{`"default":"2","validRange":{"min":"2","max":"1"}`, p + `.validRange.max: Invalid value: "2": min is larger than max: 1`},
		{`"default":"2","validRange":{"min":"2","max":"20"}`, p + `.validRange.max: Invalid value: "20": max is larger than capacity value: 10`},
		{`"default":"9","validRange":{"min":"2","max":"8"}`, p + `.validRange.default: Invalid value: "9": default is more than max: 8`},
		{`"default":"1","validRange":{"min":"1","step":"0"}`, p + `.validRange.step: Invalid value: "0": must be greater than zero`},
		{`"default":"1","validRange":{"min":"1","step":"20"}`, p + `.validRange.step: Invalid value: "20": one step 21 is larger than capacity value: 10`},
		{`"default":"2","validRange":{"min":"1","step":"2"}`, p + `.validRange.step: Invalid value: "2": value is not a multiple of a given step (2) from (1)`},
		{`"default":"3","validRange":{"min":"1","max":"8","step":"2"}`, p + `.validRange.step: Invalid value: "8": value is not a multiple of a given step (2) from (1)`},
		{`"default":"-1","validRange":{"min":"-2","step":"1"}`, p + `.validRange.min: Invalid value: "-2": must be greater than or equal to 0`},
		{`"default":"20000000000000000000","validRange":{"min":"1","step":"1"}`, p + `.validRange.default: Invalid value: "20E": must not be larger than 9223372036854775807`},
	} {
		t.Run(c.policy, func(t *testing.T) {
			k := kindOf(t, "ResourceSlice")
			expect(t, created(k, object(t, k, capacityOf(c.policy))), c.want)
		})
	}
	for _, fine := range []string{"", `"default":"1"`, `"default":"1","validValues":["1","2"]`, `"default":"3","validRange":{"min":"1","max":"9","step":"2"}`} {
		k := kindOf(t, "ResourceSlice")
		if errs := created(k, object(t, k, capacityOf(fine))); len(errs) > 0 {
			t.Errorf("%s: %v", fine, errs)
		}
	}
}

func TestDeviceUpdatesRefused(t *testing.T) {
	testUpdateRefused(t, []refusal{
		{"DeviceClass", `{"spec":{"selectors":[{"cel":{"expression":"nope"}}]}}`, "spec.selectors[0].cel.expression: Invalid value"},
		{"ResourceClaim", `{"spec":{"devices":null}}`, "spec: Invalid value: null: field is immutable"},
		{"ResourceClaimTemplate", `{"spec":{"metadata":{"labels":{"a":"b"}}}}`, "spec: Invalid value: "},
		{"ResourceClaimTemplate", `{"spec":{"spec":{"devices":{"requests":[{"name":"a"}]}}}}`, "spec.spec.devices.requests[0]: Required value"},
		{"ResourceSlice", `{"spec":{"nodeName":"m"}}`, `spec.nodeName: Invalid value: "m": field is immutable`},
		{"ResourceSlice", `{"spec":{"driver":"e.x"}}`, `spec.driver: Invalid value: "e.x": field is immutable`},
		{"ResourceSlice", `{"spec":{"pool":{"name":"q"}}}`, `spec.pool.name: Invalid value: "q": field is immutable`},
		{"DeviceTaintRule", `{"spec":{"taint":{"key":"a b"}}}`, `spec.taint.key: Invalid value: "a b"`},
	})
}

func TestDeviceDefaults(t *testing.T) {
	testDefaults(t, []outcome{
		{"ResourceClaim", `{}`, "spec.devices.requests.exactly.allocationMode", "ExactCount"},
		{"ResourceClaim", `{}`, "spec.devices.requests.exactly.count", "1"},
		{"ResourceClaim", alternative(`"name":"s","deviceClassName":"c","tolerations":[{}]`), "spec.devices.requests.firstAvailable.count", "1"},
		{"ResourceClaim", alternative(`"name":"s","deviceClassName":"c","tolerations":[{}]`), "spec.devices.requests.firstAvailable.tolerations.operator", "Equal"},
		{"ResourceClaim", claimed(`"allocationMode":"All"`), "spec.devices.requests.exactly.count", "<nil>"},
		{"ResourceClaim", claimed(`"derivedAttributes":[{"name":"d/a","expression":"1"}]`), "spec.devices.requests.exactly.derivedAttributes", "<nil>"},
		{"ResourceClaimTemplate", `{}`, "spec.spec.devices.requests.exactly.count", "1"},
		{"ResourceSlice", `{}`, "metadata.generation", "1"},
		{"ResourceSlice", `{"spec":{"skipNodeOperations":["*"]}}`, "spec.skipNodeOperations", "<nil>"},
		{"ResourceSlice", `{"spec":{"partitionTypeAttribute":"d/a"}}`, "spec.partitionTypeAttribute", "<nil>"},
		{"ResourceSlice", sliceOf(`"nodeAllocatableResources":{"cpu":{}}`), "spec.devices.nodeAllocatableResources", "<nil>"},
		{"ResourceSlice", sliceOf(`"attributes":{"a":{"ints":[1]}}`), "spec.devices.attributes.a.ints", "<nil>"},
		{"ResourceSlice", sliceOf(`"consumesCounters":[{"counterSet":"c","compatibilityGroups":["g"]}]`), "spec.devices.consumesCounters.compatibilityGroups", "<nil>"},
		{"DeviceClass", `{}`, "metadata.generation", "1"},
		{"DeviceTaintRule", `{}`, "metadata.generation", "1"},
	})
}
