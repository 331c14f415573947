package browser

import (
	"io/fs"
	"net/http"
)

// Site serves an application: page.html at /, page.js, style.css and what else
// its folder has, the client at /socketio.js and /engineio.js, and Socket.IO at
// /socket.io/. All addresses in a page are relative, so that it works below any
// prefix (http.StripPrefix).
func Site(files fs.FS, io http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.Handle("/socketio.js", Handler())
	mux.Handle("/engineio.js", Handler())
	mux.Handle("/base.css", http.FileServerFS(shared))
	mux.Handle("/kit.js", http.FileServerFS(shared))
	mux.Handle("/icon.svg", http.FileServerFS(shared))
	mux.Handle("/", http.FileServerFS(files))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, files, "page.html")
	})
	return guarded(mux)
}

// guarded lets pages load nothing of other sites, and run no script that stands
// in a text. A frame around them has to be of the same site.
func guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'self'")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}
