package kubelet

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Handler returns the node's HTTP API: logs, exec, attach and port forwarding
// for the API server; pods, statistics and metrics for others. Each request
// passes Config.Server.Authorize first. It answers 503 while Run does not run.
func (k *Kubelet) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	mux.HandleFunc("GET /pods", k.servePods)
	mux.HandleFunc("GET /stats/summary", k.serveSummary)
	mux.HandleFunc("GET /metrics", k.serveMetrics)
	mux.HandleFunc("GET /metrics/resource", k.serveResourceMetrics)
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.serveLogs)
	for _, path := range []string{"/{namespace}/{pod}/{container}", "/{namespace}/{pod}/{uid}/{container}"} {
		for _, method := range []string{"GET ", "POST "} {
			mux.HandleFunc(method+"/exec"+path, k.serveExec)
			mux.HandleFunc(method+"/attach"+path, k.serveAttach)
		}
		mux.HandleFunc("POST /run"+path, k.serveRun)
	}
	for _, path := range []string{"/{namespace}/{pod}", "/{namespace}/{pod}/{uid}"} {
		for _, method := range []string{"GET ", "POST "} {
			mux.HandleFunc(method+"/portForward"+path, k.servePortForward)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if authorize := k.cfg.Server.Authorize; authorize != nil {
			if err := authorize(r); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
		}
		if !k.isRunning() {
			http.Error(w, "the kubelet is not running", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// isRunning reports whether Run is at work.
func (k *Kubelet) isRunning() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.serving && k.ctx.Err() == nil
}

// serve answers at the configured listener until ctx ends; then it ends all
// connections and returns when none is left.
func (k *Kubelet) serve(ctx context.Context) {
	tracked := &trackedListener{Listener: k.cfg.Server.Listener, conns: make(map[net.Conn]struct{})}
	var listener net.Listener = tracked
	if k.cfg.Server.TLS != nil {
		listener = tls.NewListener(tracked, k.cfg.Server.TLS)
	}
	var handlers sync.WaitGroup
	handler := k.Handler()
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handlers.Add(1)
			defer handlers.Done()
			handler.ServeHTTP(w, r)
		}),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          slog.NewLogLogger(k.log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		server.Close()
		tracked.closeAll()
	})
	defer stop()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) && ctx.Err() == nil {
		k.log.Error("the kubelet's server has ended", "err", err)
	}
	tracked.closeAll()
	handlers.Wait()
}

// trackedListener knows its connections, so that those can be closed too that
// were taken from the HTTP server for streaming.
type trackedListener struct {
	net.Listener
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]struct{}
}

type trackedConn struct {
	net.Conn
	listener *trackedListener
}

func (l *trackedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	l.conns[conn] = struct{}{}
	return &trackedConn{conn, l}, nil
}

func (c *trackedConn) Close() error {
	c.listener.mu.Lock()
	delete(c.listener.conns, c.Conn)
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// closeAll closes the listener and all its connections.
func (l *trackedListener) closeAll() {
	l.Listener.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for conn := range l.conns {
		conn.Close()
	}
}

// servePods lists the pods of this node, with the status this kubelet has made.
func (k *Kubelet) servePods(w http.ResponseWriter, _ *http.Request) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{}}
	for _, pod := range k.podList() {
		list.Items = append(list.Items, *k.withStatus(pod))
	}
	writeJSON(w, list)
}

// withStatus returns a pod with the newest status.
func (k *Kubelet) withStatus(pod *corev1.Pod) *corev1.Pod {
	if worker := k.worker(pod.UID); worker != nil {
		if status := worker.status.last(); status != nil {
			pod = pod.DeepCopy()
			pod.Status = *status
		}
	}
	return pod
}

func writeJSON(w http.ResponseWriter, value any) {
	data, err := json.Marshal(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(data) // the client may be gone; nothing is to be done about it
}
