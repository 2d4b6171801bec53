package resource

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// poolName requires DNS names separated by slashes.
func poolName(e *check.Errors, p *field.Path, name string) {
	if name == "" {
		e.Required(p, "")
		return
	}
	if len(name) > resourcev1.PoolNameMaxLength {
		e.TooLong(p, resourcev1.PoolNameMaxLength)
	}
	for part := range strings.SplitSeq(name, "/") {
		e.DNSSubdomain(p, part)
	}
}

// qualifiedName requires an identifier of C, after a domain and a slash if
// there is one. More slashes are borne: they have been let through for long.
func qualifiedName(e *check.Errors, p *field.Path, name string) {
	domain, id, qualified := strings.Cut(name, "/")
	switch {
	case !qualified:
		identifier(e, p, name)
		return
	case strings.Contains(id, "/"):
		return
	case domain == "":
		e.Invalid(p, "", "the domain must not be empty")
	default:
		podspec.CSIDriverName(e, p, domain)
	}
	if id == "" {
		e.Invalid(p, "", "the name must not be empty")
	} else {
		identifier(e, p, id)
	}
}

func identifier(e *check.Errors, p *field.Path, id string) {
	if len(id) > resourcev1.DeviceMaxIDLength {
		e.TooLong(p, resourcev1.DeviceMaxIDLength)
	}
	e.Messages(p, id, content.IsCIdentifier(id))
}

// shortened is a key as paths show it.
func shortened(key string) string {
	const most = resourcev1.DeviceMaxDomainLength + 1 + resourcev1.DeviceMaxIDLength
	const gap = "..."
	if len(key) <= most {
		return key
	}
	left := most - len(gap)
	return key[:(left+1)/2] + gap + key[len(key)-left/2:]
}

// configuration requires parameters for a driver.
func configuration(e *check.Errors, p *field.Path, c *resourcev1.DeviceConfiguration, a age) {
	if p = p.Child("opaque"); c.Opaque == nil {
		e.Required(p, "")
		return
	}
	object(e, p.Child("parameters"), c.Opaque.Parameters, resourcev1.OpaqueParametersMaxLength, a)
}

// object requires an object in JSON. Stored ones may be longer than most bytes.
func object(e *check.Errors, p *field.Path, data runtime.RawExtension, most int, a age) {
	var v any
	if len(data.Raw) == 0 {
		e.Required(p, "")
	} else if len(data.Raw) > most && a == fresh {
		e.TooLong(p, most)
	} else if err := json.Unmarshal(data.Raw, &v); err != nil {
		e.Invalid(p, "<value omitted>", fmt.Sprintf("error parsing data as JSON: %v", err))
	} else if v == nil {
		e.Required(p, "")
	} else if _, ok := v.(map[string]any); !ok {
		e.Invalid(p, "<value omitted>", "must be a valid JSON object")
	}
}

// taint checks a taint but for its effect, which is declared.
func taint(e *check.Errors, p *field.Path, key, value string) {
	e.LabelName(p.Child("key"), key)
	e.Messages(p.Child("value"), value, validation.IsValidLabelValue(value))
}

func tolerations(e *check.Errors, p *field.Path, list []resourcev1.DeviceToleration) {
	for i, t := range list {
		at := p.Index(i).Child("value")
		switch t.Operator {
		case resourcev1.DeviceTolerationOpExists:
			if t.Value != "" {
				e.Invalid(at, t.Value, "must be empty for operator `Exists`")
			}
		case resourcev1.DeviceTolerationOpEqual:
			e.Messages(at, t.Value, validation.IsValidLabelValue(t.Value))
		}
	}
}

// binding checks the conditions that a device is waited for with; there are
// some of both kinds, or none.
func binding(e *check.Errors, p *field.Path, good, bad []string) {
	goodPath, badPath := p.Child("bindingConditions"), p.Child("bindingFailureConditions")
	for _, c := range []struct {
		p    *field.Path
		list []string
		most int
	}{{goodPath, good, resourcev1.BindingConditionsMaxSize}, {badPath, bad, resourcev1.BindingFailureConditionsMaxSize}} {
		if len(c.list) <= c.most {
			for i, name := range c.list {
				e.LabelName(c.p.Index(i), name)
			}
		}
		for i, name := range c.list {
			if slices.Contains(c.list[:i], name) {
				e.Duplicate(c.p.Index(i), name)
			}
		}
	}
	for i, name := range bad {
		if slices.Contains(good, name) {
			e.Invalid(badPath.Index(i), name, "bindingFailureConditions must not overlap with bindingConditions")
		}
	}
	switch {
	case len(good) == 0 && len(bad) > 0:
		e.Invalid(goodPath, good, "bindingConditions are required to use bindingFailureConditions")
	case len(bad) == 0 && len(good) > 0:
		e.Invalid(badPath, bad, "bindingFailureConditions are required to use bindingConditions")
	}
}
