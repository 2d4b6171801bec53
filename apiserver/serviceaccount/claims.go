package serviceaccount

import (
	"encoding/json"

	"github.com/go-jose/go-jose/v4/jwt"
)

// The user name and groups of service accounts.
const (
	userPrefix     = "system:serviceaccount:"
	allGroup       = "system:serviceaccounts"
	namespaceGroup = "system:serviceaccounts:"
)

// Username is the user name of a service account.
func Username(namespace, name string) string { return userPrefix + namespace + ":" + name }

// The keys of what a token tells beyond its account, in the user's extra.
const (
	extraPodName  = "authentication.kubernetes.io/pod-name"
	extraPodUID   = "authentication.kubernetes.io/pod-uid"
	extraNodeName = "authentication.kubernetes.io/node-name"
	extraNodeUID  = "authentication.kubernetes.io/node-uid"
)

// claims are what a token says.
type claims struct {
	jwt.Claims
	Audience   audiences `json:"aud,omitempty"` // and not that of Claims
	Kubernetes private   `json:"kubernetes.io"`
}

// audiences are written as a list, also if there is but one, which is read
// either way.
type audiences []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audiences) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, (*jwt.Audience)(a))
}

// private are the claims outside the JWT standard.
type private struct {
	Namespace      string           `json:"namespace,omitempty"`
	ServiceAccount ref              `json:"serviceaccount"`
	Pod            *ref             `json:"pod,omitempty"`
	Secret         *ref             `json:"secret,omitempty"`
	Node           *ref             `json:"node,omitempty"`
	WarnAfter      *jwt.NumericDate `json:"warnafter,omitempty"`
}

// ref names an object.
type ref struct {
	Name string `json:"name"`
	UID  string `json:"uid,omitempty"`
}
