package apiserver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	genericrequest "k8s.io/apiserver/pkg/endpoints/request"
)

// metrics are the server's own numbers, in a registry of its own.
type metrics struct {
	registry *prometheus.Registry
	total    *prometheus.CounterVec
	duration *prometheus.HistogramVec
	current  *prometheus.GaugeVec
}

func newMetrics(s *Server) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "apiserver_request_total", Help: "Requests answered, by verb, resource and code.",
		}, []string{"verb", "group", "version", "resource", "subresource", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "apiserver_request_duration_seconds", Help: "Time to answer requests, in seconds; watches are left out.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"verb", "group", "version", "resource", "subresource"}),
		current: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "apiserver_current_requests", Help: "Requests under way, by verb.",
		}, []string{"verb"}),
	}
	m.registry.MustRegister(m.total, m.duration, m.current, collectors.NewGoCollector(), objects{s})
	return m
}

// begin notes a request under way; the function it returns, its end.
func (m *metrics) begin(info *genericrequest.RequestInfo) func(code int) {
	began := time.Now()
	verb, group, version, resource, sub := info.Verb, info.APIGroup, info.APIVersion, info.Resource, info.Subresource
	m.current.WithLabelValues(verb).Inc()
	return func(code int) {
		m.current.WithLabelValues(verb).Dec()
		if !info.IsResourceRequest || code == http.StatusNotFound && info.Name == "" { // names that anybody can make up
			group, version, resource, sub = "", "", "", ""
		}
		m.total.WithLabelValues(verb, group, version, resource, sub, strconv.Itoa(code)).Inc()
		if verb != "watch" {
			m.duration.WithLabelValues(verb, group, version, resource, sub).Observe(time.Since(began).Seconds())
		}
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// objects counts what is stored, when asked.
type objects struct{ s *Server }

// Describe implements prometheus.Collector.
func (o objects) Describe(ch chan<- *prometheus.Desc) { ch <- o.desc() }

func (objects) desc() *prometheus.Desc {
	return prometheus.NewDesc("apiserver_storage_objects", "Objects stored, by resource.", []string{"resource"}, nil)
}

// Collect implements prometheus.Collector.
func (o objects) Collect(ch chan<- prometheus.Metric) {
	for _, r := range o.s.registry.Resources() {
		if !r.First() {
			continue
		}
		snap, _ := r.Cached().Snapshot()
		ch <- prometheus.MustNewConstMetric(o.desc(), prometheus.GaugeValue, float64(snap.Len()), r.GroupResource().String())
	}
}
