package load

import (
	"runtime"
	"sync"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept in nanoseconds, to three digits, up to longest.
const (
	longest = int64(600e9)
	digits  = 3
)

// record is what came back on some of the connections.
type record struct {
	mu       sync.Mutex
	latency  *hdr.Histogram
	service  *hdr.Histogram // from when it was sent in truth; nil without a rate
	answered int64
}

func newHistogram() *hdr.Histogram { return hdr.New(1, longest, digits) }

func keep(h *hdr.Histogram, v int64) { _ = h.RecordValue(min(max(v, 0), longest)) }

// add keeps the latency of a message.
func (r *record) add(latency, service int64) {
	r.mu.Lock()
	keep(r.latency, latency)
	if r.service != nil {
		keep(r.service, service)
	}
	r.answered++
	r.mu.Unlock()
}

// records are several, so that few wait for the same lock.
type records []*record

func newRecords(conns int, rated bool) records {
	list := make(records, min(conns, 2*runtime.GOMAXPROCS(0), 16))
	for i := range list {
		list[i] = &record{latency: newHistogram()}
		if rated {
			list[i].service = newHistogram()
		}
	}
	return list
}

func (r records) of(index uint32) *record { return r[int(index)%len(r)] }

func (r records) answered() (n int64) {
	for _, one := range r {
		one.mu.Lock()
		n += one.answered
		one.mu.Unlock()
	}
	return n
}

// sum joins the histograms. The second is nil without a rate.
func (r records) sum() (latency, service *hdr.Histogram) {
	latency = newHistogram()
	for _, one := range r {
		one.mu.Lock()
		latency.Merge(one.latency)
		if one.service != nil {
			if service == nil {
				service = newHistogram()
			}
			service.Merge(one.service)
		}
		one.mu.Unlock()
	}
	return latency, service
}
