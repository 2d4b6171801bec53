package podspec

import (
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func (c *checker) volumeMounts(ctr *corev1.Container, p *field.Path) {
	devices := map[string]string{}
	for _, d := range ctr.VolumeDevices {
		devices[d.Name] = d.DevicePath
	}
	paths := map[string]bool{}
	for i := range ctr.VolumeMounts {
		m, at := &ctr.VolumeMounts[i], p.Index(i)
		c.NotEmpty(at.Child("name"), m.Name)
		if c.volumes[m.Name] == nil {
			c.Add(field.NotFound(at.Child("name"), m.Name))
		}
		c.NotEmpty(at.Child("mountPath"), m.MountPath)
		if paths[m.MountPath] {
			c.Invalid(at.Child("mountPath"), m.MountPath, "must be unique")
		}
		paths[m.MountPath] = true
		if _, device := devices[m.Name]; device {
			c.Invalid(at.Child("name"), m.Name, "must not already exist in volumeDevices")
		}
		if hasValue(devices, m.MountPath) {
			c.Invalid(at.Child("mountPath"), m.MountPath, "must not already exist as a path in volumeDevices")
		}
		if m.SubPath != "" {
			c.descending(p.Child("subPath"), m.SubPath)
		}
		if m.SubPathExpr != "" {
			if m.SubPath != "" {
				c.Invalid(at.Child("subPathExpr"), m.SubPathExpr, "subPathExpr and subPath are mutually exclusive")
			}
			c.descending(p.Child("subPathExpr"), m.SubPathExpr)
		}
		c.mountOptions(ctr, m, p)
	}
}

func (c *checker) mountOptions(ctr *corev1.Container, m *corev1.VolumeMount, p *field.Path) {
	if mode := m.MountPropagation; mode != nil {
		at := p.Child("mountPropagation")
		check.OneOf(&c.Errors, at, *mode, corev1.MountPropagationBidirectional, corev1.MountPropagationHostToContainer, corev1.MountPropagationNone)
		s := ctr.SecurityContext
		if *mode == corev1.MountPropagationBidirectional && (s == nil || s.Privileged == nil || !*s.Privileged) {
			c.Forbidden(at, "Bidirectional mount propagation is available only to privileged containers")
		}
	}
	if r := m.RecursiveReadOnly; r != nil {
		at := p.Child("recursiveReadOnly")
		check.OneOf(&c.Errors, at, *r, corev1.RecursiveReadOnlyDisabled, corev1.RecursiveReadOnlyEnabled, corev1.RecursiveReadOnlyIfPossible)
		if *r == corev1.RecursiveReadOnlyEnabled || *r == corev1.RecursiveReadOnlyIfPossible {
			if !m.ReadOnly {
				c.Forbidden(at, "may only be specified when readOnly is true")
			}
			if m.MountPropagation != nil && *m.MountPropagation != corev1.MountPropagationNone {
				c.Forbidden(at, "may only be specified when mountPropagation is None or not specified")
			}
		}
	}
}

func (c *checker) volumeDevices(ctr *corev1.Container, p *field.Path) {
	mounts := map[string]string{}
	for _, m := range ctr.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	names, paths := map[string]bool{}, map[string]bool{}
	for i, d := range ctr.VolumeDevices {
		at := p.Index(i)
		c.NotEmpty(at.Child("name"), d.Name)
		if d.Name != "" && names[d.Name] {
			c.Invalid(at.Child("name"), d.Name, "must be unique")
		}
		names[d.Name] = true
		if v := c.volumes[d.Name]; v == nil {
			c.Add(field.NotFound(at.Child("name"), d.Name))
		} else if v.PersistentVolumeClaim == nil && v.Ephemeral == nil {
			c.Invalid(at.Child("name"), d.Name, "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode")
		}
		c.NotEmpty(at.Child("devicePath"), d.DevicePath)
		if paths[d.DevicePath] {
			c.Invalid(at.Child("devicePath"), d.DevicePath, "must be unique")
		}
		if hasBackstep(d.DevicePath) {
			c.Invalid(at.Child("devicePath"), d.DevicePath, "can not contain backsteps ('..')")
		} else {
			paths[d.DevicePath] = true
		}
		if _, mounted := mounts[d.Name]; mounted {
			c.Invalid(at.Child("name"), d.Name, "must not already exist in volumeMounts")
		}
		if hasValue(mounts, d.DevicePath) {
			c.Invalid(at.Child("devicePath"), d.DevicePath, "must not already exist as a path in volumeMounts")
		}
	}
}

func hasValue(m map[string]string, value string) bool {
	for _, v := range m {
		if v == value {
			return true
		}
	}
	return false
}

func hasBackstep(s string) bool { return slices.Contains(strings.Split(s, "/"), "..") }

func (c *checker) noBacksteps(p *field.Path, s string) { noBacksteps(&c.Errors, p, s) }

func noBacksteps(e *check.Errors, p *field.Path, s string) {
	if hasBackstep(s) {
		e.Invalid(p, s, "must not contain '..'")
	}
}

// descending requires a path that stays below where it starts.
func (c *checker) descending(p *field.Path, s string) {
	if path.IsAbs(s) {
		c.Invalid(p, s, "must be a relative path")
	}
	c.noBacksteps(p, s)
}

// inside requires a descending path to a file that a volume may hold.
func (c *checker) inside(p *field.Path, s string) {
	c.descending(p, s)
	if strings.HasPrefix(s, "..") && !strings.HasPrefix(s, "../") {
		c.Invalid(p, s, "must not start with '..'")
	}
}

func parsesInt32(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}
