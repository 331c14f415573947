package live

import (
	"encoding/json"

	"github.com/sockkit/sockkit/internal/dissect"
)

// Detail is all there is to know about one record.
type Detail struct {
	Row
	dissect.Dissection
	Command string          `json:"command,omitempty"` // a command line that does the same
	Record  json.RawMessage `json:"record"`            // as it stands in JSON lines
}

// Detail returns what is known about record n, and false where it is not kept.
func (t *Timeline) Detail(n int) (Detail, bool) {
	t.mu.Lock()
	if n < t.first || n >= t.first+len(t.kept) {
		t.mu.Unlock()
		return Detail{}, false
	}
	k := t.kept[n-t.first]
	t.mu.Unlock()
	return Detail{Row: k.row(t.Between), Dissection: dissect.Event(k.Event, k.wire), Command: k.command(), Record: k.json()}, true
}
