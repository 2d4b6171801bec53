package serviceaccount_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/keelson-project/keelson/apiserver/serviceaccount"
)

// TestPaths finds the key that signs by way of the issuer's documents.
func TestPaths(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := serviceaccount.NewIssuer(serviceaccount.Config{Issuer: "https://issuer", Key: key, Client: fake.NewClientset()})
	if err != nil {
		t.Fatal(err)
	}
	paths, err := issuer.Paths("https://host/openid/v1/jwks")
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, into any) {
		t.Helper()
		w := httptest.NewRecorder()
		paths[path].ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	var configuration map[string]any
	get(serviceaccount.ConfigurationPath, &configuration)
	if configuration["issuer"] != "https://issuer" || configuration["jwks_uri"] != "https://host/openid/v1/jwks" {
		t.Errorf("configuration is %v", configuration)
	}
	var keys jose.JSONWebKeySet
	get(serviceaccount.KeysPath, &keys)
	id, err := serviceaccount.KeyID(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if found := keys.Key(id); len(found) != 1 || !key.PublicKey.Equal(found[0].Key) {
		t.Errorf("keys are %+v", keys)
	}
	w := httptest.NewRecorder()
	paths[serviceaccount.KeysPath].ServeHTTP(w, httptest.NewRequest("POST", serviceaccount.KeysPath, nil))
	if w.Code != 405 {
		t.Errorf("POST answers %d", w.Code)
	}
}
