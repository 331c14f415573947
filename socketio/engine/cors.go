package engine

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which pages of other origins may connect (the Fetch standard, "HTTP
// CORS protocol"), as the npm package cors does for the official server.
type CORS struct {
	// Origins are those that may, such as https://example.com; "*" is all, to
	// whom browsers give no credentials then.
	Origins []string
	// AllowOrigin decides in place of Origins.
	AllowOrigin func(origin string, r *http.Request) bool
	// Methods are those of a preflight's answer; nil is GET, HEAD, PUT, PATCH,
	// POST and DELETE.
	Methods []string
	// AllowedHeaders are those of a preflight's answer; nil repeats what was asked
	// for.
	AllowedHeaders []string
	// ExposedHeaders may be read by the page.
	ExposedHeaders []string
	// Credentials lets cookies and logins through.
	Credentials bool
	// MaxAge is for how long a preflight's answer counts; 0 does not say.
	MaxAge time.Duration
	// PreflightContinue has middlewares answer preflights.
	PreflightContinue bool
	// OptionsSuccessStatus is the status of a preflight's answer; 0 is 204.
	OptionsSuccessStatus int
}

func (c *CORS) allows(origin string, r *http.Request) bool {
	if c == nil {
		return false
	}
	if c.AllowOrigin != nil {
		return c.AllowOrigin(origin, r)
	}
	return slices.Contains(c.Origins, "*") || slices.ContainsFunc(c.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// allowOrigin decides about the page that sends a request, and sets what a
// browser has to know. Without an Origin no page sends it, and a page of the
// same host may always.
func (s *Server) allowOrigin(h http.Header, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if s.CORS != nil {
		s.CORS.set(h, origin, r)
	}
	if origin == "" || s.CORS.allows(origin, r) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host) || illegal(origin)
}

func originText(r *http.Request) string {
	return "the origin " + strconv.Quote(r.Header.Get("Origin")) + " is not allowed"
}

// set writes the headers of every answer.
func (c *CORS) set(h http.Header, origin string, r *http.Request) {
	if c.AllowOrigin == nil && slices.Contains(c.Origins, "*") { // not repeated: with credentials that would open it to all
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Add("Vary", "Origin")
		if origin != "" && c.allows(origin, r) {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(c.ExposedHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(c.ExposedHeaders, ","))
	}
}

// preflight answers the request that a browser sends first.
func (c *CORS) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	methods := c.Methods
	if methods == nil {
		methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ","))
	headers := strings.Join(c.AllowedHeaders, ",")
	if c.AllowedHeaders == nil {
		headers = r.Header.Get("Access-Control-Request-Headers")
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	if headers != "" {
		h.Set("Access-Control-Allow-Headers", headers)
	}
	if c.MaxAge > 0 {
		h.Set("Access-Control-Max-Age", strconv.Itoa(int(c.MaxAge.Seconds())))
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(or(c.OptionsSuccessStatus, http.StatusNoContent))
}
