package standard

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver"
	"github.com/keelson-project/keelson/apiserver/aggregation"
	"github.com/keelson-project/keelson/apiserver/allocator"
	"github.com/keelson-project/keelson/apiserver/authn"
	"github.com/keelson-project/keelson/apiserver/authz"
	"github.com/keelson-project/keelson/apiserver/componentstatus"
	"github.com/keelson-project/keelson/apiserver/connect"
	"github.com/keelson-project/keelson/apiserver/crd"
	"github.com/keelson-project/keelson/apiserver/flowcontrol"
	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/builtin"
	"github.com/keelson-project/keelson/apiserver/kinds/certificates"
	"github.com/keelson-project/keelson/apiserver/nodeauthorizer"
	"github.com/keelson-project/keelson/apiserver/openapi"
	"github.com/keelson-project/keelson/apiserver/pods"
	"github.com/keelson-project/keelson/apiserver/rbac"
	"github.com/keelson-project/keelson/apiserver/registry"
	"github.com/keelson-project/keelson/apiserver/review"
	"github.com/keelson-project/keelson/apiserver/serviceaccount"
	"github.com/keelson-project/keelson/apiserver/webhook"
	"github.com/keelson-project/keelson/store"
)

// Config is what New needs. Store and PKI are required.
type Config struct {
	// Store keeps the objects. The server does not close it.
	Store store.Store
	// PKI are the cluster's keys.
	PKI *PKI
	// Listener, if set, is where to serve by TLS besides the loopback client.
	Listener net.Listener
	// ServerIPs are the addresses that the listener is reached by, besides
	// those of this host's loopback; they go into the certificate.
	ServerIPs []netip.Addr
	// Advertise is where pods reach the server: the endpoint of the service
	// "kubernetes". Without it that service leads nowhere.
	Advertise netip.AddrPort
	// ServiceCIDRs are the ranges of cluster IPs, one for each IP family;
	// default 10.96.0.0/16.
	ServiceCIDRs []netip.Prefix
	// ClusterDomain defaults to "cluster.local".
	ClusterDomain string
	// Issuer is what service account tokens say they come from, and the
	// audience of those that ask for none; default
	// https://kubernetes.default.svc. with the cluster domain.
	Issuer string
	// Tokens are bearer tokens and whose they are.
	Tokens map[string]user.Info
	// Admission says what is other than in kube-apiserver's chain of admission.
	Admission Admission
	// Kubelets, if set, makes what finds kubelets, for logs, exec and port
	// forwarding; client reads the API. Nil means by HTTPS at the addresses
	// that nodes report ([NodeKubelets]).
	Kubelets func(client kubernetes.Interface) connect.Kubelets
	// Services, if set, finds the services that webhooks are behind; nil means
	// by their cluster IPs.
	Services webhook.Resolver
	// OpenAPI, if set, is shared with other servers, so that they make equal
	// OpenAPI documents only once.
	OpenAPI *openapi.Cache
	// Logger gets what needs somebody's attention; nil discards it.
	Logger *slog.Logger
}

func (c *Config) complete() error {
	switch {
	case c.Store == nil:
		return errors.New("standard: Config.Store is nil")
	case c.PKI == nil:
		return errors.New("standard: Config.PKI is nil: make one with NewPKI or OpenPKI")
	}
	if len(c.ServiceCIDRs) == 0 {
		c.ServiceCIDRs = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}
	}
	if c.ClusterDomain == "" {
		c.ClusterDomain = "cluster.local"
	}
	if c.Issuer == "" {
		c.Issuer = "https://kubernetes.default.svc." + c.ClusterDomain
	}
	if c.Kubelets == nil {
		c.Kubelets = func(client kubernetes.Interface) connect.Kubelets { return NewNodeKubelets(client, c.PKI.CA) }
	}
	return nil
}

// New assembles the server.
func New(c Config) (*apiserver.Server, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	all := builtin.Kinds()
	serviceIP := c.ServiceCIDRs[0].Masked().Addr().Next()
	config := apiserver.Config{
		Store: c.Store, Kinds: all, Listener: c.Listener, Logger: c.Logger,
		Advertise: c.Advertise, ServiceIP: serviceIP,
		Plug: func(s *apiserver.Server) (apiserver.Plugins, error) { return c.plug(s, all) },
	}
	if c.Listener != nil {
		ips := []net.IP{serviceIP.AsSlice()}
		for _, ip := range c.ServerIPs {
			ips = append(ips, ip.AsSlice())
		}
		config.TLSConfig = c.PKI.CA.Renew(ServerNames(c.ClusterDomain, ips)).ServerConfig(c.PKI.CA)
	}
	return apiserver.New(config)
}

