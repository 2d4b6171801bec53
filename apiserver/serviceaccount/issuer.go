package serviceaccount

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/registry"
)

const (
	defaultLifetime = time.Hour
	minLifetime     = 10 * time.Minute
	// A kubelet that asks for this odd lifetime says that it will refresh the
	// token, and gets one that lives long for clients that do not reload it.
	refreshedLifetime = 3607 * time.Second
	extendedLifetime  = 365 * 24 * time.Hour
)

// Config configures an Issuer and the Authenticator for its tokens.
type Config struct {
	// Issuer is the iss claim, a URL; required.
	Issuer string
	// Key signs; ECDSA or RSA; required.
	Key crypto.Signer
	// Audiences are those the API server answers to, and the default of
	// tokens; empty means the issuer.
	Audiences []string
	// Client reads service accounts and what tokens are bound to; required.
	Client kubernetes.Interface
}

func (c *Config) validate() error {
	switch {
	case c.Issuer == "":
		return errors.New("serviceaccount: Config.Issuer is empty")
	case c.Key == nil:
		return errors.New("serviceaccount: Config.Key is nil")
	case c.Client == nil:
		return errors.New("serviceaccount: Config.Client is nil")
	}
	if len(c.Audiences) == 0 {
		c.Audiences = []string{c.Issuer}
	}
	return nil
}

// Issuer signs tokens. It implements the create verb of serviceaccounts/token.
type Issuer struct {
	config Config
	signer jose.Signer
}

// NewIssuer returns an Issuer.
func NewIssuer(c Config) (*Issuer, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	algorithm, err := algorithmOf(c.Key.Public())
	if err != nil {
		return nil, err
	}
	id, err := KeyID(c.Key.Public())
	if err != nil {
		return nil, err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: c.Key, KeyID: id}}, nil)
	if err != nil {
		return nil, fmt.Errorf("serviceaccount: %w", err)
	}
	return &Issuer{config: c, signer: signer}, nil
}

func algorithmOf(public crypto.PublicKey) (jose.SignatureAlgorithm, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return jose.RS256, nil
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			return jose.ES256, nil
		case 384:
			return jose.ES384, nil
		case 521:
			return jose.ES512, nil
		}
	}
	return "", fmt.Errorf("serviceaccount: a %T cannot sign tokens: use an RSA key or an ECDSA key on P-256, P-384 or P-521", public)
}

// KeyID is the kid header of tokens signed with the key, and its name in the
// published key set.
func KeyID(public crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("serviceaccount: encoding the public key: %w", err)
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

// New implements registry.Creater.
func (*Issuer) New() runtime.Object { return &authenticationv1.TokenRequest{} }

// Default implements registry.Defaulter.
func (*Issuer) Default(obj runtime.Object) {
	if request, ok := obj.(*authenticationv1.TokenRequest); ok && request.Spec.ExpirationSeconds == nil {
		seconds := int64(defaultLifetime / time.Second)
		request.Spec.ExpirationSeconds = &seconds
	}
}

// Create implements registry.Creater: it answers a TokenRequest for the
// service account name.
func (i *Issuer) Create(ctx context.Context, namespace, name string, obj runtime.Object, _ *metav1.CreateOptions, admit func(context.Context, runtime.Object) error) (runtime.Object, error) {
	request := obj.(*authenticationv1.TokenRequest)
	kind := schema.GroupKind{Group: authenticationv1.GroupName, Kind: "TokenRequest"}
	meta := field.NewPath("metadata")
	if request.Name != "" && request.Name != name {
		return nil, apierrors.NewInvalid(kind, name, field.ErrorList{field.Invalid(meta.Child("name"), request.Name, "must match the service account name if specified")})
	}
	account, err := i.config.Client.CoreV1().ServiceAccounts(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	if request.UID != "" && request.UID != account.UID {
		return nil, apierrors.NewConflict(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, name,
			fmt.Errorf("the UID in the token request (%s) does not match the UID of the service account (%s)", request.UID, account.UID))
	}
	request.Name, request.Namespace, request.UID = name, namespace, account.UID
	request.CreationTimestamp = metav1.Now()
	request.Status = authenticationv1.TokenRequestStatus{}
	if len(request.Spec.Audiences) == 0 {
		request.Spec.Audiences = i.config.Audiences
	}
	if errs := validate(&request.Spec); len(errs) > 0 {
		return nil, apierrors.NewInvalid(kind, "", errs)
	}
	if err := admit(ctx, request); err != nil {
		return nil, err
	}
	say := private{Namespace: namespace, ServiceAccount: ref{Name: name, UID: string(account.UID)}}
	if bound := request.Spec.BoundObjectRef; bound != nil {
		if err := i.bind(ctx, account, bound, &say); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	asked := time.Duration(*request.Spec.ExpirationSeconds) * time.Second
	lifetime := asked
	if asked == refreshedLifetime && say.Pod != nil && i.isOwn(request.Spec.Audiences) {
		lifetime = extendedLifetime
		say.WarnAfter = jwt.NewNumericDate(now.Add(asked))
	}
	token, err := jwt.Signed(i.signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: i.config.Issuer, Subject: Username(namespace, name),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now),
			Expiry: jwt.NewNumericDate(now.Add(lifetime)), ID: string(uuid.NewUUID()),
		},
		Audience:   request.Spec.Audiences,
		Kubernetes: say,
	}).Serialize()
	if err != nil {
		return nil, fmt.Errorf("signing the token of service account %s/%s: %w", namespace, name, err)
	}
	// The holder is told the lifetime it asked for, so that it refreshes in time.
	request.Status = authenticationv1.TokenRequestStatus{Token: token, ExpirationTimestamp: metav1.NewTime(now.Add(asked))}
	return request, nil
}

