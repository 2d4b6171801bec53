package serviceaccount

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
)

// leeway is how much clocks may differ: a token outlives its time by it, and
// the deletion of what it is bound to.
const leeway = jwt.DefaultLeeway

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
	if err := timely(&said.Claims); err != nil {
		return nil, false, err
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

// timely says what is wrong with the times of a token; clocks may differ a bit.
func timely(c *jwt.Claims) error {
	err := c.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, leeway)
	switch {
	case errors.Is(err, jwt.ErrExpired):
		return errors.New("service account token has expired")
	case errors.Is(err, jwt.ErrNotValidYet):
		return errors.New("service account token is not valid yet")
	case errors.Is(err, jwt.ErrIssuedInTheFuture):
		return errors.New("service account token is issued in the future")
	case err != nil:
		return fmt.Errorf("service account token claims could not be validated: %w", err)
	}
	return nil
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
	switch {
	case err != nil:
		return nil, err
	case string(account.UID) != k.ServiceAccount.UID:
		return nil, fmt.Errorf("service account UID (%s) does not match claim (%s)", account.UID, k.ServiceAccount.UID)
	case gone(account):
		return nil, fmt.Errorf("service account %s/%s has been deleted", k.Namespace, k.ServiceAccount.Name)
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
		if err := bound("secret", *k.Secret, secret, err); err != nil {
			return nil, err
		}
	}
	if k.Pod != nil {
		pod, err := core.Pods(k.Namespace).Get(ctx, k.Pod.Name, get)
		if err := bound("pod", *k.Pod, pod, err); err != nil {
			return nil, err
		}
		info.Extra[extraPodName], info.Extra[extraPodUID] = []string{k.Pod.Name}, []string{k.Pod.UID}
	}
	if k.Node != nil {
		if k.Pod == nil {
			node, err := core.Nodes().Get(ctx, k.Node.Name, get)
			if err := bound("node", *k.Node, node, err); err != nil {
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

// bound says why an object that a token is bound to no longer vouches for it.
func bound(what string, said ref, obj metav1.Object, err error) error {
	switch {
	case err != nil:
		return errors.New("service account token has been invalidated")
	case string(obj.GetUID()) != said.UID:
		return fmt.Errorf("%s UID (%s) does not match service account %s ref claim (%s)", what, obj.GetUID(), what, said.UID)
	case gone(obj):
		return errors.New("service account token has been invalidated")
	}
	return nil
}

// gone reports whether an object was to end longer ago than clocks may differ.
func gone(obj metav1.Object) bool {
	t := obj.GetDeletionTimestamp()
	return t != nil && time.Since(t.Time) > leeway
}
