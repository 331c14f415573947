package live

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// policy lets a page load what comes from here, and nothing else.
const policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"

// Guard lets requests in whose Host is localhost, an address or one of hosts,
// and that no page of another origin has made a browser send; 403 to the others
// (DNS rebinding, cross-site requests). It adds the headers that keep a page
// from loading anything from elsewhere.
func Guard(next http.Handler, hosts []string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := refusal(r, hosts); why != "" {
			http.Error(w, why, http.StatusForbidden)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-cache")
		next.ServeHTTP(w, r)
	})
}

// refusal says why a request is not let in.
func refusal(r *http.Request, hosts []string) string {
	if host := hostName(r.Host); !ownName(host, hosts) {
		return fmt.Sprintf("The host %q is none of this server's names. --allow-host %s lets it in.", host, host)
	}
	origin := r.Header.Get("Origin")
	if _, at, ok := strings.Cut(origin, "://"); origin != "" && (!ok || !strings.EqualFold(at, r.Host)) {
		return fmt.Sprintf("A page of %q may not speak to this server.", origin)
	}
	return ""
}

func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.Trim(host, "[]"))
}

// ownName reports whether a server may go by that name. Nobody can make a name
// of theirs point to an address, where the browser was given the address.
func ownName(host string, hosts []string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || host == "localhost" || strings.HasSuffix(host, ".localhost") ||
		slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
