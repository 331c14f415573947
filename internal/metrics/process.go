package metrics

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/sockkit/sockkit/internal/load"
)

// started is when this process was, to within a few milliseconds.
var started = time.Now()

// Process returns the figures of this process and of Go's runtime, under the
// names that Prometheus' own client library gives them.
func Process() []Family {
	return append(append(goFigures(), memory()...), process()...)
}

// goFigures are those of the scheduler and of the collector of garbage.
func goFigures() []Family {
	pauses := debug.GCStats{PauseQuantiles: make([]time.Duration, 5)}
	debug.ReadGCStats(&pauses)
	collected := Family{
		Name: "go_gc_duration_seconds", Help: "For how long collecting garbage stopped the program.", Type: Summary, Label: "quantile",
		Values: map[string]float64{}, Sum: pauses.PauseTotal.Seconds(), Count: float64(pauses.NumGC),
	}
	for i, quantile := range []string{"0", "0.25", "0.5", "0.75", "1"} {
		collected.Values[quantile] = pauses.PauseQuantiles[i].Seconds()
	}
	threads, _ := runtime.ThreadCreateProfile(nil)
	return []Family{
		collected,
		One(Gauge, "go_gc_gomemlimit_bytes", "What GOMEMLIMIT, or debug.SetMemoryLimit, allows.", float64(debug.SetMemoryLimit(-1))),
		One(Gauge, "go_goroutines", "Goroutines that exist.", float64(runtime.NumGoroutine())),
		{Name: "go_info", Help: "Of which Go this is.", Type: Gauge, Label: "version", Values: map[string]float64{runtime.Version(): 1}},
		One(Gauge, "go_sched_gomaxprocs_threads", "Threads that may run Go code at once.", float64(runtime.GOMAXPROCS(0))),
		One(Gauge, "go_threads", "Threads of the system that were made.", float64(threads)),
	}
}

// memory is what runtime.MemStats says.
func memory() []Family {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var families []Family
	for _, f := range []struct {
		t          Type
		name, help string
		v          uint64
	}{
		{Gauge, "alloc_bytes", "Bytes of objects on the heap.", m.Alloc},
		{Counter, "alloc_bytes_total", "Bytes ever allocated on the heap.", m.TotalAlloc},
		{Gauge, "buck_hash_sys_bytes", "Bytes of the tables of profiles.", m.BuckHashSys},
		{Counter, "frees_total", "Objects ever freed.", m.Frees},
		{Gauge, "gc_sys_bytes", "Bytes that collecting garbage takes for itself.", m.GCSys},
		{Gauge, "heap_alloc_bytes", "Bytes of objects on the heap, as alloc_bytes.", m.HeapAlloc},
		{Gauge, "heap_idle_bytes", "Bytes of the heap that hold no object.", m.HeapIdle},
		{Gauge, "heap_inuse_bytes", "Bytes of the heap that hold objects.", m.HeapInuse},
		{Gauge, "heap_objects", "Objects on the heap.", m.HeapObjects},
		{Gauge, "heap_released_bytes", "Bytes of the heap given back to the system.", m.HeapReleased},
		{Gauge, "heap_sys_bytes", "Bytes got from the system for the heap.", m.HeapSys},
		{Counter, "mallocs_total", "Objects ever allocated.", m.Mallocs},
		{Gauge, "mcache_inuse_bytes", "Bytes of caches in use.", m.MCacheInuse},
		{Gauge, "mcache_sys_bytes", "Bytes got from the system for caches.", m.MCacheSys},
		{Gauge, "mspan_inuse_bytes", "Bytes of spans in use.", m.MSpanInuse},
		{Gauge, "mspan_sys_bytes", "Bytes got from the system for spans.", m.MSpanSys},
		{Gauge, "next_gc_bytes", "The size of the heap at which garbage is collected next.", m.NextGC},
		{Gauge, "other_sys_bytes", "Bytes got from the system for other ends.", m.OtherSys},
		{Gauge, "stack_inuse_bytes", "Bytes of stacks in use.", m.StackInuse},
		{Gauge, "stack_sys_bytes", "Bytes got from the system for stacks.", m.StackSys},
		{Gauge, "sys_bytes", "Bytes got from the system.", m.Sys},
	} {
		families = append(families, One(f.t, "go_memstats_"+f.name, f.help, float64(f.v)))
	}
	return append(families, One(Gauge, "go_memstats_last_gc_time_seconds", "When garbage was collected last, in seconds since 1970.", float64(m.LastGC)/1e9))
}

// process is what the system knows of this process.
func process() []Family {
	families := []Family{
		One(Counter, "process_cpu_seconds_total", "Seconds of processor time, of the user and of the system.", load.CPUTime().Seconds()),
		One(Gauge, "process_start_time_seconds", "When the process was started, in seconds since 1970.", float64(started.UnixMilli())/1e3),
	}
	if limit := load.FileLimit(); limit > 0 {
		families = append(families, One(Gauge, "process_max_fds", "Files that the process may have open.", float64(limit)))
	}
	return append(families, system()...)
}
