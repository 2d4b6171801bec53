package podspec

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func (c *checker) env(ctr *corev1.Container, p *field.Path) {
	for i := range ctr.Env {
		v, at := &ctr.Env[i], p.Child("env").Index(i)
		if v.Name == "" {
			c.Required(at.Child("name"), "")
		} else {
			c.Messages(at.Child("name"), v.Name, validation.IsRelaxedEnvVarName(v.Name))
		}
		if v.ValueFrom != nil {
			c.envFrom(v, at.Child("valueFrom"))
		}
	}
	all := p.Child("envFrom")
	for i := range ctr.EnvFrom {
		v, at := &ctr.EnvFrom[i], all.Index(i)
		if v.Prefix != "" {
			c.Messages(at.Child("prefix"), v.Prefix, validation.IsRelaxedEnvVarName(v.Prefix))
		}
		sources := 0
		if v.ConfigMapRef != nil {
			sources++
			c.sourceName(at.Child("configMapRef", "name"), v.ConfigMapRef.Name)
		}
		if v.SecretRef != nil {
			sources++
			c.sourceName(at.Child("secretRef", "name"), v.SecretRef.Name)
		}
		switch {
		case sources == 0:
			c.Invalid(all, "", "must specify one of: `configMapRef` or `secretRef`")
		case sources > 1:
			c.Invalid(all, "", "may not have more than one field specified at a time")
		}
	}
}

func (c *checker) sourceName(p *field.Path, name string) {
	if name == "" {
		c.Required(p, "")
	} else {
		c.Messages(p, name, apivalidation.NameIsDNSSubdomain(name, true))
	}
}

func (c *checker) envFrom(v *corev1.EnvVar, p *field.Path) {
	from, sources := v.ValueFrom, 0
	if r := from.FieldRef; r != nil {
		sources++
		c.fieldRef(r, p.Child("fieldRef"), []string{
			"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
			"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
		})
	}
	if r := from.ResourceFieldRef; r != nil {
		sources++
		c.resourceRef(r, p.Child("resourceFieldRef"))
	}
	if r := from.ConfigMapKeyRef; r != nil {
		sources++
		c.keyRef(p.Child("configMapKeyRef"), r.Name, r.Key)
	}
	if r := from.SecretKeyRef; r != nil {
		sources++
		c.keyRef(p.Child("secretKeyRef"), r.Name, r.Key)
	}
	if r := from.FileKeyRef; r != nil {
		sources++
		at := p.Child("fileKeyRef")
		if r.Key == "" {
			c.Required(at.Child("key"), "")
		} else {
			c.Messages(at.Child("key"), r.Key, validation.IsRelaxedEnvVarName(r.Key))
		}
		c.RequiredDNSLabel(at.Child("volumeName"), r.VolumeName)
		if r.Path == "" {
			c.Required(at.Child("path"), "")
		} else {
			c.noBacksteps(at.Child("path"), r.Path)
		}
	}
	switch {
	case sources == 0:
		c.Invalid(p, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`")
	case v.Value != "":
		c.Invalid(p, "", "may not be specified when `value` is not empty")
	case sources > 1:
		c.Invalid(p, "", "may not have more than one field specified at a time")
	}
}

func (c *checker) keyRef(p *field.Path, name, key string) {
	c.Messages(p.Child("name"), name, apivalidation.NameIsDNSSubdomain(name, false))
	if key == "" {
		c.Required(p.Child("key"), "")
	} else {
		c.Messages(p.Child("key"), key, validation.IsConfigMapKey(key))
	}
}

// fieldRef requires one of the fields of the pod that may be told to it.
func (c *checker) fieldRef(r *corev1.ObjectFieldSelector, p *field.Path, known []string) {
	if r.APIVersion == "" {
		c.Required(p.Child("apiVersion"), "")
		return
	}
	if r.FieldPath == "" {
		c.Required(p.Child("fieldPath"), "")
		return
	}
	if r.APIVersion != "v1" {
		c.Invalid(p.Child("fieldPath"), r.FieldPath, fmt.Sprintf("error converting fieldPath: unsupported pod version: %s", r.APIVersion))
		return
	}
	name, key, keyed := strings.Cut(r.FieldPath, "['")
	keyed = keyed && strings.HasSuffix(key, "']")
	if keyed {
		key = strings.TrimSuffix(key, "']")
		switch name {
		case "metadata.annotations":
			c.QualifiedName(p, strings.ToLower(key))
			return
		case "metadata.labels":
			c.QualifiedName(p, key)
			return
		}
		c.Invalid(p.Child("fieldPath"), r.FieldPath, "error converting fieldPath: field label does not support subscript: "+r.FieldPath)
		return
	}
	switch path := r.FieldPath; path {
	case "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid",
		"spec.nodeName", "spec.restartPolicy", "spec.serviceAccountName", "spec.schedulerName",
		"status.phase", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs":
		if !slices.Contains(known, path) {
			c.Add(field.NotSupported(p.Child("fieldPath"), path, known))
		}
	case "spec.host":
		if !slices.Contains(known, "spec.nodeName") {
			c.Add(field.NotSupported(p.Child("fieldPath"), "spec.nodeName", known))
		}
	default:
		c.Invalid(p.Child("fieldPath"), path, fmt.Sprintf("error converting fieldPath: field label not supported: %s", path))
	}
}

func (c *checker) resourceRef(r *corev1.ResourceFieldSelector, p *field.Path) {
	known := []string{"limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"}
	huge := strings.HasPrefix(r.Resource, "requests.hugepages-") || strings.HasPrefix(r.Resource, "limits.hugepages-")
	if r.Resource == "" {
		c.Required(p.Child("resource"), "")
	} else if !huge && !slices.Contains(known, r.Resource) {
		c.Add(field.NotSupported(p.Child("resource"), r.Resource, known))
	}
	c.divisor(r, p.Child("divisor"))
}

func (c *checker) divisor(r *corev1.ResourceFieldSelector, p *field.Path) {
	if r.Divisor.Cmp(resource.Quantity{}) == 0 {
		return
	}
	_, what, _ := strings.Cut(r.Resource, ".")
	units := []string{"1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"}
	list := strings.Join(units, ", ")
	switch {
	case what == "cpu":
		units, list = []string{"1m", "1"}, "1m and 1"
	case what == "memory":
	case what == "ephemeral-storage":
		what = "local ephemeral storage"
	case strings.HasPrefix(what, "hugepages-"):
		what = "hugepages"
	default:
		return
	}
	if !slices.Contains(units, r.Divisor.String()) {
		c.Invalid(p, r.Resource, fmt.Sprintf("only divisor's values %s are supported with the %s resource", list, what))
	}
}

// fileKeyVolumes requires the volumes of variables from files to be emptyDirs.
func (c *checker) fileKeyVolumes(p *field.Path) {
	c.each(p, func(ctr *corev1.Container, at *field.Path) {
		for i := range ctr.Env {
			from := ctr.Env[i].ValueFrom
			if from == nil || from.FileKeyRef == nil {
				continue
			}
			name := from.FileKeyRef.VolumeName
			path := at.Child("env").Index(i).Child("valueFrom", "fileKeyRef", "volumeName")
			j := slices.IndexFunc(c.spec.Volumes, func(v corev1.Volume) bool { return v.Name == name })
			if j < 0 {
				c.Add(field.NotFound(path, name))
			} else if c.spec.Volumes[j].EmptyDir == nil {
				c.Invalid(path, name, "referenced volume must be of type emptyDir")
			}
		}
	})
}
