package kubelet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// references looks up what a container's environment refers to.
type references interface {
	getConfigMap(ctx context.Context, namespace, name string) (*corev1.ConfigMap, error)
	getSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error)
}

// environment makes the environment of a container: the variables of
// services, those of envFrom, then those of env, later ones winning.
type environment struct {
	refs        references
	pod         *corev1.Pod
	container   *corev1.Container
	ips         []string
	node        nodeFacts
	services    map[string]string
	allocatable corev1.ResourceList

	values map[string]string
	order  []string
}

// nodeFacts are what the downward API tells of the node.
type nodeFacts struct {
	name    string
	hostIPs []string
}

func (e *environment) make(ctx context.Context) ([]EnvVar, error) {
	e.values = make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(e.services)) {
		e.set(name, e.services[name])
	}
	for i := range e.container.EnvFrom {
		if err := e.addFrom(ctx, &e.container.EnvFrom[i]); err != nil {
			return nil, err
		}
	}
	for i := range e.container.Env {
		if err := e.add(ctx, &e.container.Env[i]); err != nil {
			return nil, err
		}
	}
	env := make([]EnvVar, 0, len(e.order))
	for _, name := range e.order {
		env = append(env, EnvVar{Name: name, Value: e.values[name]})
	}
	return env, nil
}

func (e *environment) set(name, value string) {
	if _, ok := e.values[name]; !ok {
		e.order = append(e.order, name)
	}
	e.values[name] = value
}

