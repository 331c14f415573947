package socketio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"
)

// isClientFile tells of the names that the official server serves.
func isClientFile(name string) bool {
	switch strings.TrimSuffix(name, ".map") {
	case "socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js":
		return true
	}
	return false
}

// clientFiles serves the files of ServeClient before what is below.
func (s *Server) clientFiles(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, s.enginePath()), "/")
		if !isClientFile(name) || r.Method != http.MethodGet && r.Method != http.MethodHead {
			next.ServeHTTP(w, r)
			return
		}
		data, err := fs.ReadFile(s.ServeClient, name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		s.serveFile(w, r, name, data)
	})
}

func (s *Server) serveFile(w http.ResponseWriter, r *http.Request, name string, data []byte) {
	sum := sha256.Sum256(data)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	if match := r.Header.Get("If-None-Match"); match == tag || match == "W/"+tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Content-Type", "application/javascript; charset=utf-8")
	if strings.HasSuffix(name, ".map") {
		h.Set("Content-Type", "application/json; charset=utf-8")
	}
	h.Set("ETag", tag)
	h.Add("Vary", "Accept-Encoding")
	if how := encodingFor(r); how != "" {
		h.Set("Content-Encoding", how)
		data = s.compressed(tag+how, how, data)
	}
	if r.Method != http.MethodHead {
		_, _ = w.Write(data)
	}
}

// encodingFor is how an answer may be compressed: "" where it may not.
func encodingFor(r *http.Request) string {
	accepted := map[string]bool{}
	for _, line := range r.Header.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			q := strings.ReplaceAll(parameters, " ", "")
			accepted[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimPrefix(q, "q="), "0.") != "" || q == ""
		}
	}
	for _, name := range []string{"gzip", "deflate"} {
		if accepted[name] {
			return name
		}
	}
	return ""
}

// compressed compresses a file once.
func (s *Server) compressed(key, how string, data []byte) []byte {
	if kept, ok := s.files.Load(key); ok {
		return kept.([]byte)
	}
	var b bytes.Buffer
	if how == "gzip" {
		z := gzip.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
	} else {
		z := zlib.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
	}
	s.files.Store(key, b.Bytes())
	return b.Bytes()
}
