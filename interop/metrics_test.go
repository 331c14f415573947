package interop

import (
	"net/http"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Prometheus' own parser reads what --metrics serves: types, help texts and
// values of every kind of server.
func TestMetricsByPrometheus(t *testing.T) {
	for address, figures := range map[string][]string{
		"tcp://127.0.0.1:0": {"sockkit_connections_accepted_total", "sockkit_connections_open"},
		"udp://127.0.0.1:0": {"sockkit_datagrams_received_total", "sockkit_datagrams_dropped_total"},
		"ws://127.0.0.1:0":  {"sockkit_websockets_open", "sockkit_violations_total"},
		"sio://127.0.0.1:0": {"sockkit_sessions", "sockkit_sockets"},
	} {
		t.Run(strings.SplitN(address, ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			us := sockkit(t, "listen", "-k", "--echo", address, "--metrics", "127.0.0.1:0")
			us.err.awaitText(t, "/metrics\n")
			_, url, _ := strings.Cut(us.err.String(), "metrics on ")
			families := scraped(t, strings.TrimSpace(url))
			for _, name := range append(figures, "go_goroutines", "go_gc_duration_seconds", "go_memstats_heap_inuse_bytes",
				"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds") {
				if f := families[name]; f.GetHelp() == "" || len(f.GetMetric()) == 0 {
					t.Errorf("%s is not there, or has no help text: %v", name, f)
				}
			}
		})
	}
}

// scraped asks at url, and parses what came as its Content-Type says.
func scraped(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if format := expfmt.ResponseFormat(answer.Header); format.FormatType() != expfmt.TypeTextPlain {
		t.Fatalf("its format is %s", format)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		if counter := f.GetType() == dto.MetricType_COUNTER; counter != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %v", name, f.GetType())
		}
	}
	return families
}
