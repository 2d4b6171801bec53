package resource

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// validateSlice checks devices and where they are; old is nil for a new slice.
func validateSlice(s, old *resourcev1.ResourceSliceSpec) field.ErrorList {
	e, p := &check.Errors{}, field.NewPath("spec")
	podspec.CSIDriverName(e, p.Child("driver"), s.Driver)
	poolName(e, p.Child("pool", "name"), s.Pool.Name)
	e.Positive(p.Child("pool", "resourceSliceCount"), s.Pool.ResourceSliceCount)
	if n := s.Pool.Generation; n < 0 {
		e.Invalid(p.Child("pool", "generation"), n, "must be greater than or equal to zero")
	}
	if old != nil {
		e.Same(p.Child("pool", "name"), s.Pool.Name, old.Pool.Name)
		e.Same(p.Child("driver"), s.Driver, old.Driver)
		e.Same(p.Child("nodeName"), s.NodeName, old.NodeName)
	}
	place(e, p, s)
	if s.SharedCounters != nil && s.Devices != nil {
		e.Invalid(p, "", "only one of `sharedCounters` or `devices` is allowed")
	}
	devices(e, p.Child("devices"), s, old)
	if len(s.SharedCounters) <= resourcev1.ResourceSliceMaxCounterSets {
		for i := range s.SharedCounters {
			counters(e, p.Child("sharedCounters").Index(i), len(s.SharedCounters[i].Counters), resourcev1.ResourceSliceMaxCountersPerCounterSet)
		}
	}
	return e.List
}

// place requires one way to say on which nodes the devices are.
func place(e *check.Errors, p *field.Path, s *resourcev1.ResourceSliceSpec) {
	var ways []string
	if at := p.Child("nodeName"); s.NodeName != nil && *s.NodeName == "" {
		e.Invalid(at, "", "must be either unset or set to a non-empty string")
	} else if s.NodeName != nil {
		ways = append(ways, "`nodeName`")
		e.DNSSubdomain(at, *s.NodeName)
	}
	if at := p.Child("nodeSelector"); s.NodeSelector != nil {
		ways = append(ways, "`nodeSelector`")
		podspec.NodeSelector(e, at, s.NodeSelector)
		if terms := s.NodeSelector.NodeSelectorTerms; len(terms) != 1 {
			e.Invalid(at.Child("nodeSelectorTerms"), terms, "must have exactly one node selector term")
		}
	}
	ways = whole(e, p.Child("allNodes"), s.AllNodes, ways, "`allNodes`")
	ways = whole(e, p.Child("perDeviceNodeSelection"), s.PerDeviceNodeSelection, ways, "`perDeviceNodeSelection`")
	const one = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
	switch {
	case len(ways) == 0:
		e.Required(p, one)
	case len(ways) > 1:
		e.Invalid(p, braced(ways), one+", but multiple fields are set")
	}
}

// whole takes in a way that is either true or left out.
func whole(e *check.Errors, p *field.Path, set *bool, ways []string, name string) []string {
	switch {
	case set == nil:
		return ways
	case !*set:
		e.Invalid(p, false, "must be either unset or set to true")
		return ways
	}
	return append(ways, name)
}

func braced(names []string) string { return "{" + strings.Join(names, ", ") + "}" }

// counters limits how many counters there are; that there are some, and their
// names, is declared.
func counters(e *check.Errors, p *field.Path, n, most int) {
	if n > most {
		e.Add(field.TooMany(p.Child("counters"), n, most))
	}
}

func devices(e *check.Errors, p *field.Path, s, old *resourcev1.ResourceSliceSpec) {
	most := resourcev1.ResourceSliceMaxDevices
	if slices.ContainsFunc(s.Devices, advanced) {
		most = resourcev1.ResourceSliceMaxDevicesWithAdvancedFeatures
	}
	if len(s.Devices) > most {
		e.Add(field.TooMany(p, len(s.Devices), most))
		return
	}
	byName := map[string]*resourcev1.Device{}
	if old != nil {
		for i := range old.Devices {
			if d := &old.Devices[i]; byName[d.Name] == nil {
				byName[d.Name] = d
			}
		}
	}
	each := s.PerDeviceNodeSelection != nil && *s.PerDeviceNodeSelection
	seen := map[string]bool{}
	for i := range s.Devices {
		d, p := &s.Devices[i], p.Index(i)
		device(e, p, d, byName[d.Name])
		if each {
			placeOfDevice(e, p, d)
		} else if d.NodeName != nil || d.NodeSelector != nil || d.AllNodes != nil {
			e.Invalid(p, nil, "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the ResourceSlice spec")
		}
		if seen[d.Name] {
			e.Duplicate(p, d.Name)
		}
		seen[d.Name] = true
	}
}

