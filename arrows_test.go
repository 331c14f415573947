package main

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/sockkit/sockkit"

// floors are the packages from the ground up. One may import those below it.
var floors = []string{"trace", "handshake", "udp", "tcp", "ws", "socketio", "examples", "internal", "demo", "cmd", "."}

// TestArrows holds that no package imports what stands above it, that only the
// command line knows cobra, and that the ground floor stands on the standard
// library alone.
func TestArrows(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if name := d.Name(); path != "." && (name == "testdata" || strings.HasPrefix(name, ".") || path == "bench" || path == "interop" || path == "dist") {
			return filepath.SkipDir
		}
		p, err := build.ImportDir(path, 0)
		if err != nil {
			return nil // no Go files here
		}
		checked++
		for _, imported := range p.Imports {
			checkArrow(t, filepath.ToSlash(path), imported)
		}
		return nil
	})
	if err != nil || checked < 8 {
		t.Fatalf("%d packages checked, %v", checked, err)
	}
}

func checkArrow(t *testing.T, from, imported string) {
	t.Helper()
	inner, ours := strings.CutPrefix(imported, module+"/")
	switch {
	case ours:
		if floor(inner) > floor(from) {
			t.Errorf("%s imports %s, which stands above it", from, inner)
		}
	case strings.HasPrefix(imported, "github.com/spf13/") && floor(from) < floor("cmd"):
		t.Errorf("%s imports %s, which is the command line's", from, imported)
	case from == "trace" && strings.Contains(imported, "."):
		t.Errorf("trace imports %s; the ground floor stands on the standard library alone", imported)
	}
}

// floor is the height of a package.
func floor(path string) int {
	top, _, _ := strings.Cut(path, "/")
	for i, name := range floors {
		if name == top {
			return i
		}
	}
	return len(floors)
}