func (i *Issuer) isOwn(audiences []string) bool {
	for _, a := range audiences {
		for _, own := range i.config.Audiences {
			if a == own {
				return true
			}
		}
	}
	return false
}

// bind checks the object that the token is to be bound to, and notes it.
func (i *Issuer) bind(ctx context.Context, account *corev1.ServiceAccount, bound *authenticationv1.BoundObjectReference, say *private) error {
	var uid types.UID
	core := i.config.Client.CoreV1()
	gvk := schema.FromAPIVersionAndKind(bound.APIVersion, bound.Kind)
	switch gvk.GroupKind() {
	case schema.GroupKind{Kind: "Pod"}:
		pod, err := core.Pods(account.Namespace).Get(ctx, bound.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if pod.Spec.ServiceAccountName != account.Name {
			return apierrors.NewBadRequest(fmt.Sprintf("cannot bind token for serviceaccount %q to pod running with different serviceaccount name.", account.Name))
		}
		uid = pod.UID
		say.Pod = &ref{Name: pod.Name, UID: string(uid)}
		if pod.Spec.NodeName != "" {
			say.Node = &ref{Name: pod.Spec.NodeName}
			if node, err := core.Nodes().Get(ctx, pod.Spec.NodeName, metav1.GetOptions{}); err == nil {
				say.Node.UID = string(node.UID)
			} else if !apierrors.IsNotFound(err) {
				return err
			}
		}
	case schema.GroupKind{Kind: "Node"}:
		node, err := core.Nodes().Get(ctx, bound.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		uid = node.UID
		say.Node = &ref{Name: node.Name, UID: string(uid)}
	case schema.GroupKind{Kind: "Secret"}:
		secret, err := core.Secrets(account.Namespace).Get(ctx, bound.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		uid = secret.UID
		say.Secret = &ref{Name: secret.Name, UID: string(uid)}
	default:
		text := "cannot bind token to object of type " + gvk.String()
		if isWebhooks(bound) {
			text += " (feature gate APIServerWebhookAuthenticationToken is disabled)"
		}
		return apierrors.NewBadRequest(text)
	}
	if bound.UID != "" && bound.UID != uid {
		return apierrors.NewConflict(schema.GroupResource{Resource: bound.Kind}, bound.Name, fmt.Errorf("the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", bound.UID))
	}
	return nil
}

// Virtual is the subresource serviceaccounts/token.
func (i *Issuer) Virtual() registry.Virtual {
	return registry.Virtual{
		Parent: corev1.SchemeGroupVersion, Names: kinds.Names{Resource: "serviceaccounts"}, Subresource: "token", Namespaced: true,
		Kind: authenticationv1.SchemeGroupVersion.WithKind("TokenRequest"), Handler: i,
	}
}
