package connect

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// streams serves pods/exec, pods/attach and pods/portforward: it hands the
// upgrade request to the kubelet's endpoint of the given name.
type streams struct {
	Config
	endpoint string
}

// Methods implements registry.Connecter.
func (*streams) Methods() []string { return []string{http.MethodGet, http.MethodPost} }

// Connect implements registry.Connecter.
func (s *streams) Connect(ctx context.Context, namespace, name, _ string, r *http.Request) (http.Handler, error) {
	pod, err := s.pod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	asked := r.URL.Query()
	path := []string{s.endpoint, pod.Namespace, pod.Name}
	query := url.Values{}
	if s.endpoint == "portForward" {
		query["port"] = asked["ports"]
	} else {
		container, err := chooseContainer(pod, asked.Get("container"))
		if err != nil {
			return nil, err
		}
		path = append(path, container)
		for from, to := range map[string]string{"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"} {
			if isTrue(asked.Get(from)) {
				query.Set(to, "1")
			}
		}
		if s.endpoint == "exec" {
			query["command"] = asked["command"]
		}
	}
	if pod.Spec.NodeName == "" {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("pod %s does not have a host assigned", pod.Name))
	}
	base, transport, err := s.kubelet(ctx, pod)
	if err != nil {
		return nil, err
	}
	if r.Header.Get("Upgrade") == "" {
		return nil, apierrors.NewBadRequest("Upgrade request required")
	}
	if err := checkStreams(asked, s.endpoint); err != nil {
		return nil, err
	}
	target := below(base, path...)
	target.RawQuery = query.Encode()
	return forward(target, transport, http.MethodPost), nil
}

func isTrue(text string) bool { return text == "1" || text == "true" }

// checkStreams refuses what no runtime could do.
func checkStreams(q url.Values, endpoint string) error {
	stdin, stdout, stderr := isTrue(q.Get("stdin")), isTrue(q.Get("stdout")), isTrue(q.Get("stderr"))
	var text string
	switch {
	case endpoint == "portForward":
		return nil
	case isTrue(q.Get("tty")) && stderr:
		text = "tty and stderr cannot both be true"
	case !stdin && !stdout && !stderr:
		text = "at least one of stdin, stdout, or stderr must be specified"
	case endpoint == "exec" && len(q["command"]) == 0:
		text = "you must specify at least one command"
	default:
		return nil
	}
	return apierrors.NewBadRequest(text)
}

// forward hands a request on to target, upgrades included. SPDY upgrades are
// asked of the kubelet with the method given; WebSockets need GET.
func forward(target *url.URL, transport http.RoundTripper, method string) http.Handler {
	return &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			*r.Out.URL = *target
			r.Out.Host = target.Host
			if r.In.Method == http.MethodGet && r.In.Header.Get("Upgrade") != "websocket" {
				r.Out.Method = method
			}
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("Impersonate-User")
		},
		ErrorHandler: proxyError,
	}
}

// proxyError answers that the other side could not be reached.
func proxyError(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is listening any more
	}
	writeStatus(w, apierrors.NewGenericServerResponse(http.StatusServiceUnavailable, r.Method, schema.GroupResource{}, "",
		fmt.Sprintf("error trying to reach service: %v", err), 0, true))
}
