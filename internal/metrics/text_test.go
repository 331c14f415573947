package metrics

import (
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
)

// The text is that of the format 0.0.4: what it escapes is escaped, and labels
// are in order.
func TestWrite(t *testing.T) {
	var b strings.Builder
	err := Write(&b, []Family{
		One(Counter, "bytes_total", "Bytes.\nWith a \\.", 1.5e6),
		{Name: "none", Type: Gauge, Label: "rule"},
		{Name: "sockets", Help: "Sockets.", Type: Gauge, Label: "namespace", Values: map[string]float64{"/b": 1, "/\"a\\\n\xff": math.Inf(1)}},
		{Name: "pause_seconds", Help: "Pauses.", Type: Summary, Label: "quantile", Values: map[string]float64{"0.5": 0.25}, Sum: 2, Count: 8},
	})
	want := `# HELP bytes_total Bytes.\nWith a \\.
# TYPE bytes_total counter
bytes_total 1.5e+06
# HELP sockets Sockets.
# TYPE sockets gauge
sockets{namespace="/\"a\\\n` + "\uFFFD" + `"} +Inf
sockets{namespace="/b"} 1
# HELP pause_seconds Pauses.
# TYPE pause_seconds summary
pause_seconds{quantile="0.5"} 0.25
pause_seconds_sum 2
pause_seconds_count 8
`
	if err != nil || b.String() != want {
		t.Errorf("%v; it wrote\n%s\nwant\n%s", err, b.String(), want)
	}
}

// The figures of the process are those that the system tells others.
func TestProcess(t *testing.T) {
	got := map[string]Family{}
	for _, f := range Process() {
		if _, twice := got[f.Name]; twice || f.Help == "" || len(f.Values) == 0 {
			t.Errorf("%+v is there twice, or says nothing", f)
		}
		got[f.Name] = f
	}
	value := func(name string) float64 { return got[name].Values[""] }
	if value("go_goroutines") < 1 || value("go_memstats_heap_alloc_bytes") <= 0 || got["go_info"].Values[runtime.Version()] != 1 || value("process_start_time_seconds") < 1.7e9 {
		t.Errorf("%+v", got)
	}
	if runtime.GOOS != "linux" {
		return
	}
	before := value("process_open_fds")
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if after := system()[0].Values[""]; after != before+1 {
		t.Errorf("%v files were open, and %v with one more", before, after)
	}
	if resident := value("process_resident_memory_bytes"); resident < 1<<20 || resident >= value("process_virtual_memory_bytes") || value("process_max_fds") < before {
		t.Errorf("%+v", got)
	}
}
