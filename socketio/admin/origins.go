package admin

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/sockkit/sockkit/socketio/engine"
)

var errAllOrigins = errors.New(`the server's CORS lets pages of all origins in ("*"), to whom browsers give no credentials, and the page of Origins needs them: name the origins instead`)

// allowOrigins lets the pages of Origins connect, with credentials.
func (a *admin) allowOrigins() error {
	e := a.io.EngineServer()
	switch {
	case len(a.Origins) == 0:
		return nil
	case slices.Contains(a.Origins, "*"):
		return errors.New(`Origins has "*": a page that may administer a server has a name`)
	case e.CORS == nil:
		e.CORS = &engine.CORS{Origins: a.Origins, Credentials: true}
		return nil
	case e.CORS.AllowOrigin == nil && slices.Contains(e.CORS.Origins, "*"):
		return errAllOrigins
	}
	own := *e.CORS
	if allow := own.AllowOrigin; allow != nil {
		own.AllowOrigin = func(origin string, r *http.Request) bool { return a.ownPage(origin) || allow(origin, r) }
	} else {
		own.Origins = slices.Concat(own.Origins, a.Origins)
	}
	e.CORS = &own
	if !own.Credentials {
		e.Use(a.withCredentials)
	}
	return nil
}

func (a *admin) ownPage(origin string) bool {
	return slices.ContainsFunc(a.Origins, func(o string) bool { return strings.EqualFold(o, origin) })
}

// withCredentials tells a browser so for the pages of Origins, where it is not so
// for those of other origins.
func (a *admin) withCredentials(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.ownPage(r.Header.Get("Origin")) {
			w.Header().Set("Access-Control-Allow-Credentials", "true")
		}
		next.ServeHTTP(w, r)
	})
}
