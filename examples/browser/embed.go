// Package browser has the client for Socket.IO that the pages of the examples
// and of the demo load: two ES modules, made to be read. socketio.js is the one to
// import; engineio.js stands below it.
package browser

import (
	"embed"
	"net/http"
	"path"
	"strings"
	"time"
)

// Files are socketio.js and engineio.js.
//
//go:embed socketio.js engineio.js
var Files embed.FS

// shared has what the pages of the applications share.
//
//go:embed base.css kit.js icon.svg
var shared embed.FS

// Handler serves both modules, by the last element of the request's path. They
// have to be found side by side: mount it at /socketio.js and at /engineio.js,
// or at a folder.
func Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		text, err := Files.ReadFile(name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		http.ServeContent(w, r, name, time.Time{}, strings.NewReader(string(text)))
	})
}