// advanced reports whether a device is of those that a slice can hold fewer of.
func advanced(d resourcev1.Device) bool {
	if len(d.Taints) > 0 || len(d.ConsumesCounters) > 0 {
		return true
	}
	for _, a := range d.Attributes {
		if hasLists(&a) {
			return true
		}
	}
	return false
}

// device checks a device. Capacities and taints that are as they were are
// taken to be right.
func device(e *check.Errors, p *field.Path, d, old *resourcev1.Device) {
	e.DNSLabel(p.Child("name"), d.Name)
	size(e, p, d)
	at := p.Child("attributes")
	for _, name := range slices.Sorted(maps.Keys(d.Attributes)) {
		qualifiedName(e, at, string(name))
		a := d.Attributes[name]
		attribute(e, at.Key(shortened(string(name))), &a)
	}
	if old == nil || !equality.Semantic.DeepEqual(old.Capacity, d.Capacity) {
		at := p.Child("capacity")
		for _, name := range slices.Sorted(maps.Keys(d.Capacity)) {
			qualifiedName(e, at, string(name))
			policy, at := d.Capacity[name].RequestPolicy, at.Key(shortened(string(name))).Child("requestPolicy")
			if policy == nil {
				continue
			}
			if d.AllowMultipleAllocations != nil && *d.AllowMultipleAllocations {
				requestPolicy(e, at, d.Capacity[name].Value, policy)
			} else {
				e.Forbidden(at, "allowMultipleAllocations must be true")
			}
		}
	}
	if old == nil || !equality.Semantic.DeepEqual(old.Taints, d.Taints) {
		at := p.Child("taints")
		if n := len(d.Taints); n > resourcev1.DeviceTaintsMaxLength {
			e.Add(field.TooMany(at, n, resourcev1.DeviceTaintsMaxLength))
		} else {
			for i := range d.Taints {
				taint(e, at.Index(i), d.Taints[i].Key, d.Taints[i].Value)
			}
		}
	}
	if len(d.ConsumesCounters) <= resourcev1.ResourceSliceMaxDeviceCounterConsumptionsPerDevice {
		for i := range d.ConsumesCounters {
			counters(e, p.Child("consumesCounters").Index(i), len(d.ConsumesCounters[i].Counters), resourcev1.ResourceSliceMaxCountersPerDeviceCounterConsumption)
		}
	}
	binding(e, p, d.BindingConditions, d.BindingFailureConditions)
}

// size limits how much is said of a device.
func size(e *check.Errors, p *field.Path, d *resourcev1.Device) {
	const most, mostValues = resourcev1.ResourceSliceMaxAttributesAndCapacitiesPerDevice, resourcev1.ResourceSliceMaxAttributeValuesPerDevice
	if n := len(d.Attributes) + len(d.Capacity); n > most {
		e.Invalid(p, n, fmt.Sprintf("the total number of attributes and capacities must not exceed %d", most))
	}
	values := 0
	for _, a := range d.Attributes {
		values += max(1, len(a.BoolValues)+len(a.IntValues)+len(a.StringValues)+len(a.VersionValues))
	}
	if values > mostValues {
		e.Invalid(p, values, fmt.Sprintf("the total number of attribute values must not exceed %d", mostValues))
	}
}

// version is that of semver.org, 2.0.0.
var version = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)` +
	`(-(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(\.(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?$`)

// attribute checks the values of an attribute. That there is one is declared.
func attribute(e *check.Errors, p *field.Path, a *resourcev1.DeviceAttribute) {
	const most = resourcev1.DeviceAttributeMaxValueLength
	text := func(p *field.Path, s string) {
		if len(s) > most {
			e.TooLong(p, most)
		}
	}
	number := func(p *field.Path, s string) {
		if !version.MatchString(s) {
			e.Invalid(p, s, "must be a string compatible with semver.org spec 2.0.0")
		}
		text(p, s)
	}
	if a.StringValue != nil {
		text(p.Child("string"), *a.StringValue)
	}
	if a.VersionValue != nil {
		number(p.Child("version"), *a.VersionValue)
	}
}

// placeOfDevice requires one way to say on which nodes a device is.
func placeOfDevice(e *check.Errors, p *field.Path, d *resourcev1.Device) {
	var ways []string
	if at := p.Child("nodeName"); d.NodeName != nil && *d.NodeName == "" {
		e.Invalid(at, "", "must not be empty")
	} else if d.NodeName != nil {
		ways = append(ways, "`nodeName`")
		e.DNSSubdomain(at, *d.NodeName)
	}
	if d.NodeSelector != nil {
		ways = append(ways, "`nodeSelector`")
		podspec.NodeSelector(e, p.Child("nodeSelector"), d.NodeSelector)
	}
	ways = whole(e, p.Child("allNodes"), d.AllNodes, ways, "`allNodes`")
	const one = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true in the ResourceSlice spec"
	switch {
	case len(ways) == 0:
		e.Required(p, one)
	case len(ways) > 1:
		e.Invalid(p, braced(ways), one)
	}
}
