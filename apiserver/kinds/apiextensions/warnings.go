package apiextensions

import (
	"fmt"
	"slices"

	internal "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	schemavalidation "k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// warnings tells of what is accepted but will not do what it seems to; of what
// was so before, old, it says nothing again.
func warnings(served, was *v1.CustomResourceDefinition) []string {
	all := doubts(served)
	if was == nil {
		return all
	}
	before := doubts(was)
	return slices.DeleteFunc(all, func(text string) bool { return slices.Contains(before, text) })
}

func doubts(served *v1.CustomResourceDefinition) []string {
	crd, err := toInternal(served)
	if err != nil {
		return nil
	}
	var formats, sets []string
	add := func(list *[]string, text string) {
		if !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	for _, s := range schemasOf(&crd.Spec) {
		for n := range within(s) {
			for _, f := range unknownFormats(n) {
				add(&formats, fmt.Sprintf("unrecognized format %q", f))
			}
			if n.XListType == nil || *n.XListType != "set" || n.Items == nil || n.Items.Schema == nil {
				continue
			}
			if t := n.Items.Schema.Type; t == "object" || t == "array" {
				add(&sets, fmt.Sprintf("x-kubernetes-list-type: set for items of type %q is not supported by server-side apply or CEL validation rules", t))
			}
		}
	}
	slices.Sort(sets)
	return append(formats, sets...)
}

func unknownFormats(s *internal.JSONSchemaProps) []string {
	if s.Format == "" {
		return nil
	}
	as := &spec.Schema{SchemaProps: spec.SchemaProps{Format: s.Format, Type: []string{s.Type}}}
	return schemavalidation.GetUnrecognizedFormats(as, environment.DefaultCompatibilityVersion())
}
