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

	"github.com/sockkit/sockkit/internal/endpoint"
	"github.com/sockkit/sockkit/internal/metrics"
	"github.com/sockkit/sockkit/tcp"
)

func counter(name, help string, v uint64) metrics.Family {
	return metrics.One(metrics.Counter, "sockkit_"+name, help, float64(v))
}

func gauge(name, help string, v float64) metrics.Family {
	return metrics.One(metrics.Gauge, "sockkit_"+name, help, v)
}

// streamSamples are the figures of a server for streams.
func streamSamples(st tcp.Stats) []metrics.Family {
	refused := metrics.Family{Name: "sockkit_connections_refused_total", Help: "Connections turned away, by rule.", Type: metrics.Counter, Label: "rule", Values: map[string]float64{}}
	for rule, n := range st.Refused {
		refused.Values[rule] = float64(n)
	}
	return []metrics.Family{
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

// serveMetrics serves /metrics and /healthz where --metrics says, until the
// function that it returns is called.
func (l *listening) serveMetrics(ctx context.Context, samples func() []metrics.Family) (stop func(), err error) {
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
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", metrics.ContentType)
		_ = metrics.Write(w, append(samples(), metrics.Process()...)) // who asked has left, else
	})
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
