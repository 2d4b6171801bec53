package volume

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Payload is the files of a volume by path.
type Payload map[string]File

// File is one file of a payload.
type File struct {
	Data []byte
	Mode int32
	// Owner is the user to own the file, if not nil.
	Owner *int64
}

// Keys projects the data of an object, called name in errors, to files: all of
// it, or what items choose. It fails for an item whose key is missing, unless
// it may be.
func Keys(name string, data map[string][]byte, items []corev1.KeyToPath, mode int32, optional bool) (Payload, error) {
	payload := make(Payload)
	if len(items) == 0 {
		for key, value := range data {
			payload[key] = File{Data: value, Mode: mode}
		}
		return payload, nil
	}
	for _, item := range items {
		value, ok := data[item.Key]
		if !ok {
			if optional {
				continue
			}
			return nil, fmt.Errorf("references non-existent %s key: %s", name, item.Key)
		}
		file := File{Data: value, Mode: mode}
		if item.Mode != nil {
			file.Mode = *item.Mode
		}
		clean, err := cleanPath(item.Path)
		if err != nil {
			return nil, err
		}
		payload[clean] = file
	}
	return payload, nil
}

// ConfigMapData is all the data of a config map.
func ConfigMapData(object *corev1.ConfigMap) map[string][]byte {
	data := make(map[string][]byte, len(object.Data)+len(object.BinaryData))
	for key, value := range object.Data {
		data[key] = []byte(value)
	}
	maps.Copy(data, object.BinaryData)
	return data
}

// Add adds a file at a path.
func (p Payload) Add(at string, f File) error {
	clean, err := cleanPath(at)
	if err != nil {
		return err
	}
	p[clean] = f
	return nil
}

// Merge adds the files of another payload; they win over those here.
func (p Payload) Merge(other Payload) { maps.Copy(p, other) }

// equal reports whether two payloads are the same.
func (p Payload) equal(other Payload) bool {
	return maps.EqualFunc(p, other, func(a, b File) bool {
		return a.Mode == b.Mode && slices.Equal(a.Data, b.Data) && (a.Owner == nil) == (b.Owner == nil) &&
			(a.Owner == nil || *a.Owner == *b.Owner)
	})
}

// cleanPath checks a path within a volume. The names that begin with two dots
// are the writer's own.
func cleanPath(at string) (string, error) {
	clean := path.Clean(at)
	switch {
	case at == "" || path.IsAbs(at):
		return "", fmt.Errorf("invalid path %q in a volume: it must be relative", at)
	case strings.HasPrefix(clean, ".."):
		return "", fmt.Errorf("invalid path %q in a volume: it must not begin with '..'", at)
	}
	return clean, nil
}
