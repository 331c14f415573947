package demo

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden holds the lessons against testdata/*.golden, ports and what is
// measured left out. The files are those of Linux: other systems tell less.
func TestGolden(t *testing.T) {
	for _, l := range Lessons() {
		got := tellLesson(t, l.Name, Options{normal: newNormal()}).text
		file := filepath.Join("testdata", l.Name+".golden")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as in %s (-update writes it anew). It was told:\n%s", l.Name, file, got)
		}
	}
}

// sockets counts those that the process has open.
func sockets(t *testing.T) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && strings.HasPrefix(to, "socket:") {
			n++
		}
	}
	return n
}
