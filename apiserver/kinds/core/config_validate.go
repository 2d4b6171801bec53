package core

import (
	"encoding/json"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/check"
)

func validateConfigMap(cm *corev1.ConfigMap) field.ErrorList {
	e, size := &check.Errors{}, 0
	for key, value := range cm.Data {
		at := field.NewPath("data").Key(key)
		e.Messages(at, key, validation.IsConfigMapKey(key))
		if _, both := cm.BinaryData[key]; both {
			e.Invalid(at, key, "duplicate of key present in binaryData")
		}
		size += len(value)
	}
	for key, value := range cm.BinaryData {
		e.Messages(field.NewPath("binaryData").Key(key), key, validation.IsConfigMapKey(key))
		size += len(value)
	}
	if size > corev1.MaxSecretSize {
		e.TooLong(field.NewPath(""), corev1.MaxSecretSize)
	}
	return e.List
}

const immutableSet = "field is immutable when `immutable` is set"

func validateConfigMapUpdate(cm, old *corev1.ConfigMap) field.ErrorList {
	e := &check.Errors{}
	if old.Immutable != nil && *old.Immutable {
		if cm.Immutable == nil || !*cm.Immutable {
			e.Forbidden(field.NewPath("immutable"), immutableSet)
		}
		if !maps.Equal(cm.Data, old.Data) {
			e.Forbidden(field.NewPath("data"), immutableSet)
		}
		if !equality.Semantic.DeepEqual(cm.BinaryData, old.BinaryData) {
			e.Forbidden(field.NewPath("binaryData"), immutableSet)
		}
	}
	return append(e.List, validateConfigMap(cm)...)
}

func validateSecret(s *corev1.Secret) field.ErrorList {
	e, p, size := &check.Errors{}, field.NewPath("data"), 0
	for key, value := range s.Data {
		e.Messages(p.Key(key), key, validation.IsConfigMapKey(key))
		size += len(value)
	}
	if size > corev1.MaxSecretSize {
		e.TooLong(p, corev1.MaxSecretSize)
	}
	need := func(keys ...string) {
		for _, key := range keys {
			if _, ok := s.Data[key]; !ok {
				e.Required(p.Key(key), "")
			}
		}
	}
	object := func(key string) {
		if _, ok := s.Data[key]; !ok {
			need(key)
		} else if err := json.Unmarshal(s.Data[key], &map[string]any{}); err != nil {
			e.Invalid(p.Key(key), "<secret contents redacted>", err.Error())
		}
	}
	switch s.Type {
	case corev1.SecretTypeServiceAccountToken:
		if s.Annotations[corev1.ServiceAccountNameKey] == "" {
			e.Required(field.NewPath("metadata", "annotations").Key(corev1.ServiceAccountNameKey), "")
		}
	case corev1.SecretTypeDockercfg:
		object(corev1.DockerConfigKey)
	case corev1.SecretTypeDockerConfigJson:
		object(corev1.DockerConfigJsonKey)
	case corev1.SecretTypeBasicAuth:
		_, user := s.Data[corev1.BasicAuthUsernameKey]
		_, password := s.Data[corev1.BasicAuthPasswordKey]
		if !user && !password {
			need(corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
		}
	case corev1.SecretTypeSSHAuth:
		if len(s.Data[corev1.SSHAuthPrivateKey]) == 0 {
			e.Required(p.Key(corev1.SSHAuthPrivateKey), "")
		}
	case corev1.SecretTypeTLS:
		need(corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	}
	return e.List
}

func validateSecretUpdate(s, old *corev1.Secret) field.ErrorList {
	e := &check.Errors{}
	e.Same(field.NewPath("type"), s.Type, old.Type)
	if old.Immutable != nil && *old.Immutable {
		if s.Immutable == nil || !*s.Immutable {
			e.Forbidden(field.NewPath("immutable"), immutableSet)
		}
		if !equality.Semantic.DeepEqual(s.Data, old.Data) {
			e.Forbidden(field.NewPath("data"), immutableSet)
		}
	}
	return append(e.List, validateSecret(s)...)
}

// emptyNotNull makes values that are null empty ones: the store does not tell
// them apart.
func emptyNotNull(data map[string][]byte) {
	for key, value := range data {
		if value == nil {
			data[key] = []byte{}
		}
	}
}
