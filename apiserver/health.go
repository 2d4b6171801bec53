package apiserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// storeCheckTimeout is how long the store may take to answer a health check.
const storeCheckTimeout = 2 * time.Second

// check is one question of /readyz and its like.
type check struct {
	name string
	ask  func() error
}

// checkOrder is in which order kube-apiserver tells of its checks; further
// ones follow by name.
var checkOrder = [...]string{
	"ping", "log", "loopback-serving-certificate", "etcd", "etcd-readiness", "informer-sync",
	"poststarthook/start-apiserver-admission-initializer",
	"poststarthook/generic-apiserver-start-informers",
	"poststarthook/priority-and-fairness-config-consumer",
	"poststarthook/priority-and-fairness-filter",
	"poststarthook/storage-object-count-tracker-hook",
	"poststarthook/start-apiextensions-informers",
	"poststarthook/start-apiextensions-controllers",
	"poststarthook/crd-informer-synced",
	"poststarthook/start-system-namespaces-controller",
	"poststarthook/peer-endpoint-reconciler-controller",
	"poststarthook/start-cluster-authentication-info-controller",
	"poststarthook/start-kube-apiserver-identity-lease-controller",
	"poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
	"poststarthook/storage-readiness",
	"poststarthook/start-legacy-token-tracking-controller",
	"poststarthook/start-service-ip-repair-controllers",
	"poststarthook/rbac/bootstrap-roles",
	"poststarthook/scheduling/bootstrap-system-priority-classes",
	"poststarthook/priority-and-fairness-config-producer",
	"poststarthook/bootstrap-controller",
	"poststarthook/start-kubernetes-service-cidr-controller",
	"poststarthook/start-kube-aggregator-informers",
	"poststarthook/apiservice-status-local-available-controller",
	"poststarthook/apiservice-status-remote-available-controller",
	"poststarthook/apiservice-registration-controller",
	"poststarthook/apiservice-discovery-controller",
	"poststarthook/kube-apiserver-autoregistration",
	"autoregister-completion",
	"poststarthook/apiservice-openapi-controller",
	"poststarthook/apiservice-openapiv3-controller",
}

// checks are those of "livez", "readyz" or "healthz".
func (s *Server) checks(which string) []check {
	isOpen := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return false
		default:
			return true
		}
	}
	begun := func() error {
		if isOpen(s.started) {
			return errors.New("what is stored has not been read yet")
		}
		return nil
	}
	made := func() error {
		if isOpen(s.ready) {
			return errors.New("the objects of the system are not all there yet")
		}
		return nil
	}
	always := func() error { return nil }
	checks := []check{
		{"ping", always}, {"log", always},
		{"etcd", s.storeAnswers},
		{"poststarthook/generic-apiserver-start-informers", begun},
		{"poststarthook/storage-object-count-tracker-hook", begun},
		{"poststarthook/storage-readiness", begun},
		{"poststarthook/start-system-namespaces-controller", made},
		{"poststarthook/bootstrap-controller", made},
	}
	if which == "readyz" {
		checks = append(checks, check{"etcd-readiness", s.storeAnswers}, check{"informer-sync", begun})
	} else {
		checks = append(checks, check{"loopback-serving-certificate", begun})
	}
	for name, ask := range s.plugins.Checks {
		if ask == nil {
			ask = begun
		}
		checks = append(checks, check{name, ask})
	}
	rank := func(c check) int {
		if i := slices.Index(checkOrder[:], c.name); i >= 0 {
			return i
		}
		return len(checkOrder)
	}
	slices.SortFunc(checks, func(a, b check) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.name, b.name)
	})
	if which == "readyz" {
		checks = append(checks, check{"shutdown", func() error {
			if !isOpen(s.stopping) {
				return errors.New("process is shutting down")
			}
			return nil
		}})
	}
	return checks
}

// storeAnswers asks the store for its revision.
func (s *Server) storeAnswers() error {
	ctx, cancel := context.WithTimeout(s.killed, storeCheckTimeout)
	defer cancel()
	_, err := s.cfg.Store.Revision(ctx)
	return err
}

// serveHealth answers for /livez, /readyz and /healthz, and for the check with
// a name below them.
func (s *Server) serveHealth(w http.ResponseWriter, r *http.Request, which, name string, below bool) {
	checks := s.checks(which)
	if !below {
		s.serveChecks(w, r, which, checks)
		return
	}
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		plainNotFound(w)
		return
	}
	if err := checks[i].ask(); err != nil {
		http.Error(w, fmt.Sprintf("internal server error: %v", err), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte("ok"))
}

// serveChecks answers for all checks but those that the query excludes. What
// exactly fails is for the log and for those who may ask for a single check.
func (s *Server) serveChecks(w http.ResponseWriter, r *http.Request, which string, checks []check) {
	query := r.URL.Query()
	excluded := map[string]bool{} // and whether there is such a check
	for _, name := range query["exclude"] {
		excluded[name] = false
	}
	var b bytes.Buffer
	failed := false
	for _, c := range checks {
		if _, ok := excluded[c.name]; ok {
			excluded[c.name] = true
			fmt.Fprintf(&b, "[+]%s excluded: ok\n", c.name)
			continue
		}
		if err := c.ask(); err != nil {
			failed = true
			s.log.Debug("health check fails", "check", c.name, "err", err)
			fmt.Fprintf(&b, "[-]%s failed: reason withheld\n", c.name)
			continue
		}
		fmt.Fprintf(&b, "[+]%s ok\n", c.name)
	}
	var unknown []string
	for name, known := range excluded {
		if !known {
			unknown = append(unknown, fmt.Sprintf("%q", name))
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		fmt.Fprintf(&b, "warn: some health checks cannot be excluded: no matches for %s\n", strings.Join(unknown, ","))
	}
	if failed {
		http.Error(w, b.String()+which+" check failed", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, ok := query["verbose"]; !ok {
		_, _ = w.Write([]byte("ok"))
		return
	}
	fmt.Fprintf(&b, "%s check passed\n", which)
	_, _ = w.Write(b.Bytes())
}

// serveSLIs answers with the checks as numbers for a monitoring system.
func (s *Server) serveSLIs(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores")
	fmt.Fprint(w, "# HELP kubernetes_healthcheck [STABLE] This metric records the result of a single healthcheck.\n# TYPE kubernetes_healthcheck gauge\n")
	for _, which := range []string{"healthz", "livez", "readyz"} {
		checks := s.checks(which)
		slices.SortFunc(checks, func(a, b check) int { return strings.Compare(a.name, b.name) })
		for _, c := range checks {
			value := 1
			if c.ask() != nil {
				value = 0
			}
			fmt.Fprintf(w, "kubernetes_healthcheck{name=%q,type=%q} %d\n", c.name, which, value)
		}
	}
}
