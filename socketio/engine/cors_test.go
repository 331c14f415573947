package engine

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a page of another origin is told (Fetch, "CORS protocol").
func TestCORS(t *testing.T) {
	some := &CORS{Origins: []string{"http://a.example", "http://b.example"}, Credentials: true, ExposedHeaders: []string{"X-A", "X-B"}}
	tests := []struct {
		clause  string
		cors    *CORS
		origin  string
		allowed bool
		header  string // Allow-Origin, Allow-Credentials, Vary
	}{
		{"all", &CORS{Origins: []string{"*"}}, "http://a.example", true, "*||"},
		{"all, without an origin", &CORS{Origins: []string{"*"}}, "", true, "*||"},
		{"all with credentials are not repeated", &CORS{Origins: []string{"*"}, Credentials: true}, "http://a.example", true, "*|true|"},
		{"one of several", some, "http://b.example", true, "http://b.example|true|Origin"},
		{"none of several", some, "http://c.example", false, "|true|Origin"},
		{"no origin", some, "", true, "|true|Origin"},
		{"a function", &CORS{AllowOrigin: func(o string, _ *http.Request) bool { return strings.HasSuffix(o, ".good") }}, "http://x.good", true, "http://x.good||Origin"},
		{"a function that refuses", &CORS{AllowOrigin: func(o string, _ *http.Request) bool { return false }}, "http://x.good", false, "||Origin"},
		{"none is configured", nil, "http://a.example", false, "||"},
		{"none is configured, and none sent", nil, "", true, "||"},
		{"null", some, "null", false, "|true|Origin"},
	}
	for _, test := range tests {
		each(t, func() *Server { return &Server{CORS: test.cors} }, func(r *rig) {
			a := r.do("GET", polls, "", originHeader(test.origin)...)
			h := a.header
			got := h.Get("Access-Control-Allow-Origin") + "|" + h.Get("Access-Control-Allow-Credentials") + "|" + h.Get("Vary")
			if (a.status == 200) != test.allowed || !test.allowed && a.status != 403 || got != test.header {
				t.Errorf("%s: %d %s", test.clause, a.status, got)
			}
			more := ""
			if test.origin != "" {
				more = "Origin: " + test.origin + "\r\n"
			}
			if test.allowed {
				if h := r.head(sockets, more); h.Get("Access-Control-Allow-Origin") != a.header.Get("Access-Control-Allow-Origin") {
					t.Errorf("%s: the 101 has %v", test.clause, h)
				}
				return
			}
			if a := r.upgrade("GET", sockets, more); a.status != 400 || !strings.Contains(a.body, "is not allowed") {
				t.Errorf("%s: the upgrade is answered %+v", test.clause, a)
			}
			if got := take(t, r.refused, "the error"); !strings.HasPrefix(got, "4 ") {
				t.Errorf("%s: told of %s", test.clause, got)
			}
		})
	}
	each(t, plain, func(r *rig) {
		if a := r.do("GET", polls, "", "Origin", "http://"+r.addr); a.status != 200 {
			t.Errorf("a page of the same host is answered %d", a.status)
		}
	})
}

func originHeader(origin string) []string {
	if origin == "" {
		return nil
	}
	return []string{"Origin", origin}
}

func TestPreflight(t *testing.T) {
	ask := []string{"Origin", "http://a.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-one,x-two"}
	get := func(a answer, name string) string { return a.header.Get("Access-Control-" + name) }
	each(t, func() *Server { return &Server{CORS: &CORS{Origins: []string{"http://a.example"}}} }, func(r *rig) {
		a := r.do("OPTIONS", polls, "", ask...)
		if a.status != 204 || get(a, "Allow-Methods") != "GET,HEAD,PUT,PATCH,POST,DELETE" || get(a, "Allow-Headers") != "x-one,x-two" || get(a, "Allow-Origin") != "http://a.example" {
			t.Errorf("%+v", a)
		}
		if vary := strings.Join(a.header.Values("Vary"), ", "); vary != "Origin, Access-Control-Request-Headers" {
			t.Errorf("Vary: %s", vary)
		}
	})
	all := &CORS{
		Origins: []string{"http://a.example"}, Methods: []string{"GET", "POST"}, AllowedHeaders: []string{"X-Y"}, ExposedHeaders: []string{"X-A", "X-B"},
		Credentials: true, MaxAge: 10 * time.Minute, OptionsSuccessStatus: 200,
	}
	each(t, func() *Server { return &Server{CORS: all} }, func(r *rig) {
		a := r.do("OPTIONS", polls, "", ask...)
		got := []string{get(a, "Allow-Methods"), get(a, "Allow-Headers"), get(a, "Max-Age"), get(a, "Allow-Credentials"), get(a, "Expose-Headers")}
		if a.status != 200 || strings.Join(got, "|") != "GET,POST|X-Y|600|true|X-A,X-B" {
			t.Errorf("%d %q", a.status, got)
		}
	})
	each(t, func() *Server { return &Server{CORS: &CORS{Origins: []string{"*"}, PreflightContinue: true}} }, func(r *rig) {
		if a := r.do("OPTIONS", polls, "", ask...); a.status != 400 {
			t.Errorf("%+v", a)
		}
	})
}