// addFrom adds all keys of a config map or secret.
func (e *environment) addFrom(ctx context.Context, from *corev1.EnvFromSource) error {
	data := make(map[string]string)
	switch {
	case from.ConfigMapRef != nil:
		ref := from.ConfigMapRef
		object, err := e.refs.getConfigMap(ctx, e.pod.Namespace, ref.Name)
		if err != nil {
			return optional(ref.Optional, err)
		}
		maps.Copy(data, object.Data)
	case from.SecretRef != nil:
		ref := from.SecretRef
		object, err := e.refs.getSecret(ctx, e.pod.Namespace, ref.Name)
		if err != nil {
			return optional(ref.Optional, err)
		}
		for key, value := range object.Data {
			data[key] = string(value)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if name := from.Prefix + key; len(validation.IsRelaxedEnvVarName(name)) == 0 {
			e.set(name, data[key])
		}
	}
	return nil
}

// optional drops the error of a reference that may be missing.
func optional(flag *bool, err error) error {
	if flag != nil && *flag && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// add adds one variable.
func (e *environment) add(ctx context.Context, v *corev1.EnvVar) error {
	if v.ValueFrom == nil {
		e.set(v.Name, expand(v.Value, e.lookup))
		return nil
	}
	switch from := v.ValueFrom; {
	case from.FieldRef != nil:
		value, err := podField(e.pod, from.FieldRef.FieldPath, e.ips, e.node)
		if err != nil {
			return err
		}
		e.set(v.Name, value)
	case from.ResourceFieldRef != nil:
		c := e.container
		if from.ResourceFieldRef.ContainerName != "" {
			if c = findContainer(e.pod, from.ResourceFieldRef.ContainerName); c == nil {
				return fmt.Errorf("container %s not found", from.ResourceFieldRef.ContainerName)
			}
		}
		value, err := resourceField(from.ResourceFieldRef, c, e.allocatable)
		if err != nil {
			return err
		}
		e.set(v.Name, value)
	case from.ConfigMapKeyRef != nil:
		ref := from.ConfigMapKeyRef
		object, err := e.refs.getConfigMap(ctx, e.pod.Namespace, ref.Name)
		if err != nil {
			return optional(ref.Optional, err)
		}
		value, ok := object.Data[ref.Key]
		if !ok && (ref.Optional == nil || !*ref.Optional) {
			return fmt.Errorf("couldn't find key %v in ConfigMap %v/%v", ref.Key, e.pod.Namespace, ref.Name)
		}
		if ok {
			e.set(v.Name, value)
		}
	case from.SecretKeyRef != nil:
		ref := from.SecretKeyRef
		object, err := e.refs.getSecret(ctx, e.pod.Namespace, ref.Name)
		if err != nil {
			return optional(ref.Optional, err)
		}
		value, ok := object.Data[ref.Key]
		if !ok && (ref.Optional == nil || !*ref.Optional) {
			return fmt.Errorf("couldn't find key %v in Secret %v/%v", ref.Key, e.pod.Namespace, ref.Name)
		}
		if ok {
			e.set(v.Name, string(value))
		}
	default:
		return fmt.Errorf("environment variable %s of container %s has a source that this kubelet does not know", v.Name, e.container.Name)
	}
	return nil
}

func (e *environment) lookup(name string) (string, bool) {
	value, ok := e.values[name]
	return value, ok
}

// expand replaces $(NAME) by the value of NAME; what is not defined stays as
// it is, and $$ stands for one $.
func expand(text string, lookup func(string) (string, bool)) string {
	if !strings.Contains(text, "$") {
		return text
	}
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		switch text[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(text[i:], ')')
			if end < 0 {
				out.WriteString("$(")
				i++
				continue
			}
			if value, ok := lookup(text[i+2 : i+end]); ok {
				out.WriteString(value)
			} else {
				out.WriteString(text[i : i+end+1])
			}
			i += end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// podField is a field of a pod for the downward API.
func podField(pod *corev1.Pod, path string, ips []string, node nodeFacts) (string, error) {
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[key], nil
	}
	if key, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[key], nil
	}
	if pod.Spec.HostNetwork {
		ips = node.hostIPs
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.annotations":
		return formatMap(pod.Annotations), nil
	case "metadata.labels":
		return formatMap(pod.Labels), nil
	case "spec.nodeName":
		return node.name, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.hostIP":
		return first(node.hostIPs), nil
	case "status.hostIPs":
		return strings.Join(node.hostIPs, ","), nil
	case "status.podIP":
		return first(ips), nil
	case "status.podIPs":
		return strings.Join(ips, ","), nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %v", path)
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

// subscript takes the key out of a path such as metadata.labels['key'].
func subscript(path, of string) (string, bool) {
	key, ok := strings.CutPrefix(path, of+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(key, "']")
}

// formatMap is one line key="value" for each entry, sorted.
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, key+"="+strconv.Quote(m[key]))
	}
	return strings.Join(lines, "\n")
}

// resourceField is a request or limit of a container for the downward API. A
// limit that is not set is what the node has.
func resourceField(ref *corev1.ResourceFieldSelector, c *corev1.Container, allocatable corev1.ResourceList) (string, error) {
	list, name, ok := strings.Cut(ref.Resource, ".")
	if !ok {
		return "", errors.New("unsupported container resource : " + ref.Resource)
	}
	var value resource.Quantity
	switch list {
	case "limits":
		var set bool
		if value, set = c.Resources.Limits[corev1.ResourceName(name)]; !set {
			value = allocatable[corev1.ResourceName(name)]
		}
	case "requests":
		value = c.Resources.Requests[corev1.ResourceName(name)]
	default:
		return "", errors.New("unsupported container resource : " + ref.Resource)
	}
	divisor := ref.Divisor
	if name == string(corev1.ResourceCPU) {
		per := int64(1000)
		if !divisor.IsZero() {
			per = divisor.MilliValue()
		}
		return strconv.FormatInt(ceilDiv(value.MilliValue(), per), 10), nil
	}
	per := int64(1)
	if !divisor.IsZero() {
		per = divisor.Value()
	}
	return strconv.FormatInt(ceilDiv(value.Value(), per), 10), nil
}

func ceilDiv(a, b int64) int64 {
	if b <= 0 {
		return a
	}
	return (a + b - 1) / b
}
