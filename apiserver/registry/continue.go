package registry

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// token is what a continue parameter carries.
type token struct {
	APIVersion      string `json:"v"`
	ResourceVersion int64  `json:"rv"`
	StartKey        string `json:"start"`
}

const tokenVersion = "meta.k8s.io/v1"

// encodeContinue makes a continue parameter: go on at start, a key below the
// listed prefix, in the state at a revision; -1 is the newest state.
func encodeContinue(start string, revision int64) (string, error) {
	data, err := json.Marshal(token{APIVersion: tokenVersion, ResourceVersion: revision, StartKey: start})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}

// decodeContinue is the inverse. The key is checked to stay below the prefix.
func decodeContinue(value string) (start string, revision int64, err error) {
	data, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return "", 0, fmt.Errorf("continue key is not valid: %w", err)
	}
	var t token
	if err := json.Unmarshal(data, &t); err != nil {
		return "", 0, fmt.Errorf("continue key is not valid: %w", err)
	}
	if t.APIVersion != tokenVersion {
		return "", 0, fmt.Errorf("continue key is not valid: server does not recognize this encoded version %v", t.APIVersion)
	}
	if t.ResourceVersion == 0 {
		return "", 0, errors.New("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
	}
	if t.StartKey == "" {
		return "", 0, errors.New("continue key is not valid: encoded start key empty (version meta.k8s.io/v1)")
	}
	key := t.StartKey
	if !strings.HasPrefix(key, "/") {
		key = "/" + key
	}
	if path.Clean(key) != key {
		return "", 0, fmt.Errorf("continue key is not valid: %s", t.StartKey)
	}
	return key[1:], t.ResourceVersion, nil
}
