package serviceaccount

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// deletedGrace is how long a token outlives the deletion of what it is bound
// to, so that a pod can still talk while it terminates.
const deletedGrace = time.Minute

// Authenticator accepts the tokens of one issuer.
type Authenticator struct {
	config Config
	keys   map[string]crypto.PublicKey
	algs   []jose.SignatureAlgorithm
}

// NewAuthenticator returns an Authenticator for tokens that c's key has signed,
// or any of former, which are the public keys used before.
func NewAuthenticator(c Config, former ...crypto.PublicKey) (*Authenticator, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	a := &Authenticator{config: c, keys: map[string]crypto.PublicKey{}}
	for _, key := range append([]crypto.PublicKey{c.Key.Public()}, former...) {
		alg, err := algorithmOf(key)
		if err != nil {
			return nil, err
		}
		id, err := KeyID(key)
		if err != nil {
			return nil, err
		}
		a.keys[id] = key
		a.algs = append(a.algs, alg)
	}
	return a, nil
}

// AuthenticateToken implements authenticator.Token. Tokens that are none of
// this issuer's are left to others; those that are and no longer count are
// errors.
func (a *Authenticator) AuthenticateToken(ctx context.Context, token string) (*authenticator.Response, bool, error) {
	parsed, err := jwt.ParseSigned(token, a.algs)
	if err != nil {
		return nil, false, nil
	}
	var unverified jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&unverified); err != nil || unverified.Issuer != a.config.Issuer {
		return nil, false, nil
	}
	var said claims
	if err := a.verify(parsed, &said); err != nil {
		return nil, false, err
	}
	if said.Expiry == nil {
		return nil, false, errors.New("service account token has no expiry")
	}
	if err := said.Claims.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, 0); err != nil {
		if errors.Is(err, jwt.ErrExpired) {
			return nil, false, errors.New("service account token has expired")
		}
		return nil, false, fmt.Errorf("service account token is not valid: %w", err)
	}
	wanted, ok := authenticator.AudiencesFrom(ctx)
	if !ok {
		wanted = a.config.Audiences
	}
	audiences := wanted.Intersect(authenticator.Audiences(said.Audience))
	if len(audiences) == 0 {
		return nil, false, fmt.Errorf("token audiences %q is invalid for the target audiences %q", []string(said.Audience), []string(wanted))
	}
	info, err := a.check(ctx, &said)
	if err != nil {
		return nil, false, err
	}
	return &authenticator.Response{User: info, Audiences: audiences}, true, nil
}

func (a *Authenticator) verify(parsed *jwt.JSONWebToken, into *claims) error {
	if len(parsed.Headers) == 1 {
		if key, ok := a.keys[parsed.Headers[0].KeyID]; ok {
			return parsed.Claims(key, into)
		}
	}
	err := errors.New("service account token names no key")
	for _, key := range a.keys {
		if err = parsed.Claims(key, into); err == nil {
			return nil
		}
	}
	return fmt.Errorf("service account token: %w", err)
}

// check compares what the token says with the objects as they are.
func (a *Authenticator) check(ctx context.Context, said *claims) (user.Info, error) {
	k := &said.Kubernetes
	core := a.config.Client.CoreV1()
	if said.Subject != Username(k.Namespace, k.ServiceAccount.Name) {
		return nil, fmt.Errorf("service account token of %s/%s has subject %q", k.Namespace, k.ServiceAccount.Name, said.Subject)
	}
	get := metav1.GetOptions{ResourceVersion: ""}
	account, err := core.ServiceAccounts(k.Namespace).Get(ctx, k.ServiceAccount.Name, get)
	if err := alive("service account", k.Namespace, k.ServiceAccount, account, err); err != nil {
		return nil, err
	}
	info := &user.DefaultInfo{
		Name: said.Subject, UID: string(account.UID),
		Groups: []string{allGroup, namespaceGroup + k.Namespace},
		Extra:  map[string][]string{},
	}
	if said.ID != "" {
		info.Extra[user.CredentialIDKey] = []string{"JTI=" + said.ID}
	}
	if k.Secret != nil {
		secret, err := core.Secrets(k.Namespace).Get(ctx, k.Secret.Name, get)
		if err := alive("secret", k.Namespace, *k.Secret, secret, err); err != nil {
			return nil, err
		}
	}
	if k.Pod != nil {
		pod, err := core.Pods(k.Namespace).Get(ctx, k.Pod.Name, get)
		if err := alive("pod", k.Namespace, *k.Pod, pod, err); err != nil {
			return nil, err
		}
		info.Extra[extraPodName], info.Extra[extraPodUID] = []string{k.Pod.Name}, []string{k.Pod.UID}
	}
	if k.Node != nil {
		if k.Pod == nil {
			node, err := core.Nodes().Get(ctx, k.Node.Name, get)
			if err := alive("node", "", *k.Node, node, err); err != nil {
				return nil, err
			}
		}
		info.Extra[extraNodeName] = []string{k.Node.Name}
		if k.Node.UID != "" {
			info.Extra[extraNodeUID] = []string{k.Node.UID}
		}
	}
	return info, nil
}

// alive says why an object that a token depends on no longer vouches for it.
func alive(what, namespace string, said ref, obj metav1.Object, err error) error {
	name := strings.TrimPrefix(namespace+"/"+said.Name, "/")
	switch {
	case apierrors.IsNotFound(err):
		return fmt.Errorf("service account token: %s %s has been deleted", what, name)
	case err != nil:
		return fmt.Errorf("service account token: reading %s %s: %w", what, name, err)
	case string(obj.GetUID()) != said.UID:
		return fmt.Errorf("service account token: %s %s is not the one the token was made for (UID %s)", what, name, said.UID)
	}
	if t := obj.GetDeletionTimestamp(); t != nil && time.Since(t.Time) > deletedGrace {
		return fmt.Errorf("service account token: %s %s is being deleted", what, name)
	}
	return nil
}
