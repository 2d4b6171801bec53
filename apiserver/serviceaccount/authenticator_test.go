package serviceaccount

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/client-go/kubernetes/fake"
)

// TestTokenLife follows a token of a pod until nothing vouches for it.
func TestTokenLife(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "robot", UID: "u1"}}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", UID: "u2"}, Spec: corev1.PodSpec{ServiceAccountName: "robot"}}
		//lint:ignore SA1019 it applies nothing
		client := fake.NewSimpleClientset(account, pod)
		config := Config{Issuer: "https://here", Key: key, Client: client}
		issuer, err := NewIssuer(config)
		if err != nil {
			t.Fatal(err)
		}
		auth, err := NewAuthenticator(config)
		if err != nil {
			t.Fatal(err)
		}
		seconds := int64(600)
		obj, err := issuer.Create(ctx, "ns", "robot", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
			ExpirationSeconds: &seconds, BoundObjectRef: &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: "p"},
		}}, &metav1.CreateOptions{}, func(context.Context, runtime.Object) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		token := obj.(*authenticationv1.TokenRequest).Status.Token
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Audience []string `json:"aud"`
		}
		if err := json.Unmarshal(payload, &said); err != nil || len(said.Audience) != 1 {
			t.Errorf("for %q, %v", said.Audience, err)
		}
		expect := func(what, want string) {
			t.Helper()
			_, ok, err := auth.AuthenticateToken(ctx, token)
			switch {
			case want == "" && (err != nil || !ok):
				t.Errorf("%s: %v", what, err)
			case want != "" && (err == nil || err.Error() != want):
				t.Errorf("%s: %v, want %s", what, err, want)
			}
		}
		expect("new", "")
		if _, ok, err := auth.AuthenticateToken(authenticator.WithAudiences(ctx, authenticator.Audiences{"there"}), token); ok || err == nil || err.Error() != `token audiences ["https://here"] is invalid for the target audiences ["there"]` {
			t.Errorf("for another audience: %v", err)
		}
		update := func(o metav1.Object) {
			t.Helper()
			var err error
			switch o := o.(type) {
			case *corev1.Pod:
				err = client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("pods"), o, "ns")
			case *corev1.ServiceAccount:
				err = client.Tracker().Update(corev1.SchemeGroupVersion.WithResource("serviceaccounts"), o, "ns")
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		marked := pod.DeepCopy()
		marked.DeletionTimestamp = &metav1.Time{Time: time.Now()}
		update(marked)
		expect("its pod ends", "")
		time.Sleep(leeway + time.Second)
		expect("its pod was to end long ago", "service account token has been invalidated")
		other := pod.DeepCopy()
		other.UID = types.UID("u3")
		update(other)
		expect("another pod", "pod UID (u3) does not match service account pod ref claim (u2)")
		if err := client.CoreV1().Pods("ns").Delete(ctx, "p", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("no pod", "service account token has been invalidated")
		another := account.DeepCopy()
		another.UID = "u4"
		update(another)
		expect("another account", "service account UID (u4) does not match claim (u1)")
		if err := client.CoreV1().ServiceAccounts("ns").Delete(ctx, "robot", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		expect("no account", `serviceaccounts "robot" not found`)
		time.Sleep(10 * time.Minute)
		expect("too old", "service account token has expired")
	})
}
