//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"github.com/sockkit/sockkit/bench/internal/proc"
)

// machine is what the figures were made on.
type machine struct {
	CPU      string            `json:"cpu"`
	Kernel   string            `json:"kernel"`
	Go       string            `json:"go"`
	Where    string            `json:"where"`
	Programs map[string]string `json:"programs"`
}

// versionWords returns the words that have each program say its version.
func versionWords() map[string]string {
	return map[string]string{
		"sockkit": "version", "nc": "-h", "ncat": "--version", "socat": "-V", "curl": "--version", "head": "--version",
		"node": "--version",
	}
}

func (l *lab) machine() machine {
	m := machine{CPU: cpuModel(), Kernel: kernel(), Go: runtime.Version(), Where: l.where(), Programs: map[string]string{}}
	for name, word := range versionWords() {
		if why := l.missing[name]; why != "" {
			m.Programs[name] = why
			continue
		}
		said, _ := exec.Command(l.programs[name], word).CombinedOutput()
		m.Programs[name] = version(string(said))
	}
	m.Programs["ws"] = libraries(l.programs["ws"], "")
	m.Programs["sio"] = libraries(l.programs["sio"], "/servers/")
	m.Programs["npm"] = nodePackages()
	if why := l.missing["limit"]; why != "" {
		m.Programs["cc"] = why
		return m
	}
	said, _ := exec.Command(compiler(), "--version").CombinedOutput()
	m.Programs["cc"] = version(string(said))
	return m
}

// nodePackages returns what package.json names, and the versions.
func nodePackages() string {
	var locked struct{ Dependencies map[string]string }
	text, err := os.ReadFile("package.json")
	if err == nil {
		err = json.Unmarshal(text, &locked)
	}
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(locked.Dependencies)) {
		all = append(all, name+" "+locked.Dependencies[name])
	}
	return strings.Join(all, ", ")
}

// libraries returns what a Go program was built with, and the versions, of those
// whose path has some part.
func libraries(path, part string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, module := range info.Deps {
		if strings.Contains(module.Path, part) {
			all = append(all, strings.TrimPrefix(module.Path, "github.com/")+" "+module.Version)
		}
	}
	return strings.Join(all, ", ")
}

// version returns the first line of some output that holds a number, or its start.
func version(said string) string {
	for line := range strings.Lines(said) {
		if strings.ContainsAny(line, "0123456789") {
			return fmt.Sprintf("%.70s", strings.TrimSpace(line))
		}
	}
	return "not known"
}

func cpuModel() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return "Linux " + strings.TrimSpace(string(release))
}

// siblings says whether two cores are one core's two threads.
func siblings(a, b int) string {
	list, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", a))
	if err != nil {
		return "whether they are threads of one core is not known"
	}
	for part := range strings.SplitSeq(strings.TrimSpace(string(list)), ",") {
		first, last, ranged := strings.Cut(part, "-")
		low, _ := strconv.Atoi(first)
		high := low
		if ranged {
			high, _ = strconv.Atoi(last)
		}
		if b >= low && b <= high {
			return "two threads of one core"
		}
	}
	return "two cores of their own"
}

// noise is how unquiet the machine was: the CPU time that the same fixed work
// took before each round, what the host took away, and the load beside us.
type noise struct {
	Yardstick []float64 `json:"yardstick_ms"`
	Load      []string  `json:"load_average"` // before and after
	Stolen    float64   `json:"stolen"`       // the share of all time
	before    ticks
}

func newNoise() *noise { return &noise{Load: []string{loadAverage()}, before: readTicks()} }

// measure is called before each round, and measures on the server's core.
func (n *noise) measure(core []int) {
	proc.OnCores(core, func() error {
		n.Yardstick = append(n.Yardstick, yardstick())
		return nil
	})
}

func (n *noise) end() {
	n.Load = append(n.Load, loadAverage())
	after := readTicks()
	if all := after.all - n.before.all; all > 0 {
		n.Stolen = float64(after.stolen-n.before.stolen) / float64(all)
	}
}

func (n *noise) String() string {
	median, least, most := spread(n.Yardstick)
	return fmt.Sprintf("noise: the same work took %.1f ms of CPU (%.1f–%.1f) · stolen by the host %.1f %% · load average %s before, %s after, our own servers included",
		median, least, most, n.Stolen*100, n.Load[0], n.Load[len(n.Load)-1])
}

// yardstick is the CPU time, in ms, of work that never changes.
func yardstick() float64 {
	data, sum := make([]byte, 1<<20), sha256.New()
	before := threadTime()
	for range 16 {
		sum.Write(data)
	}
	return float64(threadTime()-before) / 1e6
}

func threadTime() int64 {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

func loadAverage() string {
	line, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(line), " ")
	return first
}

type ticks struct{ all, stolen int }

// readTicks sums the first line of /proc/stat; its eighth number is what was stolen.
func readTicks() (t ticks) {
	content, _ := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(content, []byte("\n"))
	for i, field := range slices.Collect(strings.FieldsSeq(string(line))) {
		n, err := strconv.Atoi(field)
		if err != nil || i > 8 {
			continue
		}
		t.all += n
		if i == 8 {
			t.stolen = n
		}
	}
	return t
}