// plug makes the parts that need a client of the server they are plugged into.
func (c *Config) plug(s *apiserver.Server, all []*kinds.Kind) (apiserver.Plugins, error) {
	none := apiserver.Plugins{}
	client, err := kubernetes.NewForConfig(s.LoopbackConfig())
	if err != nil {
		return none, fmt.Errorf("standard: making the loopback client: %w", err)
	}
	policy, err := rbac.DefaultPolicy()
	if err != nil {
		return none, err
	}
	alloc, err := allocator.New(allocator.Config{Client: client, Store: c.Store, CIDRs: c.ServiceCIDRs})
	if err != nil {
		return none, err
	}
	for _, k := range all {
		if k.Group == "" && k.GroupVersionKind.Kind == "Service" {
			alloc.Install(k)
		}
	}
	tokens := serviceaccount.Config{Issuer: c.Issuer, Key: c.PKI.TokenKey, Client: client}
	issuer, err := serviceaccount.NewIssuer(tokens)
	if err != nil {
		return none, err
	}
	accounts, err := serviceaccount.NewAuthenticator(tokens)
	if err != nil {
		return none, err
	}
	kubelets := c.Kubelets(client)
	connects, err := connect.New(connect.Config{Client: client, Kubelets: kubelets})
	if err != nil {
		return none, err
	}
	roles := rbac.New(s.Registry())
	nodes := nodeauthorizer.New(s.Registry(), policy.Rules("system:node"))
	may := authz.Union(authz.Named{Name: "node", UnconditionalAuthorizer: nodes}, authz.Named{Name: "rbac", UnconditionalAuthorizer: roles})
	roles.Install(all, may)
	policyAccess(s.Registry(), may).Install(all)
	deviceAccess(s.Registry(), may).Install(all)
	identify := authn.Config{
		ClientCAs: authn.NewClientCAs(c.PKI.CA.Pool()),
		Tokens:    []authenticator.Token{authn.StaticTokens(c.Tokens), accounts},
	}
	for _, k := range all {
		if k.Group == certificatesv1.GroupName && k.GroupVersionKind.Kind == "PodCertificateRequest" {
			certificates.RequireSigner(k, may)
		}
	}
	reviews, err := review.New(review.Config{
		Tokens: authn.New(identify), Audiences: authenticator.Audiences{tokens.Issuer}, Authorizer: may, Rules: authz.Rules{nodes, roles},
	})
	if err != nil {
		return none, err
	}
	podVerbs, err := pods.New(s.Registry())
	if err != nil {
		return none, err
	}
	components := componentstatus.Virtual(componentstatus.Components(func(ctx context.Context) error {
		_, err := c.Store.Revision(ctx)
		return err
	}))
	virtuals := slices.Concat(connects, reviews, podVerbs, []registry.Virtual{issuer.Virtual(), components})
	keys := tokens.Issuer
	if c.Advertise.IsValid() {
		keys = "https://" + c.Advertise.String()
	}
	paths, err := issuer.Paths(keys + serviceaccount.KeysPath)
	if err != nil {
		return none, err
	}
	resolve := c.Services
	if resolve == nil {
		resolve = serviceAddress(s.Registry())
	}
	customs, err := crd.New(crd.Config{Registry: s.Registry(), Resolve: resolve, Logger: c.Logger})
	if err != nil {
		return none, err
	}
	documents, err := openapi.New(openapi.Config{
		Registry: s.Registry(), Virtuals: virtuals, Paths: paths, Scheme: s.Codec().Scheme(), Customs: customs.Custom, Cache: c.OpenAPI,
	})
	if err != nil {
		return none, err
	}
	var computed []schema.GroupVersion
	for _, v := range virtuals {
		computed = append(computed, v.Parent)
	}
	keeper, err := aggregation.New(aggregation.Config{Registry: s.Registry(), Computed: computed, Logger: c.Logger})
	if err != nil {
		return none, err
	}
	steps, err := c.Admission.chain(s.Registry(), may, resolve)
	if err != nil {
		return none, err
	}
	identify.Anonymous = func(*http.Request) bool { return true }
	flows, err := flowcontrol.New(flowcontrol.Config{Registry: s.Registry(), Logger: c.Logger})
	if err != nil {
		return none, err
	}
	settled := make(chan struct{})
	return apiserver.Plugins{
		Authenticator: authn.New(identify),
		Authorizer:    may,
		Admission:     steps,
		Virtuals:      virtuals,
		Register:      keeper,
		OpenAPI:       documents,
		Paths:         paths,
		Jobs: []func(context.Context) error{
			flows.Run,
			keeper.Run,
			customs.Run,
			func(ctx context.Context) error {
				<-ctx.Done()
				hangUp(kubelets)
				for _, step := range steps {
					hangUp(step)
				}
				return nil
			},
			func(ctx context.Context) error {
				select {
				case <-s.Namespaces():
				case <-ctx.Done():
					return nil
				}
				if err := errors.Join(alloc.Repair(ctx), rbac.Ensure(ctx, s.Registry(), policy), ensureClasses(ctx, s.Registry())); err != nil {
					if ctx.Err() != nil {
						return nil
					}
					return err
				}
				close(settled)
				return nil
			},
		},
		Checks: checks(
			closed(settled, "the objects that every cluster has are not all there yet"),
			closed(flows.Ready(), "flow schemas and priority levels are not all there yet"),
			closed(keeper.Settled(), "APIServices are missing"),
		),
		Installed: []<-chan struct{}{customs.Settled()},
		Settled:   []<-chan struct{}{settled, flows.Ready(), keeper.Settled(), customs.Settled()},
	}, nil
}

// closed checks that a channel is.
func closed(c <-chan struct{}, otherwise string) func() error {
	return func() error {
		select {
		case <-c:
			return nil
		default:
			return errors.New(otherwise)
		}
	}
}

// hangUp closes the connections of a part that has any and is not using them.
func hangUp(part any) {
	if c, ok := part.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
