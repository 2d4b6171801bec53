package serviceaccount

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-jose/go-jose/v4"
)

// ConfigurationPath and KeysPath are where others learn how to check tokens.
const (
	ConfigurationPath = "/.well-known/openid-configuration"
	KeysPath          = "/openid/v1/jwks"
)

// Paths are the documents by which others than the API server check tokens,
// as OpenID Connect Discovery has them. KeysURL is where they reach KeysPath.
func (i *Issuer) Paths(keysURL string) (map[string]http.Handler, error) {
	public := i.config.Key.Public()
	algorithm, err := algorithmOf(public)
	if err != nil {
		return nil, err
	}
	id, err := KeyID(public)
	if err != nil {
		return nil, err
	}
	configuration, err := json.Marshal(struct {
		Issuer        string   `json:"issuer"`
		KeysURL       string   `json:"jwks_uri"`
		ResponseTypes []string `json:"response_types_supported"`
		SubjectTypes  []string `json:"subject_types_supported"`
		Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	}{i.config.Issuer, keysURL, []string{"id_token"}, []string{"public"}, []string{string(algorithm)}})
	if err != nil {
		return nil, fmt.Errorf("serviceaccount: %w", err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: id, Algorithm: string(algorithm), Use: "sig"}}})
	if err != nil {
		return nil, fmt.Errorf("serviceaccount: %w", err)
	}
	return map[string]http.Handler{
		ConfigurationPath: document(configuration, "application/json"), KeysPath: document(keys, "application/jwk-set+json"),
	}, nil
}

// document answers GET with what may be cached for an hour.
func document(data []byte, contentType string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET")
			http.Error(w, "405: Method Not Allowed", http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "public, max-age=3600")
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		_, _ = w.Write(data)
	})
}
