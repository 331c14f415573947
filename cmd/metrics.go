package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/tcp"
)

// sample is one figure at the moment of asking.
type sample struct {
	name, help string
	gauge      bool
	label      string // the label's name, where values has more than one
	values     map[string]float64
}

func counter(name, help string, v uint64) sample {
	return sample{name: name, help: help, values: map[string]float64{"": float64(v)}}
}

func gauge(name, help string, v float64) sample {
	return sample{name: name, help: help, gauge: true, values: map[string]float64{"": v}}
}

// streamSamples are the figures of a server for streams.
func streamSamples(st tcp.Stats) []sample {
	refused := sample{name: "connections_refused_total", help: "Connections turned away, by rule.", label: "rule", values: map[string]float64{}}
	for rule, n := range st.Refused {
		refused.values[rule] = float64(n)
	}
	return []sample{
		counter("connections_accepted_total", "Connections accepted, with those turned away.", st.Accepted),
		gauge("connections_open", "Connections that are open.", float64(st.Open+st.Detached)),
		gauge("connections_handshaking", "Connections in a TLS handshake.", float64(st.Handshaking)),
		refused,
		counter("received_bytes_total", "Bytes received by the application.", st.BytesIn),
		counter("sent_bytes_total", "Bytes sent by the application.", st.BytesOut),
		gauge("queued_bytes", "Bytes that wait for peers to read.", float64(st.Queued)),
		counter("slow_peers_total", "Peers ended because they did not read.", st.SlowPeers),
		counter("idle_timeouts_total", "Peers ended by --idle-timeout.", st.IdleTimeouts),
		counter("held_back_total", "Peers held back by --max-rate.", st.HeldBack),
	}
}

// collector gives samples to Prometheus.
type collector func() []sample

// Describe implements [prometheus.Collector]: the samples describe themselves.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (c collector) Collect(out chan<- prometheus.Metric) {
	for _, s := range c() {
		kind := prometheus.CounterValue
		if s.gauge {
			kind = prometheus.GaugeValue
		}
		var labels []string
		if s.label != "" {
			labels = []string{s.label}
		}
		desc := prometheus.NewDesc("sockkit_"+s.name, s.help, labels, nil)
		for value, v := range s.values {
			if s.label == "" {
				out <- prometheus.MustNewConstMetric(desc, kind, v)
			} else {
				out <- prometheus.MustNewConstMetric(desc, kind, v, value)
			}
		}
	}
}

// serveMetrics serves /metrics and /healthz where --metrics says, until the
// function that it returns is called.
func (l *listening) serveMetrics(ctx context.Context, samples func() []sample) (stop func(), err error) {
	if l.metrics == "" {
		return func() {}, nil
	}
	a, err := metricsAddress(l.metrics)
	if err != nil {
		return nil, err
	}
	listener, err := (&tcp.ListenConfig{}).Listen(ctx, "tcp", a.HostPort())
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w", inUse(err))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector(samples), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if ctx.Err() != nil { // a balancer is to send nobody here
			http.Error(w, "going away", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	server := &http.Server{Handler: ownHost(mux, a.Bound(listener.Addr())), ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintf(l.Err, "sockkit: --metrics: %v\n", err)
		}
	}()
	if !l.quiet {
		fmt.Fprintf(l.Err, "metrics on http://%s/metrics\n", listener.Addr())
	}
	return func() { server.Close() }, nil
}

// metricsAddress reads --metrics.
func metricsAddress(s string) (endpoint.Address, error) {
	return tcpAddress("--metrics", s, "write :9090, or HOST:PORT")
}

// tcpAddress reads a flag that names where something is served besides.
func tcpAddress(flag, s, hint string) (endpoint.Address, error) {
	a, err := endpoint.Parse([]string{s}, endpoint.Options{})
	if err != nil || a.Scheme != endpoint.TCP {
		return a, usagef(fmt.Sprintf("%s %q is no TCP address", flag, s), hint)
	}
	return a, nil
}

// ownHost refuses requests that a page of somebody else's made a browser send
// to a loopback address (DNS rebinding): their Host is a foreign name.
func ownHost(next http.Handler, bound endpoint.Address) http.Handler {
	if bound.Public() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && host != "" {
			http.Error(w, fmt.Sprintf("the host %q is not this one", host), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
